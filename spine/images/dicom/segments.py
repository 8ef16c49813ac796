"""A DICOM segmentation (PS3.3 A.51, A.101) -> which of its frames shows which segment of which image, and their pixels.

BINARY and FRACTIONAL ones have frames of one segment each, LABELMAP ones pixels that are the segments' numbers. What a
frame was drawn on, the Derivation Image macro names; where it does not, the frame's place in the patient has to tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from spine.core.problems import SpineError, within
from spine.images.dicom.grids import Grid
from spine.images.dicom.headers import frame_count, quiet, read_dataset, read_header
from spine.images.dicom.objects import modality_of
from spine.images.dicom.stored import decode_frames, read_layout
from spine.images.dicom.values import Header

__all__ = ["Plane", "Segmentation", "read_segmentation"]

_KINDS = ("BINARY", "FRACTIONAL", "LABELMAP")
_AGAIN = "save the segmentation again"
_MOST_FRAMES = 2**16


@dataclass(frozen=True)
class Plane:
    """Frame `index` (0-based): the segment that it shows, 0 of a label map, and what it was drawn on.

    That are images by SOPInstanceUID and 0-based frame, None where none is named; `grid` is where it lies, if it says.
    """

    index: int
    segment: int
    references: tuple[tuple[str, int | None], ...]
    grid: Grid | None


@dataclass(frozen=True)
class Segmentation:
    """`labels` are SegmentLabels by segment number; `shape` (height, width) and `reference`, the FrameOfReferenceUID,
    are those of all planes."""

    path: Path
    kind: str
    labels: dict[int, str]
    shape: tuple[int, int]
    reference: str
    planes: tuple[Plane, ...]
    half: float = field(default=1.0, compare=False)  # the least value that counts

    def drawn(self, planes: Sequence[Plane]) -> Iterator[tuple[Plane, np.ndarray]]:
        """Each plane with the segments' numbers (H, W) that are drawn in it, 0 elsewhere.

        SpineError where the pixels cannot be decoded, or hold a number that is no segment's.
        """
        with quiet(), within(self.path):
            frames = decode_frames(self._whole, read_layout(self._whole), [plane.index for plane in planes])
            for plane, pixels in zip(planes, frames, strict=True):
                if pixels.ndim != 2:
                    raise SpineError(f"its frame {plane.index} is in colour, which no segmentation is; {_AGAIN}")
                yield plane, self._numbers(plane, pixels)

    @cached_property
    def _whole(self) -> Header:
        return Header.of(read_dataset(self.path))

    def _numbers(self, plane: Plane, pixels: np.ndarray) -> np.ndarray:
        if self.kind != "LABELMAP":
            return np.where(pixels >= self.half, plane.segment, 0)
        if strangers := sorted(set(np.unique(pixels).tolist()) - {0, *self.labels}):
            raise SpineError(
                f"its frame {plane.index} holds {strangers[:8]}, which are numbers of no segment; {_AGAIN}"
            )
        return pixels


def read_segmentation(path: Path) -> Segmentation | None:
    """What a segmentation says of itself, without its pixels; None of another DICOM object.

    SpineError where the file is damaged or truncated, or says of a frame neither its segment nor its place.
    """
    with quiet(), within(path):
        dataset, missing = read_header(path)
        header = Header.of(dataset)
        if modality_of(header) != "SEG":
            return None
        if missing:
            raise SpineError(f"it is truncated: it lacks the last {missing:,} bytes of its pixels; copy it again")
        kind = header.text("SegmentationType")
        if kind not in _KINDS:
            raise SpineError(f"its SegmentationType is {kind!r}; it is one of {', '.join(_KINDS)}: {_AGAIN}")
        labels, layout = _labels(header), read_layout(header)
        planes = tuple(_plane(header, index, kind, labels) for index in range(_frames(header)))
        half = header.number("MaximumFractionalValue", 255.0) / 2 if kind == "FRACTIONAL" else 1.0
        shape, place = (layout.rows, layout.columns), header.label("FrameOfReferenceUID")
        return Segmentation(Path(path), kind, labels, shape, place, planes, half)


def _frames(header: Header) -> int:
    count = frame_count(header)
    groups = len(header.items("PerFrameFunctionalGroupsSequence"))
    if count > _MOST_FRAMES:
        raise SpineError(f"it states {count:,} frames, and {_MOST_FRAMES:,} can be read; {_AGAIN}")
    if count != groups:
        raise SpineError(f"it states {count} frames, and tells of {groups} what they show; {_AGAIN}")
    return count


def _labels(header: Header) -> dict[int, str]:
    items = header.items("SegmentSequence")
    numbers = [item.whole("SegmentNumber") for item in items]
    if not numbers or len(set(numbers)) < len(numbers) or min(numbers) < 0:
        told = f"numbers its segments {numbers[:8]}" if numbers else "has no segment"
        raise SpineError(f"it {told}, where each has a number of its own, from 1 on; {_AGAIN}")
    return {number: _label(item, number) for number, item in zip(numbers, items, strict=True) if number}


def _label(item: Header, number: int) -> str:
    kinds = item.items("SegmentedPropertyTypeCodeSequence")
    meaning = kinds[0].label("CodeMeaning") if kinds else ""
    return item.label("SegmentLabel").strip() or meaning.strip() or f"segment {number}"


def _plane(header: Header, index: int, kind: str, labels: dict[int, str]) -> Plane:
    segment = 0
    if kind != "LABELMAP":
        segment = header.macro("SegmentIdentificationSequence", index).whole("ReferencedSegmentNumber")
        if segment not in labels:
            raise SpineError(f"its frame {index} shows segment {segment}, and it has {sorted(labels)[:8]}; {_AGAIN}")
    sources = header.macro("DerivationImageSequence", index).items("SourceImageSequence")
    references = tuple(dict.fromkeys(map(_reference, sources)))
    return Plane(index, segment, references, Grid.of(header, index))


def _reference(source: Header) -> tuple[str, int | None]:
    number = source.whole("ReferencedFrameNumber", 0)
    return source.label("ReferencedSOPInstanceUID"), number - 1 if number > 0 else None
