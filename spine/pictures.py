"""A 2-D grey image as measured, and the picture files (PNG, JPEG, TIFF) that it is read from and written to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from spine.files import atomic_file
from spine.masks import indices_of, stored_values
from spine.problems import SpineError
from spine.whole import check_whole

__all__ = [
    "Picture",
    "count_pages",
    "decode_picture",
    "encode_png",
    "read_bytes",
    "read_mask",
    "read_mask_pages",
    "read_pages",
    "read_picture",
    "stretched_to_8_bit",
    "write_mask",
    "write_png16",
]

_GREY = 0  # colour type of a PNG, ISO/IEC 15948 table 11.1
_JPEG = b"\xff\xd8\xff"
_EXPORT_AGAIN = "export the image again as PNG, JPEG or TIFF"


@dataclass(frozen=True)
class Picture:
    """One 2-D grey image as measured.

    `pixels` is (H, W) uint16, un-normalised. `name` is the POSIX path relative to the source's image root, with `#k`
    appended for frame, page or slice k (0-based) of a file of several. `spacing` is (y, x) in mm. `patient`, `study`,
    `series` and `sequence` are the raw identifiers of the file: the intake pseudonymises them. `note` tells what a
    reader should know: why this slice was chosen, a shift of the values, burned-in annotation.
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

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2 or self.pixels.dtype != np.uint16 or not self.pixels.size:
            raise ValueError(
                f"{self.name}: pixels are {self.pixels.dtype} {self.pixels.shape}; (H, W) uint16 must hold"
            )


def read_picture(path: Path, name: str) -> Picture:
    """Read a PNG, JPEG or TIFF of one page, 8 or 16 bit; colour becomes grey, 8-bit values stay 0..255.

    Raises SpineError where the file cannot be read whole.
    """
    return Picture(decode_picture(read_bytes(path), Path(path)), Path(path), name)


def decode_picture(data: bytes, path: Path) -> np.ndarray:
    """(H, W) uint16 of the bytes of a picture file of one page, as `read_picture`; errors name `path`."""
    pages = _decode(data, path)
    if len(pages) > 1:
        raise SpineError(f"{path} holds {len(pages)} pages where one image was expected; split it into one file a page")
    return _as_uint16(_grey(pages[0]), path)


def count_pages(path: Path) -> int:
    """The number of pages of a TIFF, 1 for a PNG or JPEG; SpineError where the file is no whole picture."""
    data = read_bytes(path)
    check_whole(data, path)
    if data.startswith((b"\x89PNG", b"\xff\xd8")):
        return 1
    with _quiet():
        count = cv2.imcount(str(path))
    if count < 1:
        raise SpineError(f"{path} is damaged or truncated: it has no pages; copy it again, or {_EXPORT_AGAIN}")
    return count


def read_pages(path: Path) -> np.ndarray:
    """Read every page of a TIFF, or the one image of a PNG or JPEG, as (P, H, W) uint16, or raise SpineError."""
    pages = [_grey(page) for page in _decode(read_bytes(path), Path(path))]
    if len({page.shape for page in pages}) > 1:
        sizes = ", ".join(f"{page.shape[0]}x{page.shape[1]}" for page in pages)
        raise SpineError(f"{path} holds pages of different sizes ({sizes}); save pages of one size in a file")
    return np.stack([_as_uint16(page, path) for page in pages])


def read_mask(path: Path) -> np.ndarray:
    """Read class indices as (H, W) uint16: a grey, 1-bit or palette file (its indices count, not its colours).

    Raises SpineError for a colour image, for several pages (see `read_mask_pages`) and for an unreadable file.
    """
    pages = read_mask_pages(path)
    if len(pages) > 1:
        raise SpineError(f"{path} holds {len(pages)} pages where one mask was expected; give the label of each page")
    return pages[0]


def read_mask_pages(path: Path) -> np.ndarray:
    """Read every page of a mask as (P, H, W) uint16; `spine.masks` tells what of a page counts.

    Raises SpineError for a colour image, a JPEG, pages of different sizes and an unreadable file.
    """
    path = Path(path)
    data = read_bytes(path)
    check_whole(data, path)
    if data.startswith(_JPEG):
        raise SpineError(f"{path} is a JPEG, which blurs the borders of classes; save the mask as PNG or TIFF")
    pages = [indices_of(page, path) for page in stored_values(data, path) or _decode(data, path)]
    if len({page.shape for page in pages}) > 1:
        sizes = ", ".join(f"{page.shape[0]}x{page.shape[1]}" for page in pages)
        raise SpineError(f"{path} holds pages of different sizes ({sizes}); save pages of one size in a file")
    bits = _png_depth(data)
    spread = 255 // (2**bits - 1) if bits in (2, 4) else 1  # OpenCV spreads 2 and 4 bits over 0..255
    return np.stack(pages) // spread


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
    """The bytes of a file; SpineError where it is missing, empty or not readable."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise SpineError(f"{path} cannot be opened ({error.strerror}); check the path and its permissions") from error
    if not data:
        raise SpineError(f"{path} is empty (0 bytes); copy it again from where it came from")
    return data


def _decode(data: bytes, path: Path) -> list[np.ndarray]:
    check_whole(data, path)
    try:
        with _quiet():
            good, pages = cv2.imdecodemulti(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise SpineError(f"{path} cannot be decoded ({error.err}); {_EXPORT_AGAIN}") from error
    if not good or not pages:
        raise SpineError(f"{path} is damaged or truncated: it cannot be decoded; copy it again, or {_EXPORT_AGAIN}")
    return list(pages)


def _png_depth(data: bytes) -> int:
    """Bits a sample of a grey PNG, by its IHDR; 8 for any other file."""
    grey = data.startswith(b"\x89PNG") and data[25] == _GREY
    return data[24] if grey else 8


def _grey(page: np.ndarray) -> np.ndarray:
    """Luma of ITU-R BT.601 (as JPEG and OpenCV have it), alpha ignored; equal channels keep their value exactly."""
    if page.ndim == 2:
        return page
    if page.shape[2] < 3 or not np.ptp(page[..., :3], axis=2).any():
        return page[..., 0]
    return cv2.cvtColor(np.ascontiguousarray(page[..., :3]), cv2.COLOR_BGR2GRAY)


def _as_uint16(page: np.ndarray, path: Path) -> np.ndarray:
    if page.dtype in (np.uint8, np.uint16):
        return page.astype(np.uint16)
    low, high = page.min(), page.max()
    if not (low >= 0 and high <= 65535) or (page != np.rint(page)).any():
        raise SpineError(
            f"{path} holds {page.dtype} values from {low} to {high}; whole numbers 0..65535 can be read: "
            "rescale it to 16 bits"
        )
    return page.astype(np.uint16)


@contextmanager
def _quiet() -> Iterator[None]:
    # What OpenCV would log about a bad file is raised as a SpineError already.
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


def _write_png(pixels: np.ndarray, kind: type, path: Path) -> None:
    if pixels.ndim != 2 or pixels.dtype != kind or not pixels.size:
        raise ValueError(f"{path}: pixels are {pixels.dtype} {pixels.shape}; (H, W) {kind.__name__} must hold")
    with atomic_file(Path(path)) as temporary:
        temporary.write_bytes(encode_png(pixels))
