"""A tree of files, or a table that names them -> studies: which files belong together, and what they are called.

Of DICOM the StudyInstanceUID tells; every other picture or volume, and every .zip, is a study of its own. A study holds
the names of its folders rather than of its files, so that a list of a hundred thousand stays small.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.bulk.paths import as_path, as_text
from pipeline.bulk.reading import mapped_ahead
from pipeline.client.unzip import is_zip
from spine.core.files import Tree, atomic_file, walk
from spine.core.privacy import pseudonym
from spine.core.problems import SpineError, one_file
from spine.images.dicom.headers import study_uid
from spine.images.dicom.image import is_readable
from spine.images.kinds import claimed_kind, is_half_of_pair, kind_of

__all__ = ["Study", "in_folder", "in_sheet", "write_sheet_of"]

_DIRECT = "*"  # FOLDER/*: the DICOM files in a folder, and not those in folders within it


@dataclass(frozen=True)
class Study:
    """`source` is what it is called where it lies: its StudyInstanceUID, or its path below what was given.

    `places` are paths of files, of folders (all below them), or of FOLDER/*; none of a study of an archive.
    """

    source: str
    places: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it is called in what is written, as in `images.csv` of a dataset that hides its patients."""
        return pseudonym(self.source, "S")

    def files(self) -> Tree:
        """Its files, sorted, each once, and what of its folders cannot be opened."""
        trees = [_files(Path(place)) for place in self.places]
        lost = {path: why for tree in trees for path, why in tree.lost.items()}
        files = sorted(file for tree in trees for file in tree.files)
        return Tree(tuple(_each_once(files) if len(trees) > 1 else files), lost)


def _each_once(files: Iterable[Path]) -> Iterable[Path]:
    """Of several paths to one file the first: a sheet may name a folder, and a file within it."""
    found: dict[Path, Path] = {}
    for file in files:
        found.setdefault(file.resolve(), file)
    return found.values()


def in_folder(root: Path, advance: Callable[[int], object] = lambda files: None) -> list[Study]:
    """The studies below a folder, in the order of their names; `advance` is told how many files were looked at.

    SpineError where there is none. Hidden files and those that are no images are passed over; loops of links end.
    """
    if not root.is_dir():
        raise SpineError(f"{root} is no folder; give a folder of studies, a .csv with a column `path`, or a URL")
    found: dict[str, list[str]] = {}
    closed: list[str] = []
    for studies, count in mapped_ahead(lambda one: (_of_folder(root, *one), len(one[1])), _folders(root, closed)):
        for source, places in studies.items():
            found.setdefault(source, []).extend(places)
        advance(count)
    found |= {_below(root, Path(folder)): [folder] for folder in closed}  # as a study of which that is told
    return _sorted(found, root)


def in_sheet(path: Path) -> list[Study]:
    """The studies of a CSV file: a row a file or a folder, its `path` relative to the table, or a `file:` URI.

    Rows of one `study` are one; without that column, or where it is empty, each row is a study of its own. SpineError
    where there is no column `path`, a row has none, or there is no row.
    """
    found: dict[str, list[str]] = {}
    with one_file(path, "save it as CSV in UTF-8"), path.open(newline="", encoding="utf-8-sig") as stream:
        rows = csv.DictReader(stream)
        if "path" not in (rows.fieldnames or ()):
            raise SpineError(f"{path} has the columns {rows.fieldnames}; it needs `path`, and may have `study`")
        for row in rows:
            if not (place := _cell(row, "path")):
                raise SpineError(f"{path}: the row of line {rows.line_num} has no path; fill it in, or remove the row")
            found.setdefault(_cell(row, "study") or place, []).append(str(path.parent / place))
    return _sorted(found, path)


def _cell(row: Mapping[str, str | None], column: str) -> str:
    return as_path((row.get(column) or "").strip())


def write_sheet_of(studies: Iterable[Study], path: Path) -> Path:
    """Write studies of files as a table that `in_sheet` reads."""
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "study"])
        writer.writerows(
            (as_text(str(Path(place).absolute())), as_text(study.source)) for study in studies for place in study.places
        )
    return path


def _sorted(found: Mapping[str, Sequence[str]], where: Path) -> list[Study]:
    if not found:
        raise SpineError(f"{where} holds no study; give DICOM, PNG, JPEG, TIFF, NIfTI, MHA or NRRD")
    return [Study(source, tuple(sorted(places))) for source, places in sorted(found.items())]


def _folders(root: Path, closed: list[str]) -> Iterator[tuple[Path, list[str]]]:
    """Each folder at or below `root` once, with the names of the files in it; none that is hidden.

    Those that cannot be opened are added to `closed`.
    """
    seen: set[str] = set()
    for folder, within, files in os.walk(root, followlinks=True, onerror=lambda error: closed.append(error.filename)):
        if (real := os.path.realpath(folder)) in seen:
            within.clear()  # a link to what was walked already, such as to a folder above
            continue
        seen.add(real)
        within[:] = sorted(name for name in within if not name.startswith("."))
        yield Path(folder), files


def _of_folder(root: Path, folder: Path, names: Sequence[str]) -> dict[str, list[str]]:
    """Source -> places of what is in one folder."""
    kinds = {path: _kind(path) for path in _images(folder / name for name in names)}
    found = {_below(root, path): [str(path)] for path, kind in kinds.items() if kind not in ("", "dicom")}
    dicom = {path: study_uid(path) for path, kind in kinds.items() if kind == "dicom"}
    uids = set(filter(None, dicom.values()))
    if len(uids) == 1 or (not uids and any(map(is_readable, dicom))):  # what tells no study belongs to those beside it
        found[next(iter(uids), _below(root, folder))] = [str(folder / _DIRECT)]
        return found
    for path, uid in dicom.items():
        found.setdefault(uid or _below(root, path), []).append(str(path))
    return found


def _below(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def _files(place: Path) -> Tree:
    if place.name == _DIRECT and not place.exists():
        return Tree(tuple(path for path in _images(place.parent.iterdir()) if _kind(path) == "dicom"))
    return walk(place) if place.is_dir() else Tree((place,))


def _images(paths: Iterable[Path]) -> list[Path]:
    """Those of a folder's entries that may be images: files that are shown, and links that lead nowhere, to be told."""
    return sorted(
        path
        for path in paths
        if not path.name.startswith(".") and (path.is_file() or (path.is_symlink() and claimed_kind(path)))
    )


def _kind(path: Path) -> str:
    # Workbooks, arrays and Python packages are archives too.
    is_archive = path.suffix.lower() == ".zip" and is_zip(path)
    return "zip" if is_archive else "" if is_half_of_pair(path) else kind_of(path)
