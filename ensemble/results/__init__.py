"""What the stages write and read back, typed: weights.json, metrics.json and the overlaps that both tell."""
