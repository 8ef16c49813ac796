"""Pictures in a request: how large they are by their headers, before TensorFlow takes memory for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.server.refusals import invalid
from spine.core.problems import SpineError
from spine.images.decoders import jpeg, png
from spine.images.pictures import picture_size

__all__ = ["LEAST_SIDE", "Size", "bounded", "sizes_of"]

Size = tuple[int, int]
LEAST_SIDE = 32  # pixels that networks pad a side to, so that a picture of one row is no way around the bound


def sizes_of(files: Iterable[bytes], name: str) -> Iterator[Size]:
    """Height and width of PNG and JPEG files; Refusal of what is neither, or is not whole. `name` is the input's."""
    for number, file in enumerate(files):
        yield _size(file, f"{name}[{number}]")


def bounded(sizes: Iterable[Size], most: int) -> tuple[list[Size], int]:
    """Heights and widths of pictures, and the number of their pixels; Refusal as soon as that is more than `most`."""
    found: list[Size] = []
    total = 0
    for height, width in sizes:
        found.append((height, width))
        total += max(height, LEAST_SIDE) * max(width, LEAST_SIDE)
        if total > most:
            tallest, widest = max(found, key=lambda size: size[0] * size[1])
            raise invalid(
                f"the request holds {total:,} pixels or more, its largest picture {tallest:,} x {widest:,}, and "
                f"{most:,} can be answered; send fewer or smaller pictures, or start the server with a "
                "higher --max-pixels"
            )
    return found, total


def _size(file: bytes, name: str) -> Size:
    if not file:
        raise invalid(f"{name} is empty; send the bytes of a PNG or JPEG file")
    if not file.startswith((png.SIGNATURE, jpeg.SIGNATURE)):
        raise invalid(f"{name} is not a PNG or JPEG file; convert it, a DICOM file by `spine client`")
    try:
        return picture_size(file, Path(name))
    except SpineError as error:
        raise invalid(str(error)) from None
