"""Post-processing of masks in a graph, as `pieces` has it on arrays; every picture of a batch by itself.

Pieces are found by runs: stretches of one class within a row, each a node, joined where they touch in the next row.
Each node points to a lower one of its piece, or to itself; pointers are followed, and drawn down along the edges,
until all of a piece agree, which takes about as many rounds as the logarithm of its runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from ensemble.fusion.pieces import units_of
from spine.experiment.postprocess import PieceRule

__all__ = ["kept_pieces_in_graph", "postprocess_in_graph"]

Tensor = Any


def postprocess_in_graph(probabilities: Tensor, rules: Mapping[int, PieceRule]) -> Tensor:
    """The masks (N, H, W) int32 of probabilities (N, H, W, C), as `pieces.postprocess` makes each."""
    classes = probabilities.shape[-1]
    units = units_of(rules, classes)
    masks = _of_one_class(tf.argmax(probabilities, axis=-1, output_type=tf.int32), units)
    kept = kept_pieces_in_graph(masks, rules, classes)

    def replaced() -> Tensor:
        own = tf.constant(units) == tf.gather(tf.constant(units), masks)[..., tf.newaxis]
        others = tf.where(own, tf.constant(-1, probabilities.dtype), probabilities)
        again = tf.where(kept, masks, tf.argmax(others, axis=-1, output_type=tf.int32))
        again = _of_one_class(again, units)
        return tf.where(kept_pieces_in_graph(again, rules, classes, kept), again, 0)

    return tf.cond(tf.reduce_all(kept), lambda: masks, replaced)


def _of_one_class(masks: Tensor, units: np.ndarray) -> Tensor:
    """The masks (N, H, W) where each piece of a unit has the class of most of its pixels, of as many the lowest."""
    sizes = np.bincount(units, minlength=len(units))
    if sizes.max() == 1:
        return masks
    of_units = tf.gather(tf.constant(units, tf.int32), masks)
    runs = _runs_of(of_units)
    pieces = tf.gather(_pieces_of(runs, _edges_of(of_units, runs, tf.constant(sizes > 1))), runs.number)
    cells = tf.reshape(pieces * len(units) + masks, [-1])
    votes = tf.math.unsorted_segment_sum(tf.ones_like(cells), cells, tf.size(runs.label) * len(units))
    winners = tf.argmax(tf.reshape(votes, [-1, len(units)]), axis=1, output_type=tf.int32)
    return tf.gather(winners, pieces)


class _Runs(NamedTuple):
    """Stretches of one class within a row: `number` (N, H, W) of each pixel's, and of each run (R,) the others."""

    number: Tensor
    starts: Tensor  # (N, H, W), whether a run begins there
    label: Tensor
    picture: Tensor
    length: Tensor


def kept_pieces_in_graph(
    masks: Tensor, rules: Mapping[int, PieceRule], classes: int, sure: Tensor | None = None
) -> Tensor:
    """Whether each pixel's piece stays (N, H, W), of masks (N, H, W) int32, as `pieces.kept_pieces` tells."""
    ruled = tf.constant([label in rules for label in range(classes)])
    runs = _runs_of(masks)
    piece = _pieces_of(runs, _edges_of(masks, runs, ruled))
    count = tf.size(piece)
    roots = tf.where((piece == tf.range(count)) & tf.gather(ruled, runs.label))[:, 0]
    areas = tf.gather(tf.math.unsorted_segment_sum(runs.length, piece, count), roots)
    labels = tf.gather(runs.label, roots)
    first = tf.zeros_like(roots, tf.bool) if sure is None else tf.gather(_any_of(sure, runs, piece), roots)
    groups = tf.gather(runs.picture, roots) * classes + labels
    stays = _stay(areas, first, labels, groups, tf.shape(masks)[0] * classes, rules)
    of_roots = tf.tensor_scatter_nd_update(tf.fill([count], True), roots[:, tf.newaxis], stays)
    return tf.gather(tf.gather(of_roots, piece), runs.number)


def _any_of(pixels: Tensor, runs: _Runs, piece: Tensor) -> Tensor:
    """Whether the lowest run (R,) of each piece stands for one with any of these pixels (N, H, W) bool."""
    of_runs = tf.gather(piece, tf.reshape(runs.number, [-1]))
    holds = tf.cast(tf.reshape(pixels, [-1]), tf.int32)
    return tf.math.unsorted_segment_max(holds, of_runs, tf.size(piece)) > 0


