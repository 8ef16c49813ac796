"""From fused probabilities to decisions: calibrated ones, an operating point, sets of labels."""
