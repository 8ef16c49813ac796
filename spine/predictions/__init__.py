"""What members predicted, stored: the contract's tables and arrays, read strictly."""
