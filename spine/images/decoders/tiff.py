"""TIFF 6.0 and BigTIFF: what each page's tags say of its samples, and the samples by it.

Every photometric kind, sample type, bit depth, byte order and arrangement is dealt with here; `strips.py` unpacks the
bytes. Nothing is left to a library that shifts, inverts or fills without a word: tifffile with imagecodecs was tried in
its place. It only logs a broken chain or list, and gave pixels for 137 of 150 cut JPEG pages and 144 of 150 cut fax
pages, so its answers need the checks that are here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spine.core.problems import SpineError
from spine.images.decoders.orientation import ORIENTATION, upright, upright_size
from spine.images.decoders.raster import Colour, Raster
from spine.images.decoders.samples import samples_of
from spine.images.decoders.strips import PACKINGS, Packed, unpack
from spine.images.decoders.tags import Directory, directories
from spine.images.integrity import check_bytes

__all__ = ["SIGNATURES", "count", "decode", "size"]

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_WIDTH, _HEIGHT, _BITS, _PACKING, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIPS, _CHANNELS, _ROWS, _STRIP_BYTES, _PLANAR, _PREDICTOR, _COLOURS = 273, 277, 278, 279, 284, 317, 320
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES, _FORMAT, _JPEG_TABLES = 322, 323, 324, 325, 339, 347
_EXTRA, _ALPHA = 338, (1, 2)
_FAX_OPTIONS = {3: 292, 4: 293}

# Photometric interpretation -> what its samples are, and how many of them make a pixel.
_WHITE_IS_ZERO, _YCBCR = 0, 6
_KINDS: dict[int, tuple[Colour, int]] = {
    **{0: ("grey", 1), 1: ("grey", 1), 2: ("rgb", 3), 3: ("palette", 1), 4: ("grey", 1), 5: ("cmyk", 4), 6: ("rgb", 3)},
}
_TYPES = {1: "u", 2: "i", 3: "f", 4: "u"}  # sample format -> NumPy's kind
_BITS_OF = {"u": range(1, 33), "i": (8, 16, 32), "f": (16, 32, 64)}
_JPEG, _MOST_TABLES = 7, 4096


@dataclass(frozen=True)
class _Page:
    """One page: its size, what its samples are, and how they are packed."""

    packed: Packed
    colour: Colour
    wanted: int  # channels; alpha and others may follow
    inverted: bool
    orientation: int
    palette: np.ndarray | None
    has_alpha: bool

    @property
    def bytes_held(self) -> int:
        """Bytes while the page is read: unpacked, as samples, as grey levels, and at 16 bits."""
        packed = self.packed
        grey = (
            0 if self.colour == "grey" and packed.bits > 4 else 1 if packed.bits <= 8 else 2 if packed.bits == 16 else 8
        )
        palette = 0 if self.palette is None else self.palette.nbytes
        return packed.bytes_held + (grey + 2) * packed.height * packed.width + len(packed.tables) + palette


def count(data: bytes, path: Path) -> int:
    """The number of pages; SpineError where one cannot be read, or all together would take too much."""
    return len(_pages(data, path))


def size(data: bytes, path: Path) -> tuple[int, int]:
    """Height and width of the first page once it is upright."""
    page = _pages(data, path)[0]
    return upright_size(page.packed.height, page.packed.width, page.orientation)


def decode(data: bytes, path: Path) -> list[Raster]:
    """Every page; SpineError where a strip is missing, damaged or packed in a way that is not read."""
    return [_raster(page, path) for page in _pages(data, path)]


def _pages(data: bytes, path: Path) -> list[_Page]:
    pages: list[_Page] = []
    held = 0
    for number, directory in enumerate(directories(data, path)):
        try:
            pages.append(_page(directory))
        except ValueError as error:
            raise SpineError(
                f"{path} cannot be read: page {number} {error}; save it as a plain TIFF of 8 or 16 bits, or as PNG"
            ) from error
        held += pages[-1].bytes_held
        check_bytes(held, path)
    return pages


def _page(directory: Directory) -> _Page:
    photometric = directory.number(_PHOTOMETRIC, 1)
    if photometric not in _KINDS:
        raise ValueError(f"is of the photometric kind {photometric}; grey, RGB, palette, CMYK and JPEG can be read")
    colour, wanted = _KINDS[photometric]
    packed = _packed(directory, photometric)
    if packed.channels < wanted:
        raise ValueError(f"has {packed.channels} channels where its photometric kind {photometric} has {wanted}")
    if photometric == _YCBCR and packed.packing != _JPEG:
        raise ValueError("holds YCbCr colours that are not JPEG")
    return _Page(
        packed,
        colour,
        wanted,
        photometric == _WHITE_IS_ZERO,
        directory.number(ORIENTATION, 1),
        _palette(directory) if colour == "palette" else None,
        packed.channels > wanted and directory.number(_EXTRA, 0) in _ALPHA,
    )


def _packed(directory: Directory, photometric: int) -> Packed:
    height, width = directory.number(_HEIGHT), directory.number(_WIDTH)
    tiled = _TILES in directory.entries
    rows, columns = (_TILE_HEIGHT, _TILE_WIDTH) if tiled else (_ROWS, _WIDTH)
    bits, kind = _samples(directory)
    packing = directory.number(_PACKING, 1)
    if packing not in PACKINGS:
        known = ", ".join(dict.fromkeys(PACKINGS.values()))
        raise ValueError(f"is packed by method {packing}, and {known} can be read")
    piece = directory.number(rows) if tiled else min(directory.number(rows, height) or height, height)
    return Packed(
        data=directory.data,
        order=directory.order,
        height=height,
        width=width,
        channels=directory.number(_CHANNELS, 1),
        bits=bits,
        kind=kind,
        packing=packing,
        planar=directory.number(_PLANAR, 1) == 2,
        predictor=directory.number(_PREDICTOR, 1),
        reversed_bits=directory.number(_FILL_ORDER, 1) == 2,
        piece=(piece, directory.number(columns)),
        offsets=directory.values(_TILES if tiled else _STRIPS),
        lengths=directory.values(_TILE_BYTES if tiled else _STRIP_BYTES),
        tables=_tables(directory) if packing == _JPEG else b"",
        transformed=photometric == _YCBCR,
        options=directory.number(_FAX_OPTIONS.get(packing, 0), 0),
    )


def _tables(directory: Directory) -> bytes:
    tables = directory.values(_JPEG_TABLES)
    if len(tables) > _MOST_TABLES:
        raise ValueError(f"has JPEG tables of {len(tables)} bytes, where {_MOST_TABLES} would be many")
    return tables.astype(np.uint8).tobytes()


def _samples(directory: Directory) -> tuple[int, str]:
    """Bits of a sample and NumPy's kind of its type, which all channels share."""
    depths, formats = directory.values(_BITS)[:_MOST_TABLES], directory.values(_FORMAT)[:_MOST_TABLES]
    if len(set(depths.tolist())) > 1 or len(set(formats.tolist())) > 1:
        raise ValueError(f"has channels of different types ({depths.tolist()} bits)")
    bits, form = directory.number(_BITS, 1), directory.number(_FORMAT, 1)
    kind = _TYPES.get(form, "")
    if bits not in _BITS_OF.get(kind, ()):
        named = {"u": "unsigned", "i": "signed", "f": "floating-point"}.get(kind, "complex")
        raise ValueError(f"holds {named} samples of {bits} bits")
    return bits, kind


def _palette(directory: Directory) -> np.ndarray:
    """(N, 3) uint8; colours have 16 bits, but old programs wrote 8 (libtiff looks for it alike)."""
    colours = directory.values(_COLOURS).astype(np.uint16)
    if not len(colours) or len(colours) % 3:
        raise ValueError(f"has a palette of {len(colours)} values, which is no table of three colours")
    return (colours >> 8 if colours.max() > 255 else colours).reshape(3, -1).T.astype(np.uint8)


def _raster(page: _Page, path: Path) -> Raster:
    packed = page.packed
    samples = upright(samples_of(packed, unpack(packed, path)), page.orientation)
    alpha = samples[..., page.wanted] if page.has_alpha else None
    samples = samples[..., 0] if page.wanted == 1 else samples[..., : page.wanted]
    return Raster(samples, packed.bits, page.colour, page.palette, page.inverted, alpha)
