"""Classes laid over a grey picture, translucent and outlined, in colours that are told apart by the colour-blind."""

from __future__ import annotations

import cv2
import numpy as np

__all__ = ["CLASS_COLOURS", "class_colour", "display_image", "outline", "resized", "rgb", "tinted"]

# Bright on grey anatomy: the first foreground class has the first colour.
CLASS_COLOURS = ("#35b6e6", "#f5a524", "#e8639c", "#8ecf4d", "#f4e04d", "#a78bfa", "#ef6f52", "#2fd4b2")


def class_colour(label: int) -> str:
    """The CSS colour of a foreground class, 1 being the first; after the last they repeat."""
    return CLASS_COLOURS[(label - 1) % len(CLASS_COLOURS)]


def rgb(colour: str) -> np.ndarray:
    """The parts (3,) in 0 .. 255 of a CSS colour `#rrggbb`."""
    return np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)])


def display_image(pixels: np.ndarray, scale: float) -> np.ndarray:
    """A picture (H, W) of any depth as uint8, `scale` times as large, its darkest and brightest 0.5 % clipped."""
    values = pixels.astype(np.float32)
    low, high = np.percentile(values, [0.5, 99.5])
    grey = np.clip((values - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(grey, None, fx=scale, fy=scale, interpolation=how)


def tinted(grey: np.ndarray, mask: np.ndarray, classes: int, opacity: float) -> np.ndarray:
    """RGB (H, W, 3) of a grey picture (H, W) uint8 under classes of an opacity from 0 to 1, with their outlines.

    `classes` counts the background; the mask may have another size than the picture.
    """
    canvas = np.repeat(grey[..., None], 3, axis=2)
    for label in range(1, classes):
        inside = resized(mask == label, grey.shape)
        colour = rgb(class_colour(label))
        canvas[inside] = np.rint((1 - opacity) * canvas[inside] + opacity * colour)
        outline(canvas, inside, colour)
    return canvas


def resized(inside: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The region at another size; its edge is where a half lies, so that an outline is smooth and not in steps."""
    height, width = shape
    return cv2.resize(inside.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) >= 0.5


def outline(image: np.ndarray, inside: np.ndarray, colour: np.ndarray) -> None:
    """Draw the edge of a region (H, W) into an RGB image of its size."""
    edges, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(image, edges, -1, [int(part) for part in colour], 1)
