"""Search over weights in whole steps: every vector, or branch and bound."""
