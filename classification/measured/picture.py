"""What the mask of a whole picture says: its classes by role, which side is posterior, its discs, its mean signals."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from classification.measured.pieces import Pieces, pieces_of

__all__ = ["Classes", "Picture"]

Tensor = Any

SPECK = 0.1  # of the largest piece's area: what is smaller is no disc


class Classes(NamedTuple):
    """The indices of the mask's classes by what they are; None where it has no such class."""

    vertebra: int | None
    disc: int
    canal: int | None


class Picture(NamedTuple):
    """One picture (H, W) with its mask, as discs are measured in it."""

    grey: Tensor  # (H, W) float32
    disc: Tensor  # (H, W) bool each
    body: Tensor  # vertebrae without what lies behind the canal, which are spinous processes
    canal: Tensor
    side: Tensor  # 1 where posterior is right, -1 left, 0 not known; float32
    discs: Pieces

    @classmethod
    def of(cls, grey: Tensor, mask: Tensor, classes: Classes) -> Picture:
        """Of grey levels (H, W) float32 and a mask (H, W) int32 of class indices."""
        disc, vertebra, canal = (
            tf.zeros_like(mask, tf.bool) if number is None else tf.equal(mask, number)
            for number in (classes.disc, classes.vertebra, classes.canal)
        )
        side = _side(disc, canal)
        reverse = side < 0
        from_front = tf.cond(reverse, lambda: canal[:, ::-1], lambda: canal)
        passed = tf.cumsum(tf.cast(from_front, tf.int32), axis=1) > 0
        behind = tf.cond(reverse, lambda: passed[:, ::-1], lambda: passed) & (side != 0)
        return cls(grey, disc, vertebra & ~behind, canal, side, pieces_of(disc))

    def mean_signal(self, where: Tensor) -> Tensor:
        """The mean grey level of a region (H, W) bool; NaN where it is empty or black."""
        mean = tf.reduce_mean(tf.boolean_mask(self.grey, where))
        return tf.where(mean > 0, mean, float("nan"))


def _side(discs: Tensor, canal: Tensor) -> Tensor:
    """On which side the canal lies of the discs in the same rows."""
    columns = tf.range(tf.shape(discs)[1], dtype=tf.float32)
    in_rows, canal_in_rows = tf.cast(discs, tf.float32), tf.cast(canal, tf.float32)
    counts, of_canal = tf.reduce_sum(in_rows, axis=1), tf.reduce_sum(canal_in_rows, axis=1)
    # Of each row the sum over all pairs of a pixel of the canal and one of the discs of the way from one to the other.
    ways = tf.linalg.matvec(canal_in_rows, columns) * counts - tf.linalg.matvec(in_rows, columns) * of_canal
    return tf.sign(tf.reduce_sum(tf.math.divide_no_nan(ways, of_canal)))
