"""What several tests of ensembles use."""

import cv2
import numpy as np
import pytest


@pytest.fixture
def figures_without_pixels(monkeypatch):
    """Reports draw figures as ever, but write those for documents as PNG of one pixel: most of a report's time."""
    pixel = cv2.imencode(".png", np.zeros((1, 1), np.uint8))[1].tobytes()
    monkeypatch.setattr("ensemble.report.plots.as_png", lambda figure: pixel)
