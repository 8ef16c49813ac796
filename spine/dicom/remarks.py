"""What headers state and does not hold -> warnings, one a folder and element, however many files it holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from spine.dicom.image import Image
from spine.problems import Problem, examples

__all__ = ["remarks_of"]


def remarks_of(images: Iterable[Image]) -> list[Problem]:
    """The remarks on images as warnings."""
    groups: dict[tuple[Path, str, bool], dict[Path, str]] = defaultdict(dict)
    for image in images:
        for remark in image.remarks:
            groups[image.folder, remark.keyword, remark.read].setdefault(image.path, remark.held)
    return [_warning(*key, held) for key, held in groups.items()]


def _warning(folder: Path, keyword: str, read: bool, held: dict[Path, str]) -> Problem:
    path, first = next(iter(held.items()))
    reason = f"states {keyword} {first!r}, {_TOLD[read]}"
    if len(held) == 1:
        return Problem(str(path), reason, _ADVICE[read], "warning")
    reason = f"holds {len(held)} files with such a {keyword}: {examples(list(held), folder)}, and the first {reason}"
    return Problem(str(folder), reason, _ADVICE[read], "warning")


_TOLD = {False: "which is damaged: it was passed over", True: "with a decimal comma, which was read as a point"}
_ADVICE = {
    False: "see whether its series' middle slice is the right one, and repair the header",
    True: "repair the header: other tools may not read it",
}