def _runs_of(masks: Tensor) -> _Runs:
    starts = tf.concat([tf.ones_like(masks[:, :, :1], tf.bool), masks[:, :, 1:] != masks[:, :, :-1]], axis=2)
    number = tf.reshape(tf.cumsum(tf.cast(tf.reshape(starts, [-1]), tf.int32)) - 1, tf.shape(masks))
    begins = tf.where(starts)
    label = tf.gather_nd(masks, begins)
    ones = tf.ones([tf.size(masks)], tf.int32)
    length = tf.math.unsorted_segment_sum(ones, tf.reshape(number, [-1]), tf.size(label))
    return _Runs(number, starts, label, tf.cast(begins[:, 0], tf.int32), length)


def _edges_of(masks: Tensor, runs: _Runs, ruled: Tensor) -> tuple[Tensor, Tensor]:
    """Runs (E,) and (E,) of one class that touch in two rows that follow each other, of classes with a rule."""
    width = tf.shape(masks)[2]
    uppers: list[Tensor] = []
    lowers: list[Tensor] = []
    for shift in (-1, 0, 1):  # of the lower pixel's column
        first, last = max(0, -shift), width - max(0, shift)
        upper, lower = (slice(None, -1), slice(first, last)), (slice(1, None), slice(first + shift, last + shift))

        def of_both(values: Tensor, upper: Any = upper, lower: Any = lower) -> tuple[Tensor, Tensor]:
            return values[:, upper[0], upper[1]], values[:, lower[0], lower[1]]

        above, below = of_both(masks)
        begins_above, begins_below = of_both(runs.starts)
        # Two runs touch in many columns; in the first of them one of both begins.
        touch = (above == below) & tf.gather(ruled, above) & (begins_above | begins_below)
        for numbers, ends in zip(of_both(runs.number), (uppers, lowers), strict=True):
            ends.append(tf.boolean_mask(numbers, touch))
    return tf.concat(uppers, axis=0), tf.concat(lowers, axis=0)


def _pieces_of(runs: _Runs, edges: tuple[Tensor, Tensor]) -> Tensor:
    """The lowest run (R,) of each run's piece."""
    upper, lower = edges

    def differ(root: Tensor) -> Tensor:
        across = tf.reduce_any(tf.gather(root, upper) != tf.gather(root, lower))
        return across | tf.reduce_any(tf.gather(root, root) != root)

    def draw_down(root: Tensor) -> tuple[Tensor]:
        ends = tf.gather(root, upper), tf.gather(root, lower)
        low = tf.minimum(*ends)
        root = tf.tensor_scatter_nd_min(root, tf.concat(ends, axis=0)[:, tf.newaxis], tf.concat([low, low], axis=0))
        root = tf.gather(root, root)
        return (tf.gather(root, root),)

    (found,) = tf.while_loop(differ, draw_down, (tf.range(tf.size(runs.label)),))
    return found


def _stay(
    areas: Tensor, first: Tensor, labels: Tensor, groups: Tensor, count: Tensor, rules: Mapping[int, PieceRule]
) -> Tensor:
    """Whether each piece (P,) stays beside those of its group of `count`, a class in a picture; lowest runs first.

    Those that are `first` (P,) go before larger ones.
    """
    by_area = tf.argsort(areas, direction="DESCENDING", stable=True)
    by_area = tf.gather(by_area, tf.argsort(tf.cast(~tf.gather(first, by_area), tf.int32), stable=True))
    order = tf.gather(by_area, tf.argsort(tf.gather(groups, by_area), stable=True))
    place = tf.math.invert_permutation(order)
    rank = place - tf.gather(tf.math.unsorted_segment_min(place, groups, count), groups)
    none = PieceRule()
    classes = range(max(rules, default=0) + 1)
    most = tf.constant([rules.get(label, none).most or tf.int32.max for label in classes])
    share = tf.constant([rules.get(label, none).share for label in classes], tf.float64)
    among = rank < tf.gather(most, labels)
    largest = tf.math.unsorted_segment_max(tf.where(among, areas, 0), groups, count)
    least = tf.gather(share, labels) * tf.cast(tf.gather(largest, groups), tf.float64)
    return among & (tf.cast(areas, tf.float64) >= least)
