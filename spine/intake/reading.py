"""A file, a folder or a tree -> grey pictures, whatever its files are: DICOM, PNG, JPEG, TIFF, NIfTI, MHA, NRRD.

    images = read_images(root, kind="auto", slices=1)
    images.names                 # what exists there, chosen or not: known before anything is decoded
    len(images)                  # how many pictures will come: for a progress bar
    for picture in images:       # decoded one file at a time: memory stays that of the largest file
        ...
    images.problems              # complete when the loop has ended: bad files, and warnings

What a file is, its first bytes tell; its name counts only where they tell nothing. A bad file becomes one Problem and
the others go on. Hidden files and files that neither are nor claim to be images (annotations, tables) are passed over.
TFRecords of tf.Example, which hold annotations too, are read where the kind is "tfrecord".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from spine.annotations.tfrecords import is_records
from spine.core.files import Tree, walk
from spine.core.problems import Problem, SpineError, lost_in, one_file
from spine.images.images import Images, Item
from spine.images.kinds import Kind, claimed_kind, is_half_of_pair, kind_of, may_be_dicom
from spine.images.neighbours import beside
from spine.images.pictures import Picture, count_pages, read_greys

if TYPE_CHECKING:
    from spine.images.dicom.pictures import Wanted
    from spine.images.dicom.windows import WindowChoice

__all__ = ["Images", "Kind", "kind_of", "read_images"]


def read_images(
    root: Path,
    kind: Kind = "auto",
    slices: int | None = None,
    patient_of: Callable[[str], str] = lambda name: "",
    window: WindowChoice = "file",
    *,
    neighbours: bool = False,
    files: Sequence[Path] | None = None,
) -> Images:
    """Find the pictures of a file, a folder or a tree; only headers are read yet.

    `kind` limits what is read to one family of formats. `slices=None` takes every slice, page and frame; `slices=n`
    takes of each volume, and of each patient's DICOM series (T2W first, T2*W where there is none), the n slices nearest
    the mid-sagittal one, and notes the choice in each picture; of single MR or CT images n a patient as well. What has
    no slices (a radiograph, a PNG, a page of a TIFF) passes through. `patient_of` a name is the patient that it tells,
    "" where the DICOM header does; `window` what of DICOM becomes black and white, as `spine.images.dicom.windows`
    tells.
    With `neighbours` the slices next to the chosen ones come, too, as `beside` them. With `files`, which lie below the
    folder `root`, those alone are read.
    Names are POSIX paths relative to `root` (to its folder if it is a file).

    Raises SpineError where `root` does not exist, `kind` is unknown or `slices` is below 1.
    """
    root = Path(root)
    if not root.exists():
        raise SpineError(f"{root} does not exist; give a file or a folder of images")
    if kind not in get_args(Kind):
        raise SpineError(f"kind is {kind!r}; it is one of {', '.join(get_args(Kind))}")
    if slices is not None and slices < 1:
        raise SpineError(f"slices is {slices}; give 1 or more, or leave it out for every slice")
    base = root if root.is_dir() else root.parent
    tree = walk(root) if files is None else Tree(tuple(sorted(files)))
    scan = _Scan(base, kind, slices, patient_of, window, neighbours, problems=list(lost_in(tree)))
    scan.names.update(scan.name(path) for path in tree.lost if claimed_kind(path))
    for path in tree.files:
        scan.add(path)
    return scan.finish()


@dataclass
class _Scan:
    """Collects items, names and problems while a tree is walked; DICOM waits for the end, since series span files."""

    base: Path
    kind: Kind
    slices: int | None
    patient_of: Callable[[str], str]
    window: WindowChoice
    neighbours: bool
    items: list[Item] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    dicom: list[Path] = field(default_factory=list)
    last: list[Item] = field(default_factory=list)  # what can be told when all else has been read

    def add(self, path: Path) -> None:
        """Take up one file."""
        kind = "tfrecord" if self.kind == "tfrecord" and is_records(path) else kind_of(path)
        if kind == "" and self.kind == "dicom" and may_be_dicom(path):
            kind = "dicom"  # a damaged one
        if kind == "" or is_half_of_pair(path) or (self.kind != "auto" and self.kind not in (kind, claimed_kind(path))):
            return
        try:
            with one_file(path):
                self._take(path, kind)
        except SpineError as error:
            self.names.add(self.name(path))
            self.problems.append(Problem.from_error(error, path))

    def _take(self, path: Path, kind: str) -> None:
        if kind == "unsupported" or self.kind not in ("auto", kind):
            wanted = "DICOM, PNG, JPEG, TIFF, NIfTI, MHA or NRRD" if self.kind == "auto" else self.kind
            raise SpineError(f"{path} is not {wanted}; convert it, or set another kind")
        if kind == "dicom":
            self.dicom.append(path)
        elif kind == "picture":
            self._take_picture(path)
        elif kind == "tfrecord":
            self._take_records(path)
        else:
            self._take_volume(path)

    def _take_picture(self, path: Path) -> None:
        names = _numbered(self.name(path), count_pages(path))
        self.names.update(names)
        self.items.append(Item(path, len(names), lambda: _read_pages(path, names)))

    def _take_records(self, path: Path) -> None:
        from spine.annotations.tfrecord_pictures import picture_names, read_record_pictures

        folder = path.parent.relative_to(self.base)
        names = picture_names(path, folder)
        fresh = {name: number for number, name in reversed(names.items()) if name not in self.names}  # the first holds
        for number in sorted(names.keys() - fresh.values()):
            reason = f"holds a picture called {names[number]!r} as another record does; the first was kept"
            self.problems.append(Problem(f"{path}: record {number}", reason, "give each picture a name of its own"))
        self.names.update(fresh)
        numbers = frozenset(fresh.values())
        self.items.append(Item(path, len(numbers), lambda: read_record_pictures(path, folder, numbers)))

    def _take_volume(self, path: Path) -> None:
        from spine.images.volumes import middle_first, sagittal_count

        name, count, n = self.name(path), sagittal_count(path), self.slices
        self.names.update(f"{name}#{k}" for k in range(count))
        chosen = middle_first(count, n)
        wanted = len(chosen) + (len(beside(chosen, count)) if self.neighbours else 0)
        self.items.append(Item(path, wanted, lambda: _read_slices(path, n, name, self.neighbours)))

    def finish(self) -> Images:
        """Group the DICOM files to series, choose, and hand everything out."""
        if self.dicom:
            self._take_dicom()
        elif self.window != "file":
            reason, advice = f"window is {self.window!r}, and no DICOM is there", "remove `window`, which is for DICOM"
            self.problems.append(Problem(str(self.base), reason, advice, "warning"))
        items = [*sorted(self.items, key=lambda item: str(item.path)), *self.last]
        return Images(tuple(items), frozenset(self.names), list(self.problems), tuple(self.problems))

    def _take_dicom(self) -> None:
        from spine.images.dicom.pictures import (
            every_image,
            midsagittal_images,
            name_of,
            read_pictures,
            with_neighbours,
        )
        from spine.images.dicom.remarks import Summary
        from spine.images.dicom.series import find_series

        series, problems = find_series(self.dicom, lambda path: self.patient_of(self.name(path)))
        wanted = every_image(series)
        self.names.update(name_of(one.slice, self.name(one.slice.path)) for one in wanted)
        self.names.update(self.name(Path(problem.path)) for problem in problems if problem.severity == "error")
        self.problems += problems
        if self.slices is not None:
            wanted, problems = midsagittal_images(series, self.slices)
            self.problems += problems
        wanted = with_neighbours(wanted) if self.neighbours else wanted
        summary = Summary()
        for path, group in _by_path(wanted).items():
            read = partial(read_pictures, path, group, self.name(path), self.window, summary)
            self.items.append(Item(path, len(group), read))
        self.last.append(Item(self.base, 0, summary.problems))

    def name(self, path: Path) -> str:
        """A file's name in the manifest: POSIX, relative to the root."""
        return path.relative_to(self.base).as_posix()


def _by_path(wanted: list[Wanted]) -> dict[Path, list[Wanted]]:
    groups: dict[Path, list[Wanted]] = {}
    for one in wanted:
        groups.setdefault(one.slice.path, []).append(one)
    return groups


def _numbered(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}#{k}" for k in range(count)]


def _read_pages(path: Path, names: list[str]) -> Iterator[Picture | Problem]:
    pages = read_greys(path)
    yield from _remarks(path, [pages.remark])
    note = str(pages.scaling or "")
    for name, pixels in zip(names, pages.pixels, strict=True):
        yield Picture(pixels, path, name, note=note, scaling=pages.scaling)


def _read_slices(path: Path, n: int | None, name: str, neighbours: bool) -> Iterator[Picture | Problem]:
    from spine.images.volumes import read_volume, sagittal_slices

    volume = read_volume(path)
    yield from _remarks(path, volume.remarks)
    yield from sagittal_slices(volume, n, name, neighbours=neighbours)


def _remarks(path: Path, remarks: list[str]) -> Iterator[Problem]:
    for remark in filter(None, remarks):
        yield Problem(str(path), remark, "look at its pictures; export it again where they are not right", "warning")
