"""What is measured of discs, in tensors: the same function feeds the training and is saved in the served graph.

Where `spine.measurements` measures the same, the values agree (tests hold both against each other on phantoms). Lengths
are divided by lengths, grey levels by grey levels, so neither spacing nor windows matter as long as pixels are square
and 0 is no signal.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from classification.measured.frame import Discs, Grid, borders, find_discs, own_grid
from classification.measured.picture import SPECK, Classes, Picture

__all__ = ["MEASUREMENTS", "measure_discs"]

Tensor = Any
Values = dict[str, Tensor]  # of K discs, (K,) each

# Name -> what people read. Widths of a disc are its own unit of length.
MEASUREMENTS = {
    "anterior_height": "anterior height / width",
    "middle_height": "middle height / width",
    "posterior_height": "posterior height / width",
    "height_index": "height / that of the vertebra above",
    "height_index_below": "height / that of the vertebra below",
    "wedge": "anterior / posterior height",
    "area": "area / width squared",
    "relative_area": "area / mean of the picture's discs",
    "relative_thickness": "thickness / mean of the picture's discs",
    "width_to_vertebrae": "width / that of the vertebrae beside it",
    "signal_to_canal": "signal / canal's",
    "signal_to_vertebrae": "signal / vertebrae's",
    "signal_to_beside": "signal / that of the vertebrae beside it",
    "signal_to_discs": "signal / mean of the picture's discs",
    "signal_spread": "spread of the signal / its mean",
    "signal_of_nucleus": "signal of its middle / its mean",
    "signal_of_back": "signal of its hindmost fifth / its mean",
    "protrusion": "reach behind the vertebrae's corners / width",
    "bulge": "share of its area behind the vertebrae's corners",
    "anterior_reach": "reach before the vertebrae's corners / width",
    "canal_width": "canal's least width at the disc / disc's width",
    "canal_narrowing": "canal's width at the disc / at the vertebrae",
    "canal_relative": "canal's width at the disc / mean of the picture's",
    "canal_dent": "how far the canal's front is pushed back / disc's width",
    "canal_gap": "gap between disc and canal / disc's width",
    "canal_signal": "canal's signal at the disc / its mean",
    "step": "step of the vertebrae's back walls / width",
    "tilt": "angle of the disc in the picture, in radians",
    "level": "level, counted from below",
    "place": "height of its centre in the picture",
}

BEFORE, BEHIND, HALF = 0.4, 1.4, 1.3  # widths of the disc around it that are looked at: in front, behind, up and down
STEPS = 48  # a width
BANDS = ((0.1, 0.2), (0.45, 0.55), (0.8, 0.9))  # shares of the width, from the front
CORNER = 0.12  # widths from the disc's border in which a vertebra has its corner
WALL = (0.1, 0.5)  # widths from the disc's border in which a vertebra has its wall
BESIDE = (0.3, 0.65)  # widths up and down of the centre, where the canal lies behind vertebrae


def measure_discs(grey: Tensor, mask: Tensor, boxes: Tensor, classes: Classes) -> Tensor:
    """Measurements (K, F) float32, in the order of MEASUREMENTS, of the discs in boxes of one picture; NaN for none.

    `grey` (H, W) float32, `mask` (H, W) int32 of class indices, `boxes` (K, 4) y0 x0 y1 x1 in [0, 1] of the picture.
    A disc that the mask has not has no values but its place.
    """
    picture = Picture.of(grey, mask, classes)
    discs = find_discs(picture, boxes)
    around = _Around.of(picture, discs)
    measured = {
        **_heights(picture, discs, around),
        **_among_discs(picture, discs),
        **_signals(picture, discs, around),
        **_reaches(picture, discs, around),
        **_canal(picture, discs, around),
    }
    place = (boxes[:, 0] + boxes[:, 2]) / 2
    values = {name: tf.where(discs.there, value, float("nan")) for name, value in measured.items()} | {"place": place}
    return _finite(tf.stack([values[name] for name in MEASUREMENTS], axis=1))


class _Around:
    """What lies around the discs, sampled along their axes: (K, V, U) bool each."""

    def __init__(self, grid: Grid, above: Tensor, below: Tensor, canal: Tensor, shares: Tensor) -> None:
        self.grid, self.above, self.below, self.canal, self.shares = grid, above, below, canal, shares

    @classmethod
    def of(cls, picture: Picture, discs: Discs) -> _Around:
        width = discs.width[:, tf.newaxis]
        across = tf.range(-BEFORE, 1 + BEHIND, 1 / STEPS)
        up = tf.range(-HALF, HALF, 1 / STEPS)
        grid = Grid.along(discs.frame, discs.front[:, tf.newaxis] + across * width, up * width)
        body, disc = grid.of(picture.body), grid.of(picture.disc)
        upper = grid.up[:, :, tf.newaxis] > 0
        above = _next(body & upper, disc & upper, reverse=False)
        below = _next(body & ~upper, disc & ~upper, reverse=True)
        shares = tf.broadcast_to(across, tf.shape(grid.across))
        return cls(grid, above, below, grid.of(picture.canal), shares)

    def ends(self, of: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """Median front and back (K,) of a region's rows between `low` and `high` (K,) up; NaN where it has none."""
        rows = (self.grid.up >= low[:, tf.newaxis]) & (self.grid.up <= high[:, tf.newaxis])
        first, last, there = _row_ends(of, self.grid)
        return tuple(_median(ends, there & rows) for ends in (first, last))


