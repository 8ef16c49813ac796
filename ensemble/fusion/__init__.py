"""The one fusion rule: of probabilities, and of boxes on arrays and in the graph."""
