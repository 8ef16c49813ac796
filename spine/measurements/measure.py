"""A mask -> measurements of its discs, vertebrae and canal, each along its own axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from spine.core.problems import SpineError
from spine.measurements.canal import canal_widths
from spine.measurements.column import Column, Part
from spine.measurements.levels import levels_of
from spine.measurements.results import Canal, Disc, Heights, Measurements, Side, Vertebra
from spine.measurements.shapes import Shape
from spine.measurements.structures import (
    Structure,
    joined_discs,
    merged_bodies,
    merged_discs,
    pitch_of,
    structures,
    toward,
    without_specks,
)

__all__ = ["measure"]

Spacing = tuple[float, float]


def measure(
    mask: np.ndarray,
    labels: Sequence[str],
    spacing: Spacing | None = None,
    *,
    signal: np.ndarray | None = None,
    vertebra: str | None = "vertebra",
    disc: str | None = "disc",
    canal: str | None = "canal",
    posterior: Side | None = None,
) -> Measurements:
    """Measurements of a sagittal mask (H, W) of class indices into `labels`, background first; inferior is below.

    `spacing` (y, x) is in mm; without it lengths are in pixels. `signal` (H, W) are grey levels, 0 where there is no
    signal: without them there are no ratios of signals. `vertebra`, `disc` and `canal` name the classes; None where the
    mask has no such class. The canal lies posterior; `posterior` tells the side where the mask has no canal.
    SpineError where mask, labels, spacing or signal do not fit together.
    """
    _require(mask, labels, spacing, signal)
    steps = (1.0, 1.0) if spacing is None else (float(spacing[0]), float(spacing[1]))
    of_canal, of_disc, of_vertebra = (_class(mask, labels, name) for name in (canal, disc, vertebra))
    pieces, specks = without_specks(of_canal)
    of_canal = np.any(pieces, axis=0) if pieces else np.zeros_like(of_canal)
    discs, disc_specks = structures(of_disc, steps, of_canal)
    bones, bone_specks = structures(of_vertebra, steps, of_canal)
    behind = posterior or _side_of_canal(discs or bones, of_canal, steps)
    bodies = [bone for bone in bones if not _is_behind(bone, of_canal, behind, steps)]
    discs = joined_discs(discs, bodies, steps, of_canal)
    ignored = specks + disc_specks + bone_specks + len(bones) - len(bodies)
    column = Column.of(merged_discs(discs, steps), merged_bodies(bodies), of_canal, behind, steps)
    pitch = pitch_of([part.own for part in column.bodies], [part.own for part in column.discs], steps)
    of_discs, of_bodies = (_by_level(parts, pitch, steps) for parts in (column.discs, column.bodies))
    means = _mean_signals(signal, of_canal, bodies)
    return Measurements(
        "px" if spacing is None else "mm",
        behind,
        tuple(_disc(level, part, behind, _signals(signal, part.own, means)) for level, part in of_discs.items()),
        tuple(_vertebra(level, part, behind) for level, part in of_bodies.items()),
        tuple(_canal(of_discs, of_canal, steps)),
        ignored,
    )


def _require(mask: np.ndarray, labels: Sequence[str], spacing: Spacing | None, signal: np.ndarray | None) -> None:
    if mask.ndim != 2 or mask.dtype.kind not in "iub":
        raise SpineError(f"the mask is {mask.shape} of {mask.dtype}; give class indices (H, W) as whole numbers")
    if mask.size and not 0 <= int(mask.min()) <= int(mask.max()) < len(labels):
        raise SpineError(
            f"the mask holds classes {mask.min()} to {mask.max()}; its labels are {list(labels)}, background first"
        )
    if spacing is not None and not (len(spacing) == 2 and np.isfinite(spacing).all() and min(spacing) > 0):
        raise SpineError(f"spacing is {spacing}; give mm along y and x above 0, or None to measure in pixels")
    if signal is not None and (signal.shape != mask.shape or not np.isfinite(signal).all()):
        raise SpineError(f"signal is {signal.shape}, the mask {mask.shape}; give a finite grey level for each pixel")


def _class(mask: np.ndarray, labels: Sequence[str], name: str | None) -> np.ndarray:
    if name is None:
        return np.zeros(mask.shape, bool)
    if name not in labels:
        raise SpineError(
            f"{name!r} is no label of the mask, which has {list(labels)}; name its class, or None for none"
        )
    return mask == list(labels).index(name)


def _by_level(parts: Sequence[Part], pitch: float | None, spacing: Spacing) -> dict[int, Part]:
    return dict(zip(levels_of([part.own for part in parts], pitch, spacing), parts, strict=True))


def _side_of_canal(found: list[Structure], canal: np.ndarray, spacing: Spacing) -> Side | None:
    """The side of the picture on which most of the structures, by area, have the canal."""
    ways = [(way[0], len(own.pixels)) for own in found if (way := toward(canal, own.centre, spacing)) is not None]
    lean = sum(np.sign(x) * area for x, area in ways)
    if lean == 0:
        return None
    return "right" if lean > 0 else "left"


def _is_behind(bone: Structure, canal: np.ndarray, behind: Side | None, spacing: Spacing) -> bool:
    way = toward(canal, bone.centre, spacing)
    return behind is not None and way is not None and (way[0] < 0) == (behind == "right")


def _disc(level: int, part: Part, behind: Side | None, signals: tuple[float | None, float | None]) -> Disc:
    if part.shape is None:
        return Disc(level, part.own.centre, part.status)
    index = None if part.above is None else float(part.shape.heights.mean() / part.above.heights.mean())
    heights = _heights(part.shape, behind)
    return Disc(level, part.own.centre, part.status, heights, float(part.shape.width), index, *signals)


def _vertebra(level: int, part: Part, behind: Side | None) -> Vertebra:
    if part.shape is None:
        return Vertebra(level, part.own.centre, part.status)
    front, middle, back = (float(height) for height in part.shape.heights)
    ratios = (front / back, middle / back) if behind else (None, None)
    return Vertebra(level, part.own.centre, part.status, _heights(part.shape, behind), *ratios)


def _heights(shape: Shape, behind: Side | None) -> Heights:
    front, middle, back = (float(height) for height in shape.heights)
    return Heights(front, middle, back) if behind else Heights(None, middle, None)


def _canal(discs: Mapping[int, Part], canal: np.ndarray, spacing: Spacing) -> list[Canal]:
    shapes = {level: part.shape for level, part in discs.items() if part.shape}
    frames = {level: shape.frame for level, shape in shapes.items()}
    widths = {level: float(shape.width) for level, shape in shapes.items()}
    measured = canal_widths(frames, widths, canal, spacing)
    return [measured.get(level, Canal(level, part.status)) for level, part in discs.items()]


def _mean_signals(
    signal: np.ndarray | None, canal: np.ndarray, bodies: Sequence[Structure]
) -> tuple[float | None, float | None]:
    """Mean grey levels of the canal and of all vertebral bodies; None where there are none, or none above 0."""
    if signal is None:
        return None, None
    rows, columns = np.concatenate([np.empty((0, 2), int), *(body.pixels for body in bodies)]).T
    means = (float(there.mean(dtype=float)) if there.size else 0.0 for there in (signal[canal], signal[rows, columns]))
    of_canal, of_bone = (mean if mean > 0 else None for mean in means)
    return of_canal, of_bone


def _signals(
    signal: np.ndarray | None, own: Structure, others: tuple[float | None, float | None]
) -> tuple[float | None, float | None]:
    """A disc's mean grey level by the canal's, and by that of the vertebral bodies; None without them."""
    if signal is None:
        return None, None
    mean = float(signal[own.pixels[:, 0], own.pixels[:, 1]].mean(dtype=float))
    to_canal, to_bone = (None if other is None else mean / other for other in others)
    return to_canal, to_bone
