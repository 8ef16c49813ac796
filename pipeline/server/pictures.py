"""Pictures in a request: how large they are by their headers, before TensorFlow takes memory for them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pipeline.server.refusals import invalid
from spine.core.problems import SpineError
from spine.images.decoders import jpeg, png
from spine.images.pictures import picture_size

__all__ = ["LEAST_SIDE", "check_pixels", "sizes_of"]

LEAST_SIDE = 32  # pixels that networks pad a side to, so that a picture of one row is no way around the bound


def sizes_of(files: Iterable[bytes], name: str) -> list[tuple[int, int]]:
    """Height and width of PNG and JPEG files; Refusal of what is neither, or is not whole. `name` is the input's."""
    return [_size(file, f"{name}[{number}]") for number, file in enumerate(files)]


def check_pixels(sizes: Iterable[tuple[int, int]], most: int) -> int:
    """The number of pixels of pictures of these heights and widths; Refusal where that is more than may be asked."""
    largest, total = (0, 0), 0
    for height, width in sizes:
        total += max(height, LEAST_SIDE) * max(width, LEAST_SIDE)
        largest = max(largest, (height, width), key=lambda size: size[0] * size[1])
    if total > most:
        raise invalid(
            f"the request holds {total:,} pixels, its largest picture {largest[0]:,} x {largest[1]:,}, and {most:,} "
            "can be answered; send fewer or smaller pictures, or start the server with a higher --max-pixels"
        )
    return total


def _size(file: bytes, name: str) -> tuple[int, int]:
    if not file:
        raise invalid(f"{name} is empty; send the bytes of a PNG or JPEG file")
    if not file.startswith((png.SIGNATURE, jpeg.SIGNATURE)):
        raise invalid(f"{name} is not a PNG or JPEG file; convert it, a DICOM file by `spine client`")
    try:
        return picture_size(file, Path(name))
    except SpineError as error:
        raise invalid(str(error)) from None
