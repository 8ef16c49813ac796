"""Search over weights of any value, by exact line search."""
