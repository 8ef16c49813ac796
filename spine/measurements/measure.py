"""A mask -> measurements of its discs, vertebrae and canal, each along its own axes.

Heights are means over a tenth of the width: from 10 to 20 % behind the front, around the middle, and as far from the
back; corners and osteophytes are left out. So they are the three heights of morphometry (Genant et al. 1993, "Vertebral
fracture assessment using a semiquantitative technique", J Bone Miner Res 8:1137), a little inside its six points. A
disc's heights are taken between the walls of the vertebrae beside it, so that a protrusion is no part of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spine.core.problems import SpineError
from spine.measurements.canal import canal_widths
from spine.measurements.frame import Frame, columns_of, own_frame, walls_of
from spine.measurements.results import Canal, Disc, Heights, Measurements, Side, Vertebra
from spine.measurements.structures import Structure, structures, toward, with_merged, without_specks

__all__ = ["measure"]

_BANDS = ((0.1, 0.2), (0.45, 0.55), (0.8, 0.9))  # shares of the width, from the front


@dataclass(frozen=True)
class _Shape:
    """What is measured of one structure: its frame, front and back in it, three heights from front to back."""

    frame: Frame
    front: float
    back: float
    heights: np.ndarray

    def corners(self, upper: bool) -> np.ndarray:
        """Ends of its upper or lower border in the plane, front first, (2, 2)."""
        half = self.heights.mean() / 2 * (1 if upper else -1)
        return self.frame.place(np.array([[self.front, half], [self.back, half]]))


def measure(
    mask: np.ndarray,
    labels: Sequence[str],
    spacing: tuple[float, float] | None = None,
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
    bodies = with_merged([bone for bone in bones if not _is_behind(bone, of_canal, behind, steps)])
    discs = with_merged(discs)
    ignored = specks + disc_specks + bone_specks + len(bones) - len(bodies)
    spine = sorted([*discs, *bodies], key=lambda structure: -structure.centre[0])
    shapes = _shapes(spine, bodies, of_canal, behind or "right", steps)
    return Measurements(
        "px" if spacing is None else "mm",
        behind,
        tuple(
            _disc(i, own, spine, shapes, behind, _signals(signal, own, of_canal, bodies)) for i, own in _counted(discs)
        ),
        tuple(_vertebra(i, own, shapes, behind) for i, own in _counted(bodies)),
        tuple(_canal(discs, shapes, of_canal, steps)),
        ignored,
    )


def _require(
    mask: np.ndarray, labels: Sequence[str], spacing: tuple[float, float] | None, signal: np.ndarray | None
) -> None:
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


def _counted(found: list[Structure]) -> enumerate[Structure]:
    return enumerate(found, start=1)


def _side_of_canal(found: list[Structure], canal: np.ndarray, spacing: tuple[float, float]) -> Side | None:
    """The side of the picture on which most of the structures, by area, have the canal."""
    ways = [(way[0], own.region.sum()) for own in found if (way := toward(canal, own.centre, spacing)) is not None]
    lean = sum(np.sign(x) * area for x, area in ways)
    if lean == 0:
        return None
    return "right" if lean > 0 else "left"


def _is_behind(bone: Structure, canal: np.ndarray, behind: Side | None, spacing: tuple[float, float]) -> bool:
    way = toward(canal, bone.centre, spacing)
    return behind is not None and way is not None and (way[0] < 0) == (behind == "right")


def _shapes(
    spine: list[Structure], bodies: list[Structure], canal: np.ndarray, behind: Side, spacing: tuple[float, float]
) -> dict[int, _Shape]:
    """The shapes of the structures that can be measured by `id`: vertebrae first, discs between their walls."""
    shapes: dict[int, _Shape] = {}
    is_body = {id(body) for body in bodies}
    for own in sorted(spine, key=lambda structure: id(structure) not in is_body):
        if own.status != "measured":
            continue
        place = next(i for i, other in enumerate(spine) if other is own)
        below, above = (spine[i] if 0 <= i < len(spine) else None for i in (place - 1, place + 1))
        frame = own_frame(own, spacing, *_directions(own, below, above, canal, behind, spacing))
        walls = [
            frame.own(shapes[id(other)].corners(upper))[:, 0]
            for other, upper in ((below, True), (above, False))
            if id(own) not in is_body and id(other) in is_body and id(other) in shapes
        ]
        shapes[id(own)] = _shape(own, frame, id(own) not in is_body, np.mean(walls, axis=0) if walls else None, spacing)
    return shapes


def _directions(
    own: Structure,
    below: Structure | None,
    above: Structure | None,
    canal: np.ndarray,
    behind: Side,
    spacing: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray]:
    """(x, y) roughly towards posterior, and across the line of the neighbours; both of length 1."""
    side = np.array([1.0 if behind == "right" else -1.0, 0.0])
    low, high = (np.array((other or own).centre) * spacing for other in (below, above))
    rise = high - low
    if not rise.any():
        way = toward(canal, own.centre, spacing)
        return side, side if way is None else way
    across = np.array([-rise[0], rise[1]]) / np.hypot(*rise)
    return (across if across @ side >= 0 else -across), across


def _shape(
    own: Structure, frame: Frame, is_disc: bool, walls: np.ndarray | None, spacing: tuple[float, float]
) -> _Shape:
    across, lower, upper = columns_of(own, frame, spacing)
    half = (across[1] - across[0]) / 2
    front, back = (across[0] - half, across[-1] + half) if is_disc else walls_of(across, lower, upper)
    first, last = (front, back) if walls is None else (max(front, walls[0]), min(back, walls[1]))
    if first >= last:
        first, last = front, back
    heights = []
    for share in _BANDS:
        low, high = first + np.array(share) * (last - first)
        there = (across >= low) & (across <= high)
        there[np.abs(across - (low + high) / 2).argmin()] = True
        heights.append((upper - lower)[there].mean())
    return _Shape(frame, front, back, np.array(heights))


def _heights(shape: _Shape, behind: Side | None) -> Heights:
    front, middle, back = (float(height) for height in shape.heights)
    return Heights(front, middle, back) if behind else Heights(None, middle, None)


def _disc(
    level: int,
    own: Structure,
    spine: list[Structure],
    shapes: dict[int, _Shape],
    behind: Side | None,
    signals: tuple[float | None, float | None],
) -> Disc:
    if (shape := shapes.get(id(own))) is None:
        return Disc(level, own.centre, own.status)
    place = next(i for i, other in enumerate(spine) if other is own)
    above = shapes.get(id(spine[place + 1])) if place + 1 < len(spine) else None
    index = float(shape.heights.mean() / above.heights.mean()) if above is not None else None
    width = float(shape.back - shape.front)
    return Disc(level, own.centre, own.status, _heights(shape, behind), width, index, *signals)


def _vertebra(level: int, own: Structure, shapes: dict[int, _Shape], behind: Side | None) -> Vertebra:
    if (shape := shapes.get(id(own))) is None:
        return Vertebra(level, own.centre, own.status)
    front, middle, back = (float(height) for height in shape.heights)
    ratios = (front / back, middle / back) if behind else (None, None)
    return Vertebra(level, own.centre, own.status, _heights(shape, behind), *ratios)


def _signals(
    signal: np.ndarray | None, own: Structure, canal: np.ndarray, bodies: list[Structure]
) -> tuple[float | None, float | None]:
    """A disc's mean grey level by the canal's, and by that of all vertebral bodies; None without them."""
    if signal is None:
        return None, None
    bone = np.any([body.region for body in bodies], axis=0) if bodies else np.zeros_like(canal)
    mean = signal[own.region].mean(dtype=float)
    others = [signal[there].mean(dtype=float) if there.any() else 0.0 for there in (canal, bone)]
    to_canal, to_bone = (float(mean / other) if other > 0 else None for other in others)
    return to_canal, to_bone


def _canal(
    discs: list[Structure], shapes: dict[int, _Shape], canal: np.ndarray, spacing: tuple[float, float]
) -> list[Canal]:
    known = {level: shapes[id(disc)] for level, disc in _counted(discs) if id(disc) in shapes}
    frames = {level: shape.frame for level, shape in known.items()}
    widths = {level: float(shape.back - shape.front) for level, shape in known.items()}
    measured = canal_widths(frames, widths, canal, spacing)
    return [measured.get(level, Canal(level, disc.status)) for level, disc in _counted(discs)]
