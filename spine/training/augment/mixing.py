"""MixUp and CutMix: an image and its truth mixed with another of the same batch.

Zhang et al. 2018 ("mixup: Beyond Empirical Risk Minimization") blend two images; Yun et al. 2019 ("CutMix") paste a
rectangle of one into the other. Each image draws its own share. Its partner is the image before it, since a batch is in
random order already; an image alone in its batch stays as it is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from spine.training.augment.settings import Augmentation

__all__ = [
    "Mixing",
    "draw_mixing",
    "mix",
    "mix_boxes",
    "mix_labels",
    "mix_masks",
    "mixing_of",
    "partners",
    "shares",
    "weighed",
]

Tensor = Any


class Mixing(NamedTuple):
    """How each of N images is mixed with its partner: float32 tensors."""

    blend: Tensor  # (N,) what is left of the image outside the rectangle; 1 is all of it
    rectangle: Tensor  # (N, 4) x0 y0 x1 y1 of the partner's pasted part, whole 0-based half-open pixels


def draw_mixing(settings: Augmentation, n: Tensor, height: Tensor, width: Tensor, seed: Tensor) -> Mixing:
    """Parameters of n images of one size; the same seed, an integer tensor (2,), draws the same ones."""
    uniform = tf.random.stateless_uniform([4, n], tf.random.fold_in(seed, 0))
    applied = (uniform[0] < settings.probability) & (n > 1)
    cuts = uniform[1] < (0.5 if settings.mixup and settings.cutmix else float(bool(settings.cutmix)))
    blend = _beta(settings.mixup, n, tf.random.fold_in(seed, 1)) if settings.mixup else tf.ones([n])
    left = _beta(settings.cutmix, n, tf.random.fold_in(seed, 2)) if settings.cutmix else tf.ones([n])
    return Mixing(
        blend=tf.where(applied & ~cuts, blend, 1.0),
        rectangle=_rectangle(tf.where(applied & cuts, left, 1.0), uniform[2], uniform[3], height, width),
    )


def mixing_of(images: Tensor, settings: Augmentation, seed: Tensor) -> Mixing:
    """Parameters for a batch of images (N, H, W, C), of a seed that other augmentation may have drawn by."""
    n, height, width = tf.unstack(tf.shape(images)[:3])
    return draw_mixing(settings, n, height, width, tf.random.fold_in(seed, 2))


def _beta(alpha: float, n: Tensor, seed: Tensor) -> Tensor:
    """(n,) drawn from Beta(alpha, alpha), in float64: of a small alpha float32 has nothing but zeros."""
    first, second = tf.unstack(
        tf.random.stateless_gamma([2, n], seed, tf.constant(alpha, tf.float64), dtype=tf.float64)
    )
    return tf.cast(tf.math.divide_no_nan(first, first + second), tf.float32)


def _rectangle(left: Tensor, y: Tensor, x: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """The part of each image that is not `left`, in its aspect, its centre anywhere; what lies outside is cut off."""
    sides = tf.sqrt(1 - left)
    bounds = []
    for centre, length in ((x, width), (y, height)):
        length = tf.cast(length, tf.float32)
        low = tf.round(centre * length - sides * length / 2)
        high = tf.round(centre * length + sides * length / 2)
        bounds.append((tf.clip_by_value(low, 0.0, length), tf.clip_by_value(high, 0.0, length)))
    (x0, x1), (y0, y1) = bounds
    return tf.stack([x0, y0, x1, y1], axis=-1)


def partners(rows: Tensor) -> Tensor:
    """What each of N images is mixed with: the rows (N, ...) of the images before."""
    return tf.roll(rows, 1, axis=0)


def shares(mixing: Mixing, height: Tensor, width: Tensor) -> Tensor:
    """How much of each mixed image is its own (N,): the blend, less the part of the area that was pasted over."""
    x0, y0, x1, y1 = tf.unstack(mixing.rectangle, axis=-1)
    pasted = (x1 - x0) * (y1 - y0) / tf.cast(height * width, tf.float32)
    return mixing.blend * (1 - pasted)


def mix(images: Tensor, mixing: Mixing) -> Tensor:
    """Images, or masks one-hot, (N, H, W, C) float32, mixed with their partners."""
    blend = mixing.blend[:, tf.newaxis, tf.newaxis, tf.newaxis]
    own = tf.where(_inside(mixing.rectangle, tf.shape(images)[1], tf.shape(images)[2]), 0.0, blend)
    return tf.ensure_shape(own * images + (1 - own) * partners(images), images.shape)


def _inside(rectangle: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """Which pixels (N, H, W, 1) lie in rectangles (N, 4)."""
    x0, y0, x1, y1 = tf.unstack(rectangle[..., tf.newaxis], axis=1)
    rows, columns = tf.range(tf.cast(height, tf.float32)), tf.range(tf.cast(width, tf.float32))
    in_rows, in_columns = (rows >= y0) & (rows < y1), (columns >= x0) & (columns < x1)
    return (in_rows[:, :, tf.newaxis] & in_columns[:, tf.newaxis, :])[..., tf.newaxis]


def mix_masks(images: Tensor, masks: Tensor, settings: Augmentation, seed: Tensor) -> tuple[Tensor, Tensor]:
    """Images (N, H, W, C) and their one-hot masks (N, H, W, K), mixed as the settings say."""
    if not settings.mixes:
        return images, masks
    mixing = mixing_of(images, settings, seed)
    return mix(images, mixing), mix(masks, mixing)


def mix_labels(images: Tensor, labels: Tensor, settings: Augmentation, seed: Tensor) -> tuple[Tensor, Tensor]:
    """Images (N, H, W, C) mixed as the settings say, and their labels (N, K) in the same shares."""
    if not settings.mixes:
        return images, labels
    mixing = mixing_of(images, settings, seed)
    own = shares(mixing, *tf.unstack(tf.shape(images)[1:3]))[:, tf.newaxis]
    return mix(images, mixing), own * labels + (1 - own) * partners(labels)


def weighed(labels: Tensor, class_weights: Tensor) -> tuple[Tensor, Tensor]:
    """Labels (N, K) and weights (N,) whose cross-entropy is that of `labels`, each class' part times its weight (K,).

    -sum(t w log p) for labels t and weights w. Of one class it is its weight times -log p, as Keras' `class_weight`
    has it; that one looks at the greatest label alone, and so cannot weigh mixed ones.
    """
    parts = labels * class_weights
    whole = tf.reduce_sum(parts, axis=-1)
    return parts / whole[:, tf.newaxis], whole


def mix_boxes(boxes: Tensor, mixing: Mixing) -> Tensor:
    """Boxes (N, 2 M, 4) of images after `mix`, of boxes (N, M, 4) before: their own, then those of their partners.

    x0 y0 x1 y1 in 0-based half-open pixels. A blended image has all boxes of both. Where a rectangle was pasted a box
    becomes the bounds of what is still seen of it; with less than half of its area it becomes zeros, since the sliver
    of a disc is no disc: at one straight edge that is whose centre is out, as `apply_spatial_to_boxes` has it.
    """
    rectangle = mixing.rectangle[:, tf.newaxis]
    pasted = tf.reduce_all(rectangle[..., 2:] > rectangle[..., :2], axis=-1)
    blended = mixing.blend[:, tf.newaxis] < 1
    others = partners(boxes)
    common_of_own, common_of_others = _common(boxes, rectangle), _common(others, rectangle)
    own = _zero_where_hidden(_bounds_of_rest(boxes, common_of_own), 1 - _part(common_of_own, boxes), boxes)
    theirs = _zero_where_hidden(common_of_others, _part(common_of_others, others), others)
    there = tf.cast((pasted | blended)[..., tf.newaxis], tf.float32)
    return tf.concat([own, there * tf.where(pasted[..., tf.newaxis], theirs, others)], axis=1)


def _common(boxes: Tensor, rectangle: Tensor) -> Tensor:
    """Where boxes and rectangles overlap; zeros where they do not."""
    low, high = tf.maximum(boxes[..., :2], rectangle[..., :2]), tf.minimum(boxes[..., 2:], rectangle[..., 2:])
    overlap = tf.reduce_all(high > low, axis=-1, keepdims=True)
    return tf.where(overlap, tf.concat([low, high], axis=-1), 0.0)


def _part(inner: Tensor, outer: Tensor) -> Tensor:
    return tf.math.divide_no_nan(_area(inner), _area(outer))


def _area(boxes: Tensor) -> Tensor:
    return tf.reduce_prod(boxes[..., 2:] - boxes[..., :2], axis=-1)


def _bounds_of_rest(boxes: Tensor, common: Tensor) -> Tensor:
    """The bounds of boxes without their `common` part: smaller only where that takes all of a side."""
    low, high = boxes[..., :2], boxes[..., 2:]
    from_low, to_high = common[..., :2] <= low, common[..., 2:] >= high
    # A cut along x takes all of a side where the common part reaches from one end of y to the other.
    across = tf.reverse(from_low & to_high, axis=[-1]) & tf.reduce_all(common[..., 2:] > common[..., :2], -1, True)
    return tf.concat(
        [
            tf.where(across & from_low, common[..., 2:], low),
            tf.where(across & to_high, common[..., :2], high),
        ],
        axis=-1,
    )


def _zero_where_hidden(bounds: Tensor, seen: Tensor, boxes: Tensor) -> Tensor:
    there = (seen >= 0.5) & (_area(boxes) > 0)
    return tf.where(there[..., tf.newaxis], bounds, 0.0)
