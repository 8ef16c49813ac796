"""The own axes of discs, in tensors: all lengths in them are in pixels, the discs are many at a time."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from classification.measured.picture import Picture

__all__ = ["Discs", "Frame", "Grid", "find_discs"]

Tensor = Any

AROUND = 0.3  # share of a box's height and width by which it is grown, as a total: detected ones are tight
SHARE = 1 / 3  # of a piece of disc that lies in the box: then it is of the box's disc
FEWEST = 4  # pixels of a disc
ELONGATED = 2.25  # variance along the long axis / across it, from which the long axis is the disc's
ENDPLATE = (0.15, 0.85)  # share of the width in which a border is an endplate
ROUNDS = 2
FINE = 64  # places along a disc's width
LOW = 0.45  # of its width: what is within so much up and down of its centre is no other disc


class Frame(NamedTuple):
    """Places and directions of K discs: own coordinates are (towards posterior, up)."""

    centre: Tensor  # y, x in pixels, (K, 2)
    posterior: Tensor  # y, x, of length 1, (K, 2)

    @property
    def up(self) -> Tensor:
        """Across `posterior`, towards the picture's top, (K, 2)."""
        y, x = tf.unstack(self.posterior, axis=1)
        return tf.stack([-tf.abs(x), y * tf.where(x < 0, -1.0, 1.0)], axis=1)

    def turned(self, slope: Tensor) -> Frame:
        """Turned so that a line which rises by `slope` (K,) towards posterior lies along its axis."""
        along = self.posterior + slope[:, tf.newaxis] * self.up
        return Frame(self.centre, along / tf.norm(along, axis=1, keepdims=True))


class Grid(NamedTuple):
    """Samples of a picture along the frames' axes: rows go up, columns towards posterior."""

    across: Tensor  # towards posterior, (K, U)
    up: Tensor  # (K, V)
    places: Tensor  # y, x of the nearest pixel, (K, V, U, 2) int32

    @classmethod
    def along(cls, frame: Frame, across: Tensor, up: Tensor) -> Grid:
        """Of places across (K, U) and up (K, V)."""
        axes = across[:, tf.newaxis, :, tf.newaxis] * frame.posterior[:, tf.newaxis, tf.newaxis]
        axes += up[:, :, tf.newaxis, tf.newaxis] * frame.up[:, tf.newaxis, tf.newaxis]
        places = tf.round(frame.centre[:, tf.newaxis, tf.newaxis] + axes)
        return cls(across, up, tf.cast(places, tf.int32))

    def of(self, values: Tensor) -> Tensor:
        """Samples (K, V, U) of values (H, W); 0 or False outside."""
        size = tf.shape(values)
        inside = tf.reduce_all((self.places >= 0) & (self.places < size), axis=-1)
        found = tf.gather_nd(values, tf.clip_by_value(self.places, 0, size - 1))
        return tf.where(inside, found, tf.zeros_like(found))


class Discs(NamedTuple):
    """The discs of K boxes."""

    there: Tensor  # whether the mask has one, (K,) bool; where not, all else is of a disc that is none
    own: Tensor  # which pixels of the class are its own, (P, K) bool
    area: Tensor  # (K,) float32
    frame: Frame
    front: Tensor  # its foremost and hindmost point, along the frame's axis, (K,)
    back: Tensor

    @property
    def width(self) -> Tensor:
        """From the foremost to the hindmost point, (K,)."""
        return self.back - self.front


def find_discs(picture: Picture, boxes: Tensor) -> Discs:
    """The discs of boxes (K, 4), y0 x0 y1 x1 in [0, 1] of the picture, with their own axes.

    A piece of disc is of a box where a third of it lies within or close to it. As `spine.measurements` has it, the
    axis halves the angle of straight lines through the two endplates.
    """
    own = _own_pixels(picture, boxes)
    mine = tf.cast(own, tf.float32)
    area = tf.reduce_sum(mine, axis=0)
    points = tf.cast(picture.discs.places, tf.float32)
    frame = _long_axis(points, mine, area, picture.side)
    for _ in range(ROUNDS):
        front, back = _ends(points, own, frame)
        frame = frame.turned(_slope(picture, frame, front, back))
    front, back = _ends(points, own, frame)
    return Discs(area >= FEWEST, own, area, frame, front, back)


