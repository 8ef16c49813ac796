"""Pixels from a file's bytes to a network's input, and a network's output back to the file's pixels.

Pure TensorFlow functions for sizes that are known only when they run: training calls them, and they are saved
inside every SavedModel, so what was trained on is what is served. Images are float32 (N, H, W, C) in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from spine.core.near_names import unknown_name
from spine.core.problems import SpineError
from spine.images.decoders.raster import LUMA

__all__ = [
    "LUMA",
    "NORMALISATIONS",
    "PERCENTILES",
    "Placement",
    "boxes_to_letterbox",
    "boxes_to_original",
    "decode",
    "decode_alike",
    "fit",
    "letterbox",
    "letterbox_mask",
    "normalise",
    "placement",
    "prepare",
    "to_grey",
    "unletterbox",
]

Tensor = Any  # TensorFlow ships no types that a checker could read

PERCENTILES = (0.5, 99.5)  # of an image's grey levels: what "percentile" maps to 0 and 1

# The same in whole numbers of 1 / 2**15, as OpenCV has them, so that intake and graph round a grey level alike.
_LUMA_15 = (9798, 19235, 3735)


def decode(image_bytes: Tensor) -> Tensor:
    """Grey picture (H, W, 1) float32 in [0, 1] of a PNG or JPEG file's bytes, a scalar string; white is 1.

    Any size; grey, colour or palette; 16-bit PNGs keep their precision. Alpha is ignored, colours are weighed
    by `LUMA`. The grey levels are those that the intake reads (`spine.images.pictures.decode_picture`), but for an EXIF
    orientation: TensorFlow knows none, so a picture that has one is to be turned before it is sent.
    """
    pixels, white = tf.cond(tf.io.is_jpeg(image_bytes), lambda: _jpeg(image_bytes), lambda: _png(image_bytes))
    grey = tf.cond(tf.shape(pixels)[-1] < 3, lambda: pixels[..., :1], lambda: _whole_luma(pixels))
    grey.set_shape([None, None, 1])
    return tf.cast(grey, tf.float32) / white


def decode_alike(image_bytes: Tensor) -> Tensor:
    """Grey pictures (N, H, W, 1) float32 in [0, 1] of PNG or JPEG files; an error in the graph where sizes differ."""
    first = decode(image_bytes[0])

    def decode_one(file: Tensor) -> Tensor:
        picture = decode(file)
        size, expected = tf.shape(picture)[:2], tf.shape(first)[:2]
        message = "the images of one request differ in size; segmentation takes one size a request: send them apart"
        alike = tf.debugging.Assert(tf.reduce_all(size == expected), [message, size, expected])
        with tf.control_dependencies([alike]):
            return tf.identity(picture)

    def decode_others() -> Tensor:
        spec = tf.TensorSpec([None, None, 1], tf.float32)
        return tf.concat([first[tf.newaxis], tf.map_fn(decode_one, image_bytes[1:], fn_output_signature=spec)], axis=0)

    return tf.cond(tf.shape(image_bytes)[0] > 1, decode_others, lambda: first[tf.newaxis])


def _jpeg(image_bytes: Tensor) -> tuple[Tensor, Tensor]:
    """Whole grey levels (H, W, C) int32 and that of white."""
    # By default TensorFlow takes the fast inverse DCT, which is up to 9 grey levels off.
    pixels = tf.io.decode_jpeg(image_bytes, channels=0, dct_method="INTEGER_ACCURATE", fancy_upscaling=True)
    return tf.cast(pixels, tf.int32), tf.constant(255.0)


def _png(image_bytes: Tensor) -> tuple[Tensor, Tensor]:
    """As `_jpeg`: of 16 bits as they are; TensorFlow widens fewer bits by 257, and they are taken back to 8."""
    pixels = tf.cast(tf.io.decode_png(image_bytes, channels=0, dtype=tf.uint16), tf.int32)
    with tf.control_dependencies([pixels]):  # a PNG, so it has a depth: ISO/IEC 15948, 11.2.2
        depth = tf.io.decode_raw(tf.strings.substr(image_bytes, 24, 1), tf.uint8)[0]
    return tf.cond(depth > 8, lambda: (pixels, tf.constant(65535.0)), lambda: (pixels // 257, tf.constant(255.0)))


def _whole_luma(pixels: Tensor) -> Tensor:
    weighed = tf.reduce_sum(pixels[..., :3] * tf.constant(_LUMA_15)[: tf.shape(pixels)[-1]], axis=-1, keepdims=True)
    return (weighed + 2**14) // 2**15  # of 65535 it just fits 31 bits


def to_grey(images: Tensor) -> Tensor:
    """Grey (..., H, W, 1) of images (..., H, W, C): C of 1 or 2 is grey (alpha), of 3 or 4 RGB (alpha)."""
    images = tf.convert_to_tensor(images)
    grey = tf.cond(tf.shape(images)[-1] < 3, lambda: images[..., :1], lambda: _luma(images))
    grey.set_shape([*images.shape[:-1], 1] if images.shape.rank else [None, None, 1])
    return grey


def _luma(images: Tensor) -> Tensor:
    weights = tf.constant(LUMA, images.dtype)[: tf.shape(images)[-1]]
    return tf.reduce_sum(images[..., :3] * weights, axis=-1, keepdims=True)


def normalise(images: Tensor, how: str) -> Tensor:
    """Grey levels of each image (..., H, W, 1) stretched to [0, 1], by a name in `NORMALISATIONS`.

    Blind to the depth that a scan was stored with. A constant image becomes zeros, except by "none".
    SpineError where the name is unknown.
    """
    if how not in NORMALISATIONS:
        raise SpineError(unknown_name("normalisation", how, NORMALISATIONS))
    return NORMALISATIONS[how](tf.cast(images, tf.float32))


def _minmax(images: Tensor) -> Tensor:
    # Ma et al. 2020: G1 = 255 (G0 - min G0) / (max G0 - min G0), here without the 255.
    low = tf.reduce_min(images, axis=(-3, -2, -1), keepdims=True)
    high = tf.reduce_max(images, axis=(-3, -2, -1), keepdims=True)
    return _stretch(images, low, high)


def _percentile(images: Tensor) -> Tensor:
    shape = tf.shape(images)
    flat = tf.reshape(images, tf.concat([shape[:-3], [-1]], axis=0))
    low, high = (_quantile(flat, percent / 100) for percent in PERCENTILES)
    ends = tf.concat([shape[:-3], [1, 1, 1]], axis=0)
    return _stretch(images, tf.reshape(low, ends), tf.reshape(high, ends))


def _stretch(images: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return tf.clip_by_value(tf.math.divide_no_nan(images - low, high - low), 0.0, 1.0)


def _quantile(values: Tensor, fraction: float) -> Tensor:
    """Quantile along the last axis, linear between neighbours as NumPy's; sorts the nearer end only."""
    if fraction < 0.5:
        return -_quantile(-values, 1 - fraction)
    last = tf.shape(values)[-1] - 1
    below_top = tf.cast(last, tf.float64) * (1 - fraction)
    above = tf.cast(tf.floor(below_top), tf.int32)
    top = tf.math.top_k(values, tf.minimum(above + 2, last + 1)).values  # descending
    part = tf.cast(below_top - tf.floor(below_top), values.dtype)
    return top[..., above] * (1 - part) + top[..., -1] * part


NORMALISATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "minmax": _minmax,
    "percentile": _percentile,
    "none": tf.identity,
}


class Placement(NamedTuple):
    """Where a whole image lies in a target after `letterbox`: scalar tensors, in pixels of the target.

    A point (x, y) of the image, 0-based with pixel edges on integers, lies at
    (left + scale_x * x, top + scale_y * y).
    """

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor
    scale_y: Tensor
    scale_x: Tensor


def placement(height: Tensor, width: Tensor, target_height: Tensor, target_width: Tensor) -> Placement:
    """The largest centred place of the image's aspect in the target; sides are whole pixels, at least 1."""
    sizes = tf.cast(tf.stack([height, width]), tf.float64)
    targets = tf.stack([target_height, target_width])
    scale = tf.reduce_min(tf.cast(targets, tf.float64) / sizes)
    inner = tf.clip_by_value(tf.cast(tf.round(sizes * scale), tf.int32), 1, targets)
    top, left = tf.unstack((targets - inner) // 2)
    scale_y, scale_x = tf.unstack(tf.cast(tf.cast(inner, tf.float64) / sizes, tf.float32))
    return Placement(top, left, inner[0], inner[1], scale_y, scale_x)


def letterbox(images: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """Images (N, H, W, C) resized to (N, height, width, C), aspect kept, centred on zeros.

    Bilinear; smoothed first when shrinking, so that thin structures do not alias away.
    """
    return _letterbox(images, height, width, "bilinear")


def letterbox_mask(masks: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """Class indices (N, H, W, C) resized like `letterbox` by the nearest pixel; dtype kept, outside is 0."""
    return _letterbox(masks, height, width, "nearest")


def _letterbox(images: Tensor, height: Tensor, width: Tensor, method: str) -> Tensor:
    place = placement(tf.shape(images)[1], tf.shape(images)[2], height, width)
    inner = tf.image.resize(images, (place.height, place.width), method, antialias=method == "bilinear")
    framed = tf.image.pad_to_bounding_box(inner, place.top, place.left, height, width)
    fixed = [size if isinstance(size, int) else None for size in (height, width)]
    framed.set_shape([images.shape[0], *fixed, images.shape[3]])
    return framed


def unletterbox(outputs: Tensor, original_height: Tensor, original_width: Tensor) -> Tensor:
    """The inverse of `letterbox` for maps (N, height, width, C): padding cut off, original size restored."""
    place = placement(original_height, original_width, tf.shape(outputs)[1], tf.shape(outputs)[2])
    inner = outputs[:, place.top : place.top + place.height, place.left : place.left + place.width]
    size = (original_height, original_width)
    shrinks = (original_height < place.height) | (original_width < place.width)
    # Where nothing shrinks nothing is smoothed, and the kernel that could takes twice the time.
    return tf.cond(shrinks, lambda: tf.image.resize(inner, size, antialias=True), lambda: tf.image.resize(inner, size))


def boxes_to_letterbox(boxes: Tensor, place: Placement) -> Tensor:
    """Boxes (..., 4) of the original moved into its letterboxed target; x0 y0 x1 y1, 0-based float pixels."""
    scale, offset = _scale_and_offset(place)
    return boxes * scale + offset


def boxes_to_original(boxes: Tensor, place: Placement) -> Tensor:
    """Boxes (..., 4) of a letterboxed target back in its original; x0 y0 x1 y1, 0-based float pixels."""
    scale, offset = _scale_and_offset(place)
    return (boxes - offset) / scale


def _scale_and_offset(place: Placement) -> tuple[Tensor, Tensor]:
    offset = tf.cast(tf.stack([place.left, place.top] * 2), tf.float32)
    return tf.stack([place.scale_x, place.scale_y] * 2), offset


def fit(images: Tensor, height: Tensor, width: Tensor, aspect: str) -> Tensor:
    """Images (N, H, W, C) at (N, height, width, C): with the `aspect` "keep" letterboxed, with "stretch" resized."""
    if aspect == "keep":
        return letterbox(images, height, width)
    return tf.image.resize(images, (height, width), antialias=True)


def prepare(images: Tensor, height: int, width: int, how: str, aspect: str = "keep") -> Tensor:
    """Network input (N, height, width, 1) of images (N, H, W, C): grey, normalised, fitted to the size."""
    return fit(normalise(to_grey(images), how), height, width, aspect)
