"""Which values of a DICOM picture become black and white: the window or VOI LUT of the file that was asked for.

What can be asked for is a `WindowChoice`: "file" (its first VOI LUT, else its first window), "none" (values as they
were measured), the name or the 0-based number of one of its windows (its LUTs are numbered after them), or a centre
and a width. Nothing here imports pydicom, so that settings can name the type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spine.core.numbers import finite
from spine.core.problems import SpineError
from spine.images.dicom.tables import Table, read_table
from spine.images.dicom.values import Header
from spine.images.scaling import FULL

__all__ = ["View", "Window", "WindowChoice", "apply_window", "checked_choice", "choose_view"]

WindowChoice = str | int | tuple[float, float]

_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


@dataclass(frozen=True)
class Window:
    """A window in the modality's values: centre, width above 0, and the function of PS3.3 C.11.2.1."""

    centre: float
    width: float
    function: str = "LINEAR"

    top = FULL

    def __str__(self) -> str:
        return f"window {self.centre:g}/{self.width:g}"

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Values -> 0..65535, float64."""
        return apply_window(values, self.centre, self.width, self.function)

    @property
    def ends(self) -> tuple[float, float]:
        """Half the width on either side: beyond, values are clipped. LINEAR's are a unit closer, which clips no more
        than its neighbours' last grey level: many write 500/1000 and mean 0 to 1000.
        """
        half = np.inf if self.function == "SIGMOID" else self.width / 2
        return self.centre - half, self.centre + half


@dataclass(frozen=True)
class View:
    """How values are shown: a window or a table, and what a note calls it."""

    way: Window | Table
    name: str

    @property
    def ends(self) -> tuple[float, float]:
        """The least and greatest value that are told apart from those outside."""
        return self.way.ends if isinstance(self.way, Window) else (self.way.first, self.way.last)


def apply_window(values: np.ndarray, centre: float, width: float, function: str = "LINEAR") -> np.ndarray:
    """Map values through a window onto 0..65535 as float64: LINEAR, LINEAR_EXACT or SIGMOID of PS3.3 C.11.2.1."""
    values = np.asarray(values, np.float64)
    with np.errstate(over="ignore"):  # far outside is black or white
        if function == "SIGMOID":
            return FULL / (1 + np.exp(-4 * (values - centre) / width))
        centre, width = _half_open(centre, width, function)
        if width == 0:
            return np.where(values <= centre, 0.0, FULL)
        return np.clip((values - centre) / width + 0.5, 0, 1) * FULL


def checked_choice(value: object) -> WindowChoice:
    """What a setting asks for, as a `WindowChoice`; ValueError where it can be none."""
    if isinstance(value, str) and value.strip():
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, list | tuple) and len(value) == 2:
        centre, width = map(finite, value)
        if width > 0:
            return centre, width
    raise ValueError(
        f"is {value!r}; give file, none, a window's name or number (from 0 on), or [centre, width] with a width above 0"
    )


def choose_view(header: Header, voi: Header, choice: WindowChoice, limits: tuple[float, float]) -> View | None:
    """The window or LUT to show a frame by, of those in `voi`; None where there is none, or none is asked for.

    `limits` are the least and greatest of the modality's values. Of "file", what cannot be used is passed over with a
    remark. SpineError, which lists what there is, where a window is asked for that the file lacks.
    """
    if choice == "none":
        return None
    if isinstance(choice, tuple):
        window = Window(*choice)
        return View(window, str(window))
    tables, windows = voi.items("VOILUTSequence"), _windows(voi)
    if choice == "file":
        return _first_table(tables, limits) or next((View(one, str(one)) for one in windows if one), None)
    return _asked_for(choice, windows, tables, voi, limits)


def _asked_for(
    choice: str | int, windows: list[Window | None], tables: list[Header], voi: Header, limits: tuple[float, float]
) -> View:
    names = _names(voi, len(windows), tables)
    known = [name.casefold() for name in names]
    wanted = choice.strip().casefold() if isinstance(choice, str) else choice
    number = known.index(wanted) if wanted in known else wanted if isinstance(wanted, int) else len(names)
    ways = [*windows, *tables]
    if number >= len(ways) or ways[number] is None:
        told = "has no window" if number >= len(ways) else "cannot use the window"
        raise SpineError(
            f"it {told} {choice!r}: {_listed(ways, names)}; "
            "name one of its own as `window`, by name or number, or give a centre and a width"
        )
    way = ways[number]
    if isinstance(way, Window):
        return View(way, str(way))
    return View(read_table(tables[number - len(windows)], limits), f"VOI LUT {number - len(windows)}")


def _half_open(centre: float, width: float, function: str) -> tuple[float, float]:
    """LINEAR's window ends at the middle of its last value's pixel, so to speak (PS3.3 C.11.2.1.2.1)."""
    return (centre - 0.5, width - 1) if function == "LINEAR" and width >= 1 else (centre, width)


def _windows(voi: Header) -> list[Window | None]:
    """The windows that the header states, in its order; None for one that cannot be used, which is remarked on."""
    try:
        centres, widths = voi.numbers("WindowCenter"), voi.numbers("WindowWidth")
    except SpineError as error:
        voi.remark(f"{str(error).partition(';')[0]}: its windows were passed over")
        return []
    if len(centres) != len(widths):
        voi.remark(
            f"it states {len(centres)} WindowCenter and {len(widths)} WindowWidth: those without both do not count"
        )
    function = _function(voi)
    return [_window(voi, centre, width, function) for centre, width in zip(centres, widths, strict=False)]


def _window(voi: Header, centre: float, width: float, function: str) -> Window | None:
    if width > 0:
        return Window(centre, width, function)
    voi.remark(f"WindowWidth is {width:g}, where a number above 0 must hold: this window was passed over")
    return None


def _function(voi: Header) -> str:
    function = voi.text("VOILUTFunction") or "LINEAR"
    if function in _FUNCTIONS:
        return function
    voi.remark(f"VOILUTFunction is {function!r}, which is none of {', '.join(_FUNCTIONS)}: LINEAR was taken")
    return "LINEAR"


def _first_table(tables: list[Header], limits: tuple[float, float]) -> View | None:
    for number, item in enumerate(tables):
        try:
            return View(read_table(item, limits), f"VOI LUT {number}")
        except SpineError as error:
            item.remark(f"VOI LUT {number} was passed over: {str(error).partition(';')[0]}")
    return None


def _names(voi: Header, count: int, tables: list[Header]) -> list[str]:
    """The explanation of each of `count` windows, then of each table; "" where there is none."""
    of_windows = (voi.names("WindowCenterWidthExplanation") + [""] * count)[:count]
    return of_windows + [next(iter(item.names("LUTExplanation")), "") for item in tables]


def _listed(ways: Sequence[Window | Header | None], names: Sequence[str]) -> str:
    kinds = ["unusable" if way is None else "VOI LUT" if isinstance(way, Header) else str(way) for way in ways]
    entries = [
        f"{number}: {kind} {name!r}" if name else f"{number}: {kind}"
        for number, (kind, name) in enumerate(zip(kinds, names, strict=True))
    ]
    return f"it has {', '.join(entries)}" if entries else "it has none"