def _next(body: Tensor, disc: Tensor, *, reverse: bool) -> Tensor:
    """The body's samples up to the next disc along the axis of `up`."""

    def passed(samples: Tensor) -> Tensor:
        return tf.cumsum(tf.cast(samples, tf.int32), axis=1, reverse=reverse) > 0

    return body & ~passed(disc & passed(body))


def _row_ends(inside: Tensor, grid: Grid) -> tuple[Tensor, Tensor, Tensor]:
    """Foremost and hindmost place (K, V) of each row's samples, and whether it has any."""
    half = (grid.across[:, 1:2] - grid.across[:, :1]) / 2
    across = grid.across[:, tf.newaxis]
    first = tf.reduce_min(tf.where(inside, across, 1e6), axis=2) - half
    last = tf.reduce_max(tf.where(inside, across, -1e6), axis=2) + half
    return first, last, tf.reduce_any(inside, axis=2)


def _median(values: Tensor, there: Tensor) -> Tensor:
    """Lower median (K,) of the values (K, n) that are there; NaN where none is."""
    count = tf.reduce_sum(tf.cast(there, tf.int32), axis=1)
    ordered = tf.sort(tf.where(there, values, 1e9), axis=1)
    middle = tf.gather(ordered, tf.maximum(count - 1, 0) // 2, batch_dims=1)
    return tf.where(count > 0, middle, float("nan"))


def _mean(values: Tensor, there: Tensor) -> Tensor:
    """Mean (K,) of the values (K, ...) that are there; NaN where none is."""
    axes = list(range(1, len(values.shape)))
    weights = tf.cast(there, tf.float32)
    return tf.reduce_sum(tf.where(there, values, 0.0), axis=axes) / tf.reduce_sum(weights, axis=axes)


def _mean_of_two(one: Tensor, other: Tensor) -> Tensor:
    """The mean of two values (K,), or the one that is there."""
    both = tf.stack([one, other], axis=1)
    return _mean(both, ~tf.math.is_nan(both))


def _finite(values: Tensor) -> Tensor:
    return tf.where(tf.math.is_finite(values), values, float("nan"))


def _walls(discs: Discs, around: _Around, near: float, far: float) -> list[tuple[Tensor, Tensor]]:
    """Front and back (K,) of the vertebra above and of that below, so many widths from the disc's borders."""
    half = _thickness(discs) / 2
    low, high = half + near * discs.width, half + far * discs.width
    return [around.ends(around.above, low, high), around.ends(around.below, -high, -low)]


def _thickness(discs: Discs) -> Tensor:
    return discs.area / discs.width


def _heights(picture: Picture, discs: Discs, around: _Around) -> Values:
    grid = own_grid(discs.frame, discs.front, discs.back)
    lower, upper, drawn = borders(grid, grid.of(picture.disc))
    walls = _walls(discs, around, *WALL)
    front = tf.maximum(_or(_mean_of_two(*(wall[0] for wall in walls)), discs.front), discs.front)
    back = tf.minimum(_or(_mean_of_two(*(wall[1] for wall in walls)), discs.back), discs.back)
    shares = (grid.across - front[:, tf.newaxis]) / (back - front)[:, tf.newaxis]
    three = [_mean(upper - lower, drawn & (shares >= low) & (shares <= high)) for low, high in BANDS]
    mean = sum(three) / 3
    above, below = (_height_of(body, around) for body in (around.above, around.below))
    names = ("anterior_height", "middle_height", "posterior_height")
    return {
        **{name: height / discs.width for name, height in zip(names, three, strict=True)},
        "height_index": mean / above,
        "height_index_below": mean / below,
        "wedge": three[0] / three[2],
        "area": discs.area / discs.width**2,
        "width_to_vertebrae": discs.width / _mean_of_two(*(back - front for front, back in walls)),
    }


def _or(values: Tensor, otherwise: Tensor) -> Tensor:
    return tf.where(tf.math.is_nan(values), otherwise, values)


def _height_of(body: Tensor, around: _Around) -> Tensor:
    """Mean height (K,) of a vertebra beside the disc, in the three bands; NaN where there is none."""
    lower, upper, drawn = borders(around.grid, body)
    shares = around.shares
    used = [_mean(upper - lower, drawn & (shares >= low) & (shares <= high)) for low, high in BANDS]
    return sum(used) / 3


def _among_discs(picture: Picture, discs: Discs) -> Values:
    """Beside the picture's other discs: pieces that are no specks."""
    pieces = picture.discs
    whole = pieces.areas >= SPECK * tf.reduce_max(tf.pad(pieces.areas, [[0, 1]]))
    points = tf.cast(pieces.places, tf.float32)
    centres = pieces.sums(points) / pieces.areas[:, tf.newaxis]
    thickness = pieces.areas / _lengths(picture, centres)
    signals = pieces.sums(tf.gather_nd(picture.grey, pieces.places)) / pieces.areas
    areas, thicknesses, mean_signals = (
        tf.reduce_mean(tf.boolean_mask(x, whole)) for x in (pieces.areas, thickness, signals)
    )
    lower = tf.boolean_mask(centres[:, 0], whole) > discs.frame.centre[:, :1] + _thickness(discs)[:, tf.newaxis]
    return {
        "relative_area": discs.area / areas,
        "relative_thickness": _thickness(discs) / thicknesses,
        "signal_to_discs": _own_signal(picture, discs)[0] / mean_signals,
        "level": 1 + tf.reduce_sum(tf.cast(lower, tf.float32), axis=1),
    }


def _lengths(picture: Picture, centres: Tensor) -> Tensor:
    """The length (C,) of each piece of disc: of a rectangle of its variance along its long axis."""
    pieces = picture.discs
    away = tf.cast(pieces.places, tf.float32) - tf.gather(centres, pieces.piece)
    products = tf.stack([away[:, 0] ** 2, away[:, 1] ** 2, away[:, 0] * away[:, 1]], axis=1)
    yy, xx, xy = tf.unstack(pieces.sums(products) / pieces.areas[:, tf.newaxis], axis=1)
    largest = (xx + yy + tf.sqrt((xx - yy) ** 2 + 4 * xy**2)) / 2
    return tf.sqrt(12 * largest + 1)


def _own_signal(picture: Picture, discs: Discs) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (K,) of the discs' own grey levels."""
    levels = tf.gather_nd(picture.grey, picture.discs.places)[:, tf.newaxis]
    mine = tf.cast(discs.own, tf.float32)
    mean = tf.reduce_sum(mine * levels, axis=0) / discs.area
    return mean, tf.sqrt(tf.reduce_sum(mine * (levels - mean) ** 2, axis=0) / discs.area)


def _signals(picture: Picture, discs: Discs, around: _Around) -> Values:
    mean, spread = _own_signal(picture, discs)
    levels = around.grid.of(picture.grey)
    beside = _mean_of_two(_mean(levels, around.above), _mean(levels, around.below))
    grid = own_grid(discs.frame, discs.front, discs.back)
    own, levels = grid.of(picture.disc), grid.of(picture.grey)
    shares = ((grid.across - discs.front[:, tf.newaxis]) / discs.width[:, tf.newaxis])[:, tf.newaxis]
    return {
        "signal_to_canal": mean / picture.mean_signal(picture.canal),
        "signal_to_vertebrae": mean / picture.mean_signal(picture.body),
        "signal_to_beside": mean / beside,
        "signal_spread": spread / mean,
        "signal_of_nucleus": _mean(levels, own & (shares > 0.3) & (shares < 0.7)) / mean,
        "signal_of_back": _mean(levels, own & (shares > 0.8)) / mean,
    }


def _reaches(picture: Picture, discs: Discs, around: _Around) -> Values:
    """How far the disc reaches before and behind the corners of the vertebrae beside it."""
    (front_above, back_above), (front_below, back_below) = _walls(discs, around, 0.0, CORNER)
    front, back = _mean_of_two(front_above, front_below), _mean_of_two(back_above, back_below)
    points = tf.cast(picture.discs.places, tf.float32)
    ways = tf.reduce_sum((points[:, tf.newaxis] - discs.frame.centre) * discs.frame.posterior, axis=-1)
    behind = tf.reduce_sum(tf.cast(discs.own & (ways > back), tf.float32), axis=0) / discs.area
    y, x = tf.unstack(discs.frame.posterior, axis=1)
    return {
        "protrusion": (discs.back - back) / discs.width,
        "bulge": tf.where(tf.math.is_nan(back), back, behind),
        "anterior_reach": (front - discs.front) / discs.width,
        "step": (back_above - back_below) / discs.width,
        "tilt": tf.atan2(y, tf.abs(x)),
    }


def _canal(picture: Picture, discs: Discs, around: _Around) -> Values:
    first, last, there = _row_ends(around.canal, around.grid)
    up = around.grid.up / discs.width[:, tf.newaxis]
    half = tf.maximum(_thickness(discs) / discs.width / 2, 0.06)[:, tf.newaxis]
    at_disc = there & (tf.abs(up) <= half)
    above, below = ((there & (sign * up >= BESIDE[0]) & (sign * up <= BESIDE[1])) for sign in (1, -1))
    across = last - first
    widths = tf.where(at_disc, across, 1e6)
    least = tf.reduce_min(widths, axis=1)
    at = _mean(across, at_disc)
    beside = _mean_of_two(_mean(across, above), _mean(across, below))
    straight = (_mean(first, above) + _mean(first, below)) / 2
    levels = around.grid.of(picture.grey)
    signal = _mean(levels, around.canal & at_disc[:, :, tf.newaxis])
    none = tf.math.is_nan(at)
    return {
        "canal_width": tf.where(none, at, least / discs.width),
        "canal_narrowing": tf.where(none, at, least / beside),
        "canal_relative": at / _usual_width(picture.canal),
        "canal_dent": (_mean(first, at_disc) - straight) / discs.width,
        "canal_gap": (_mean(first, at_disc) - discs.back) / discs.width,
        "canal_signal": signal / picture.mean_signal(picture.canal),
    }


def _usual_width(canal: Tensor) -> Tensor:
    """Mean of the canal's widths along the picture's rows."""
    widths = tf.reduce_sum(tf.cast(canal, tf.float32), axis=1)
    return tf.reduce_mean(tf.boolean_mask(widths, widths > 0))
