"""What the header of a volume states: its axes, its voxels' type, and where its bytes lie."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spine.core.problems import SpineError
from spine.images.integrity import Readable, check_bytes, read_exactly, rest_of, unpacking

__all__ = ["Fields", "Grid", "Stored", "beside", "is_rectangular", "read_text_grid", "require_one_file"]

_LINE = 2**16  # bytes of a line that is skipped
_LEAN = 1e-3  # cosine of two axes that are taken for perpendicular: headers round to few digits


@dataclass(frozen=True)
class Stored:
    """The bytes of the voxels: `file`, packed as `packing` ("" not at all), `skip` bytes before and after unpacking.

    A skip of -1 before means that the voxels are the file's last bytes.
    """

    file: Path
    packing: str = ""
    skip: int = 0
    skip_unpacked: int = 0
    skip_lines: int = 0


@dataclass(frozen=True)
class Grid:
    """A volume of three axes, x fastest: `size` (x, y, z) and `steps` (3, 3), whose column is an axis' step in mm.

    Steps lead to the patient's left, posterior and superior. A voxel's value is stored * `slope` + `intercept`.
    SpineError where the axes span no room, or are not perpendicular.
    """

    path: Path
    size: tuple[int, ...]
    dtype: np.dtype
    steps: np.ndarray
    stored: Stored
    slope: float = 1.0
    intercept: float = 0.0

    def __post_init__(self) -> None:
        if len(self.size) != 3:
            raise SpineError(
                f"{self.path} has {len(self.size)} axes; a volume of three axes can be read: save one time point, or "
                "slices as a volume"
            )
        if min(self.size) < 1:
            raise SpineError(
                f"{self.path} states {_times(self.size)} voxels; a volume has one at least: fix its header"
            )
        check_bytes(math.prod(self.size) * self.dtype.itemsize, self.path)
        if not np.isfinite(self.steps).all() or not self.spacing.all():
            raise SpineError(f"{self.path} states axes of no length or of no number; fix its spacing and directions")
        if (lean := _lean(self.steps)) > _LEAN:
            degrees = math.degrees(math.acos(min(lean, 1.0)))
            raise SpineError(
                f"{self.path} is sheared, as by a tilted gantry: two of its axes meet at {degrees:.1f} degrees, and "
                "only perpendicular axes give true slices; resample it to a rectangular grid"
            )
        if not (math.isfinite(self.slope) and math.isfinite(self.intercept) and self.slope):
            raise SpineError(f"{self.path} states the slope {self.slope:g} and intercept {self.intercept:g}; fix them")

    @property
    def spacing(self) -> np.ndarray:
        """(x, y, z) in mm."""
        return np.linalg.norm(self.steps, axis=0)

    def read(self) -> tuple[np.ndarray, int]:
        """(z, y, x) voxels as stored, and the number of bytes behind them, counted to 65,536 at most."""
        count = math.prod(self.size) * self.dtype.itemsize
        with self._open(count) as stream:
            voxels = read_exactly(stream, count, self.path)
            return voxels.view(self.dtype).reshape(self.size[::-1]), rest_of(stream, self.path)

    @contextlib.contextmanager
    def _open(self, count: int) -> Iterator[Readable]:
        """A stream that stands at the first voxel."""
        stored = self.stored
        if stored.packing:
            check_bytes(stored.file.stat().st_size, self.path)
        with stored.file.open("rb") as file:
            if stored.skip < 0:
                file.seek(max(0, stored.file.stat().st_size - count))
            else:
                file.seek(stored.skip)
            for _ in range(stored.skip_lines):
                file.readline(_LINE)
            stream: Readable = unpacking(file, stored.packing) if stored.packing else file
            read_exactly(stream, stored.skip_unpacked, self.path)
            yield stream


Fields = dict[str, str]


def read_text_grid(
    path: Path,
    most: int,
    fields_of: Callable[[bytes, Path], tuple[Fields, int]],
    grid_of: Callable[[Path, Fields, int], Grid],
) -> Grid:
    """The grid of a volume whose header is text, of `most` bytes: `fields_of` its first bytes gives what it states and
    where it ends, `grid_of` these the grid. SpineError where they raise ValueError: the header does not hold.
    """
    with path.open("rb") as file:
        fields, end = fields_of(file.read(most), path)
    try:
        return grid_of(path, fields, end)
    except ValueError as error:
        raise SpineError(f"{path} cannot be read: its header {error}; fix it, or convert the volume again") from error


def require_one_file(name: str) -> None:
    """ValueError where a text header names several files for its voxels, by a list or a pattern."""
    if name.upper().startswith("LIST") or "%" in name:
        raise ValueError(f"names several files ({name[:40]!r}); one file beside it can be read")


def beside(header: Path, name: str) -> Path:
    """The file of a plain name in the folder of a header; SpineError of any other: a header chooses no other file.

    Neither a path, a pattern nor a list, nor a link to elsewhere.
    """
    if not name or name in (".", "..") or any(letter in name for letter in "/\\:\0"):
        raise SpineError(
            f"{header} names {name[:80]!r} for its voxels, and only a file beside it is read; put it there, and its "
            "plain name into the header"
        )
    file = header.parent / name
    if not file.is_file():
        raise SpineError(f"{header} lacks {name[:80]!r}, which holds its voxels; put that file beside it")
    home = (header.parent.resolve(), header.resolve().parent)
    if not any(file.resolve().is_relative_to(folder) for folder in home):
        raise SpineError(f"{header} names {name[:80]!r}, which is a link to another folder; copy the file beside it")
    return file


def is_rectangular(steps: np.ndarray) -> bool:
    """Whether three axes, the columns, have a length and are perpendicular."""
    lengths = np.linalg.norm(steps, axis=0)
    return bool(np.isfinite(lengths).all() and lengths.all() and _lean(steps) <= _LEAN)


def _lean(steps: np.ndarray) -> float:
    """The greatest cosine between two axes."""
    units = steps / np.linalg.norm(steps, axis=0)
    return float(np.abs(units.T @ units - np.eye(3)).max())


def _times(size: tuple[int, ...]) -> str:
    return " x ".join(map(str, size))
