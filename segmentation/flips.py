"""What a network says of pictures and of their flips, averaged."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

__all__ = ["with_flips"]

Tensor = Any

_AXIS = {"vertical": 1, "horizontal": 2}  # of (N, H, W, C)


def with_flips(network: Any, images: Tensor, flips: tuple[str, ...]) -> Tensor:
    """The mean of a network's maps of the images and of their flips, each flipped back."""
    maps = network(images)
    for flip in flips:
        axis = [_AXIS[flip]]
        maps += tf.reverse(network(tf.reverse(images, axis)), axis)
    return maps / (1 + len(flips))
