"""What several tests of ensembles use."""

import pytest

from tests.figures_of_a_pixel import write_pixels


@pytest.fixture
def figures_without_pixels(monkeypatch):
    """Reports draw figures as ever, but write those for documents as PNG of one pixel."""
    write_pixels(monkeypatch)
