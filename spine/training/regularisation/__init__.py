"""What keeps a network from learning its few patients by heart; each is off unless a setting asks for it."""
