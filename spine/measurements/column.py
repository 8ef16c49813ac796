"""The spinal column of one picture: discs and bodies in their order, each with its shape or why it has none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spine.measurements.plausible import body_statuses, disc_statuses
from spine.measurements.results import Side, Status
from spine.measurements.shapes import Neighbours, Shape, body_shape, disc_shape
from spine.measurements.structures import Structure

__all__ = ["Column", "Part"]


@dataclass(frozen=True)
class Part:
    """A disc or a body; what is not measured has no shape. `above` is the body's shape that a disc lies under."""

    own: Structure
    status: Status
    shape: Shape | None
    above: Shape | None = None


@dataclass(frozen=True)
class Column:
    """Discs and bodies, lowest first."""

    discs: list[Part]
    bodies: list[Part]

    @classmethod
    def of(
        cls,
        discs: Sequence[Structure],
        bodies: Sequence[Structure],
        canal: np.ndarray,
        behind: Side | None,
        spacing: tuple[float, float],
    ) -> Column:
        """The column of structures whose canal (H, W) bool is on the side `behind`."""
        side = np.array([-1.0 if behind == "left" else 1.0, 0.0])
        spine = sorted([*discs, *bodies], key=lambda structure: -structure.centre[0])
        beside: dict[int, Neighbours] = {
            id(own): (below, above)
            for below, own, above in zip([None, *spine], spine, [*spine[1:], None], strict=False)
        }
        shapes = [
            body_shape(own, beside[id(own)], side, canal, spacing) if own.status == "measured" else None
            for own in bodies
        ]
        of_discs = {id(disc) for disc in discs}
        ends_seen = bool(spine) and id(spine[0]) in of_discs, bool(spine) and id(spine[-1]) in of_discs
        parts = _judged(bodies, shapes, body_statuses(shapes, ends_seen, behind is not None))
        kept = {id(part.own): part.shape for part in parts}
        facing = [(kept.get(id(below)), kept.get(id(above))) for below, above in (beside[id(own)] for own in discs)]
        disc_shapes = [
            disc_shape(own, beside[id(own)], walls, side, canal, spacing) if own.status == "measured" else None
            for own, walls in zip(discs, facing, strict=True)
        ]
        judged = _judged(discs, disc_shapes, disc_statuses(disc_shapes))
        return cls(
            [Part(part.own, part.status, part.shape, above) for part, (_, above) in zip(judged, facing, strict=True)],
            parts,
        )


def _judged(
    found: Sequence[Structure], shapes: Sequence[Shape | None], statuses: Sequence[Status | None]
) -> list[Part]:
    return [
        Part(own, own.status, None) if own.status != "measured" else _part(own, shape, status)
        for own, shape, status in zip(found, shapes, statuses, strict=True)
    ]


def _part(own: Structure, shape: Shape | None, status: Status | None) -> Part:
    if shape is None or status is not None:
        return Part(own, status or "irregular", None)
    return Part(own, "measured", shape)
