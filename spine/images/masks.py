"""What in a decoded page of a mask file are its class indices, whether they are drawn in grey, a palette or alpha."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spine.core.problems import SpineError

__all__ = ["indices_of"]

_SAVE = "save it as a grey or palette PNG of class indices"


def indices_of(page: np.ndarray, path: Path) -> np.ndarray:
    """(H, W) uint16 of a decoded page (H, W[, C]): its grey, or its alpha channel where the mask is drawn there.

    Where only a part is opaque, the rest is background, whatever its colour; opaque black is drawn in alpha alone.
    SpineError for colours, partly transparent pixels, and what are no whole numbers of 16 bits.
    """
    if page.ndim == 2:
        return _whole(page, path)
    alpha = page[..., -1] if page.shape[2] in (2, 4) else np.ones(page.shape[:2], np.uint8)
    drawn = np.ones(alpha.shape, bool) if np.ptp(alpha) == 0 else alpha == alpha.max()
    if alpha[~drawn].any():
        raise SpineError(f"{path} has partly transparent pixels, such as soft edges; {_SAVE}")
    if np.ptp(page[drawn][:, :3] if page.shape[2] > 2 else page[drawn][:, :1], axis=1).any():
        raise SpineError(f"{path} is a colour image; a mask holds class indices: {_SAVE}")
    of_alpha = not drawn.all() and not page[drawn][:, 0].any()
    return _whole(np.where(drawn, alpha if of_alpha else page[..., 0], 0), path)


def _whole(page: np.ndarray, path: Path) -> np.ndarray:
    low, high = page.min(), page.max()
    fractions = page.dtype.kind == "f" and (page != np.rint(page)).any()
    if not (low >= 0 and high <= 65535) or fractions:
        raise SpineError(f"{path} holds {page.dtype} values from {low} to {high}; class indices are whole: {_SAVE}")
    return page.astype(np.uint16)
