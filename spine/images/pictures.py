"""A 2-D grey image as measured, and the picture files (PNG, JPEG, TIFF) that it is read from and written to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np

from spine.core.files import atomic_file
from spine.core.problems import SpineError, one_file
from spine.images.acquired import UNTOLD, Acquired
from spine.images.decoders import jpeg, png, tiff
from spine.images.decoders.raster import Raster
from spine.images.integrity import COPY_AGAIN, check_bytes
from spine.images.masks import indices_of
from spine.images.scaling import Scaling, Sixteen

__all__ = [
    "Pages",
    "Picture",
    "count_pages",
    "decode_picture",
    "encode_png",
    "picture_size",
    "read_bytes",
    "read_greys",
    "read_mask",
    "read_mask_pages",
    "read_picture",
    "stretched_to_8_bit",
    "write_mask",
    "write_png16",
]

_EXPORT_AGAIN = "export the image again as PNG, JPEG or TIFF"


@dataclass(frozen=True)
class Picture:
    """One 2-D grey image as measured.

    `pixels` is (H, W) uint16, un-normalised, and upright; where they are not the measured values themselves, `scaling`
    tells how to get back to them, if that can be told. `name` is the POSIX path relative to the source's image root,
    with `#k` appended for frame, page or slice k (0-based) of a file of several. `spacing` is (y, x) in mm. `patient`,
    `study`, `series` and `sequence` are the raw identifiers of the file: the intake pseudonymises them. `note` tells
    what a reader should know: why this slice was chosen, a shift of the values, burned-in annotation. `acquired` is
    what may be kept of its header. A slice of a `stack` has its `place` there: slices of one stack are next to each
    other where their places differ by 1. One that was read only because it is next to a chosen one is `beside` it.
    """

    pixels: np.ndarray
    path: Path
    name: str
    spacing: tuple[float, float] | None = None
    patient: str = ""
    study: str = ""
    series: str = ""
    sequence: str = ""
    note: str = ""
    scaling: Scaling | None = None
    acquired: Acquired = UNTOLD
    stack: str = ""
    place: int = 0
    beside: bool = False

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2 or self.pixels.dtype != np.uint16 or not self.pixels.size:
            raise ValueError(
                f"{self.name}: pixels are {self.pixels.dtype} {self.pixels.shape}; (H, W) uint16 must hold"
            )


@dataclass(frozen=True)
class Pages:
    """The pages of one file at 16 bits: `pixels` (P, H, W) uint16, how they were `scaling`-ed, and a remark on them."""

    pixels: np.ndarray
    scaling: Scaling | None = None
    remark: str = ""


def read_picture(path: Path, name: str) -> Picture:
    """Read a PNG, JPEG or TIFF of one page, 8 or 16 bit; colour becomes grey, 8-bit values stay 0..255.

    Raises SpineError where the file cannot be read whole.
    """
    pages = read_greys(path)
    return Picture(_single_page(pages.pixels, path), Path(path), name, scaling=pages.scaling)


def decode_picture(data: bytes, path: Path) -> np.ndarray:
    """(H, W) uint16 of the bytes of a picture file of one page, as `read_picture`; errors name `path`."""
    return _single_page(_sixteen([raster.grey for raster in _decode(data, path)], path).pixels, path)


def count_pages(path: Path) -> int:
    """The number of pages of a TIFF, 1 for a PNG or JPEG; SpineError where the file is no whole picture."""
    data = read_bytes(path)
    with one_file(path):
        if data.startswith(tiff.SIGNATURES):
            return tiff.count(data, path)
        picture_size(data, path)
        return 1


def picture_size(data: bytes, path: Path) -> tuple[int, int]:
    """Height and width of the bytes of a PNG, JPEG or TIFF once it is upright, without decoding it; SpineError of any
    other, naming `path`.
    """
    with one_file(path):
        return _format_of(data, path).size(data, path)


def read_greys(path: Path) -> Pages:
    """Read every page of a TIFF, or the one image of a PNG or JPEG, as grey levels at 16 bits; SpineError otherwise.

    Values of real numbers, or of more than 16 bits, are scaled by the range of all pages together.
    """
    return _sixteen([raster.grey for raster in _decode(read_bytes(path), path)], path)


def read_mask(path: Path) -> np.ndarray:
    """Read class indices as (H, W) uint16: a grey, 1-bit or palette file (its indices count, not its colours).

    Raises SpineError for a colour image, for several pages (see `read_mask_pages`) and for an unreadable file.
    """
    pages = read_mask_pages(path)
    if len(pages) > 1:
        raise SpineError(f"{path} holds {len(pages)} pages where one mask was expected; give the label of each page")
    return pages[0]


def read_mask_pages(path: Path) -> np.ndarray:
    """Read every page of a mask as (P, H, W) uint16; `spine.images.masks` tells what of a page counts.

    Raises SpineError for a colour image, a JPEG, pages of different sizes and an unreadable file.
    """
    path = Path(path)
    data = read_bytes(path)
    if data.startswith(jpeg.SIGNATURE):
        raise SpineError(f"{path} is a JPEG, which blurs the borders of classes; save the mask as PNG or TIFF")
    pages = [indices_of(raster.numbers, path) for raster in _decode(data, path)]
    _check_sizes(pages, path)
    return np.stack(pages)


def write_png16(pixels: np.ndarray, path: Path) -> None:
    """Write (H, W) uint16 as a 16-bit grey PNG, atomically."""
    _write_png(pixels, np.uint16, path)


def write_mask(mask: np.ndarray, path: Path) -> None:
    """Write (H, W) class indices 0..255 as an 8-bit grey PNG, atomically."""
    if mask.size and (mask.min() < 0 or mask.max() > 255):
        raise SpineError(f"{path}: class indices reach from {mask.min()} to {mask.max()}; 0..255 can be stored")
    _write_png(mask.astype(np.uint8), np.uint8, path)


def encode_png(pixels: np.ndarray) -> bytes:
    """The bytes of a grey PNG of (H, W) uint8 or uint16."""
    good, data = cv2.imencode(".png", pixels)
    if not good:
        raise SpineError(f"the PNG could not be encoded from {pixels.dtype} {pixels.shape}")
    return data.tobytes()


def stretched_to_8_bit(pixels: np.ndarray) -> np.ndarray:
    """(H, W) uint8 of which the darkest pixel is 0 and the brightest 255; a constant picture is 0."""
    low, high = int(pixels.min()), int(pixels.max())
    return np.rint((pixels.astype(np.float64) - low) * (255 / max(high - low, 1))).astype(np.uint8)


def read_bytes(path: Path) -> bytes:
    """The bytes of a file; SpineError where it is missing, empty, too large or not readable."""
    try:
        check_bytes(Path(path).stat().st_size, path)
        data = Path(path).read_bytes()
    except OSError as error:
        raise SpineError(f"{path} cannot be opened ({error.strerror}); check the path and its permissions") from error
    if not data:
        raise SpineError(f"{path} is empty (0 bytes); {COPY_AGAIN}")
    return data


def _decode(data: bytes, path: Path) -> list[Raster]:
    """The pages of a picture file, upright; whatever a library raises of it becomes a SpineError that names it."""
    with one_file(path):
        return _format_of(data, path).decode(data, path)


def _format_of(data: bytes, path: Path) -> ModuleType:
    if data.startswith(png.SIGNATURE):
        return png
    if data.startswith(jpeg.SIGNATURE):
        return jpeg
    if data.startswith(tiff.SIGNATURES):
        return tiff
    raise SpineError(f"{path} is not a PNG, JPEG or TIFF, whatever its name says; {_EXPORT_AGAIN}")


def _sixteen(greys: list[np.ndarray], path: Path) -> Pages:
    _check_sizes(greys, path)
    rule = Sixteen.of(greys, path)
    pixels = np.empty((len(greys), *greys[0].shape), np.uint16)
    for page, grey in zip(pixels, greys, strict=True):
        page[...] = rule(grey)
    return Pages(pixels, rule.scaling, rule.remark)


def _check_sizes(pages: list[np.ndarray], path: Path) -> None:
    if len({page.shape for page in pages}) > 1:
        sizes = ", ".join(f"{page.shape[0]}x{page.shape[1]}" for page in pages[:8])
        raise SpineError(f"{path} holds pages of different sizes ({sizes}); save pages of one size in a file")


def _single_page(pages: np.ndarray, path: Path) -> np.ndarray:
    if len(pages) > 1:
        raise SpineError(f"{path} holds {len(pages)} pages where one image was expected; split it into one file a page")
    return pages[0]


def _write_png(pixels: np.ndarray, kind: type, path: Path) -> None:
    if pixels.ndim != 2 or pixels.dtype != kind or not pixels.size:
        raise ValueError(f"{path}: pixels are {pixels.dtype} {pixels.shape}; (H, W) {kind.__name__} must hold")
    with atomic_file(Path(path)) as temporary:
        temporary.write_bytes(encode_png(pixels))
