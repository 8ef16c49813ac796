"""Backbones of the detectors: grey pictures in [0, 1] to maps by level, each aligned with its stride 2**level."""
