"""The exact weight search: predictions are reduced to what weights can change, then every grid vector is scored."""