def _own_pixels(picture: Picture, boxes: Tensor) -> Tensor:
    """Which pixels of the class disc (P, K) bool are those of each box's disc."""
    pieces = picture.discs
    corners = tf.reshape(boxes, [-1, 2, 2]) * tf.cast(tf.shape(picture.grey), tf.float32)
    # To a thousandth of a pixel, as `expand_boxes`: a box has the same pixels whichever way its corners came.
    first, last = tf.unstack(tf.round(corners * 1e3) / 1e3, axis=1)
    spread = (last - first) * AROUND / 2
    middles = tf.cast(pieces.places[:, tf.newaxis], tf.float32) + 0.5
    inside = tf.reduce_all((middles >= first - spread) & (middles <= last + spread), axis=-1)
    share = pieces.sums(tf.cast(inside, tf.float32)) / pieces.areas[:, tf.newaxis]
    return inside & tf.gather(share > SHARE, pieces.piece)


def _long_axis(points: Tensor, mine: Tensor, area: Tensor, side: Tensor) -> Frame:
    """The frames of regions, pixels (P, 2) of weights (P, K), along their long axes; level where they have none."""
    count = tf.maximum(area, 1.0)[:, tf.newaxis]
    centre = tf.matmul(mine, points, transpose_a=True) / count
    away = points[:, tf.newaxis] - centre
    yy, xx, xy = (
        tf.reduce_sum(mine * one * other, axis=0)
        for one, other in ((away[..., 0],) * 2, (away[..., 1],) * 2, (away[..., 0], away[..., 1]))
    )
    spread = tf.sqrt((xx - yy) ** 2 + 4 * xy**2)
    elongated = xx + yy + spread > ELONGATED * (xx + yy - spread)
    angle = tf.where(elongated, tf.atan2(2 * xy, xx - yy) / 2, 0.0)
    along = tf.stack([tf.sin(angle), tf.cos(angle)], axis=1)
    return Frame(centre, along * tf.where(side < 0, -1.0, 1.0))


def _ends(points: Tensor, own: Tensor, frame: Frame) -> tuple[Tensor, Tensor]:
    """The foremost and hindmost point (K,) along the frames' axes; a pixel reaches half its own size."""
    ways = tf.reduce_sum((points[:, tf.newaxis] - frame.centre) * frame.posterior, axis=-1)
    far = tf.constant(1e6)
    front = tf.reduce_min(tf.where(own, ways, far), axis=0)
    back = tf.reduce_max(tf.where(own, ways, -far), axis=0)
    none = front > back
    return tf.where(none, -0.5, front - 0.5), tf.where(none, 0.5, back + 0.5)


def own_grid(frame: Frame, front: Tensor, back: Tensor) -> Grid:
    """A fine grid of discs alone: as wide as they are, and up and down as far as no other disc is."""
    width = (back - front)[:, tf.newaxis]
    steps = (tf.range(FINE, dtype=tf.float32) + 0.5) / FINE
    return Grid.along(frame, front[:, tf.newaxis] + steps * width, (2 * steps - 1) * LOW * width)


def _slope(picture: Picture, frame: Frame, front: Tensor, back: Tensor) -> Tensor:
    """The slope (K,) of the line that halves the angle of lines through the two endplates."""
    grid = own_grid(frame, front, back)
    lower, upper, drawn = borders(grid, grid.of(picture.disc))
    shares = (grid.across - front[:, tf.newaxis]) / (back - front)[:, tf.newaxis]
    used = tf.cast(drawn & (shares >= ENDPLATE[0]) & (shares <= ENDPLATE[1]), tf.float32)
    return tf.tan(sum(tf.atan(_fit(grid.across, border, used)) for border in (lower, upper)) / 2)


def borders(grid: Grid, inside: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Lower and upper border (K, U) of a region's samples (K, V, U) in each column, and whether it has one."""
    step = (grid.up[:, 1] - grid.up[:, 0])[:, tf.newaxis]
    up = grid.up[:, :, tf.newaxis]
    lower = tf.reduce_min(tf.where(inside, up, 1e6), axis=1) - step / 2
    upper = tf.reduce_max(tf.where(inside, up, -1e6), axis=1) + step / 2
    drawn = tf.reduce_any(inside, axis=1)
    return tf.where(drawn, lower, 0.0), tf.where(drawn, upper, 0.0), drawn


def _fit(x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """The slope (K,) of straight lines through points (K, n) of weights."""
    total = tf.reduce_sum(weights, axis=1, keepdims=True)
    x -= tf.math.divide_no_nan(tf.reduce_sum(weights * x, axis=1, keepdims=True), total)
    y -= tf.math.divide_no_nan(tf.reduce_sum(weights * y, axis=1, keepdims=True), total)
    return tf.math.divide_no_nan(tf.reduce_sum(weights * x * y, axis=1), tf.reduce_sum(weights * x * x, axis=1))
