"""From fused probabilities to decisions: calibrated ones, an operating point, sets of labels, and what they are worth.

Pure functions of probabilities (U, C) of U units, of their true classes (U,) and of their patients (U,).
"""
