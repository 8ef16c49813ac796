"""How much the boxes of an answer overlap those of a request's outputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spine.answers.answer import Finding
from spine.dataset.detections import ious

__all__ = ["overlaps"]


def overlaps(findings: Sequence[Finding], boxes: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """IoU (N, K, M) of K findings with boxes (N, M, 4), y1 x1 y2 x2 in [0, 1] of (height, width); 0 of padding."""
    own = np.array([finding.box for finding in findings])[:, [1, 0, 3, 2]] / np.tile(size, 2)
    return ious(own, boxes)
