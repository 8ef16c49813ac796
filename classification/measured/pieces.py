"""The connected pieces of one class of a mask, in tensors: whole spines have some ten discs, each a piece."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

__all__ = ["Pieces", "pieces_of"]

Tensor = Any


class Pieces(NamedTuple):
    """Pixels of a class and the piece that each belongs to; pieces are numbered from 0 by their first pixel."""

    places: Tensor  # y, x of each pixel, (P, 2) int32
    piece: Tensor  # the piece of each pixel, (P,) int32
    areas: Tensor  # pixels of each piece, (C,) float32

    def sums(self, values: Tensor) -> Tensor:
        """Sums of the pixels' values (P, ...) over each piece, (C, ...)."""
        return tf.math.unsorted_segment_sum(values, self.piece, tf.shape(self.areas)[0])


def pieces_of(selected: Tensor) -> Pieces:
    """The 4-connected pieces of a region (H, W) bool.

    Pixels of a row without a gap are one run, and so are those of a column. Each pixel takes the least number of its
    runs until none changes, which takes few rounds where pieces are not wound.
    """
    places = tf.cast(tf.where(selected), tf.int32)
    runs = _runs(places), _runs(places[:, ::-1])
    count = tf.shape(places)[0]

    def spread(numbers: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        new = numbers
        for run in runs:
            new = tf.gather(tf.math.unsorted_segment_min(new, run, count), run)
        return new, tf.reduce_any(new != numbers)

    numbers, _ = tf.while_loop(lambda _, changed: changed, spread, (tf.range(count), count > 0))
    _, piece, areas = tf.unique_with_counts(numbers)
    return Pieces(places, piece, tf.cast(areas, tf.float32))


def _runs(places: Tensor) -> Tensor:
    """The run (P,) of each of the places (P, 2): equal in the first number, without a gap in the second."""
    line, along = places[:, 0], places[:, 1]
    order = tf.argsort(line * (tf.reduce_max(tf.pad(along, [[0, 1]])) + 1) + along)
    line, along = tf.gather(line, order), tf.gather(along, order)
    starts = tf.concat(
        [tf.ones_like(line[:1]), tf.cast((line[1:] != line[:-1]) | (along[1:] != along[:-1] + 1), tf.int32)], 0
    )
    return tf.scatter_nd(order[:, tf.newaxis], tf.cumsum(starts) - 1, tf.shape(order))
