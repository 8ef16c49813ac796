"""One SavedModel for a whole case: discs are found, graded and outlined in one request."""
