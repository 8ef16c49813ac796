"""Look-up tables of every bit depth, sign, descriptor and transfer syntax, against a look-up of a few lines."""

import itertools

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import UID

from spine.core.problems import SpineError
from spine.images.dicom.headers import read_dataset
from spine.images.dicom.pixels import iterate_frames
from tests.spine.images.dicom.dicom_samples import sample

IMPLICIT, EXPLICIT, BIG, DEFLATED = (f"1.2.840.10008.1.2{end}" for end in ("", ".1", ".2", ".1.99"))
SYNTAXES = (IMPLICIT, EXPLICIT, BIG, DEFLATED)


def by_hand(values, entries, first):
    """The entry of each value; the first below the table, the last above."""
    return [[int(entries[min(max(value - first, 0), len(entries) - 1)]) for value in row] for row in values]


def table(entries, first, bits, packing="words", vr="OW", syntax=EXPLICIT, descriptor_vr="US", count=None):
    """The item of a LUT sequence. Packed bytes lie two in a word, the first in its low byte, in either byte order."""
    order = ">" if syntax == BIG else "<"
    words = np.asarray(entries, np.uint16)
    if packing == "bytes":
        words = np.frombuffer(bytes(entries) + b"\0" * (len(entries) % 2), "<u2")
    data = words.tolist() if vr == "US" else words.astype(f"{order}u2").tobytes()
    if vr == "OB":
        data = bytes(entries) + b"\0" * (len(entries) % 2)
    item = Dataset()
    stated = [len(entries) % 65536 if count is None else count, first, bits]
    wrap = (lambda value: value - 65536 if value >= 32768 else value) if descriptor_vr == "SS" else lambda value: value
    words = [wrap(value % 65536) for value in stated]
    item.add_new(0x00283002, descriptor_vr, list(map(str, words)) if descriptor_vr == "DS" else words)
    item.add_new(0x00283006, vr, data)
    return item


def on_disk(dataset, tmp_path, syntax):
    """The dataset as a file of a transfer syntax, read again."""
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    if syntax == BIG:  # words of two pixels, where a pixel has 8 bits
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    return read_dataset(tmp_path / "a.dcm")


def frame(dataset):
    return next(iterate_frames(dataset))


ENTRIES = {
    "8 bits": (8, [5, 250, 3, 77, 201]),
    "12 bits": (12, [5, 4000, 3, 77, 2010]),
    "16 bits": (16, [5, 60000, 3, 777, 50000]),
}
PACKINGS = [("8 bits", "bytes", vr) for vr in ("OW", "US", "OB")] + [
    (depth, "words", vr) for depth, vr in itertools.product(ENTRIES, ("OW", "US"))
]


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(("depth", "packing", "vr"), PACKINGS)
@pytest.mark.parametrize("descriptor_vr", ["US", "SS"])
@pytest.mark.parametrize(("signed", "first"), [(False, 100), (False, 40000), (True, -2), (True, 100)])
def test_a_voi_table_of_any_form_is_a_look_up(tmp_path, syntax, depth, packing, vr, descriptor_vr, signed, first):
    bits, entries = ENTRIES[depth]
    stored = [[first + step for step in (-50, -1, 0, 1)], [first + step for step in (2, 4, 5, 90)]]
    item = table(entries, first, bits, packing, vr, syntax, descriptor_vr)
    dataset = on_disk(sample(stored, signed=signed, VOILUTSequence=[item]), tmp_path, syntax)
    assert frame(dataset).pixels.tolist() == by_hand(stored, entries, first)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("descriptor_vr", ["US", "SS"])
def test_the_sign_of_the_first_value_is_that_of_the_rescaled_ones(tmp_path, syntax, descriptor_vr):
    # The stored values have no sign; after the rescale they run from -1024.
    item = table([9, 8, 7, 6], -1000, 16, syntax=syntax, descriptor_vr=descriptor_vr)
    stored = [[0, 24, 25, 26, 27, 28, 4095]]
    dataset = sample(stored, bits=12, RescaleSlope=1, RescaleIntercept=-1024, VOILUTSequence=[item])
    rescaled = [[value - 1024 for value in stored[0]]]
    pixels = frame(on_disk(dataset, tmp_path, syntax)).pixels.tolist()
    assert pixels == by_hand(rescaled, [9, 8, 7, 6], -1000) == [[9, 9, 8, 7, 6, 6, 6]]


def test_a_first_value_beyond_32767_stays_where_only_so_the_table_is_met():
    item = table([1, 2, 3], 40000, 16)
    dataset = sample([[39000, 41002, 41003]], RescaleSlope=1, RescaleIntercept=-1000, VOILUTSequence=[item])
    assert frame(dataset).pixels.tolist() == [[1, 3, 3]]  # 38000, 40002, 40003


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(("depth", "packing"), [(8, "bytes"), (8, "words"), (12, "words"), (16, "words")])
def test_no_entries_means_65536(tmp_path, syntax, depth, packing):
    entries = [(7 * value) % 2**depth for value in range(65536)]
    stored = [[0, 255, 256, 257], [300, 4095, 40000, 65535]]
    dataset = sample(stored, VOILUTSequence=[table(entries, 0, depth, packing, "OW", syntax)])
    assert frame(on_disk(dataset, tmp_path, syntax)).pixels.tolist() == by_hand(stored, entries, 0)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(("depth", "packing", "vr"), PACKINGS)
@pytest.mark.parametrize(("signed", "first"), [(False, 3), (True, -2)])
def test_a_modality_table_is_a_look_up_of_stored_values(tmp_path, syntax, depth, packing, vr, signed, first):
    bits, entries = ENTRIES[depth]
    stored = [[first - 1, first, first + 1], [first + 2, first + 4, first + 9]]
    item = table(entries, first, bits, packing, vr, syntax)
    dataset = on_disk(sample(stored, signed=signed, bits=12, ModalityLUTSequence=[item]), tmp_path, syntax)
    assert frame(dataset).pixels.tolist() == by_hand(stored, entries, first)


def test_a_voi_table_follows_a_modality_table_and_monochrome1_inverts_at_last():
    modality, voi = table([0, 300, 600], 0, 12), table([10, 4000], 300, 12)
    dataset = sample([[0, 1, 2]], ModalityLUTSequence=[modality], VOILUTSequence=[voi])
    assert frame(dataset).pixels.tolist() == [[10, 10, 4000]]
    dataset.PhotometricInterpretation = "MONOCHROME1"
    assert frame(dataset).pixels.tolist() == [[4085, 4085, 95]], "4095 less the entry"


def test_a_voi_table_is_asked_of_rounded_values():
    dataset = sample([[1, 2, 3]], RescaleSlope=0.6, RescaleIntercept=0, VOILUTSequence=[table([5, 6, 7], 0, 8)])
    assert frame(dataset).pixels.tolist() == [[6, 6, 7]]  # 0.6, 1.2 and 1.8


@pytest.mark.parametrize(
    ("item", "remark"),
    [
        (table([1, 2, 300], 0, 8), "8 bits an entry, and its entries reach to 300: 9"),
        (table([1, 2, 3], 0, 0), "0 bits an entry"),
        (table([1, 2, 3], 0, 16, "bytes"), "3 entries of 8"),
        (table([1, 2, 3, 4], 0, 16, count=3), "4 entries, its descriptor states 3"),
        (table([1, 2, 3], 0, 16, descriptor_vr="DS"), ""),
    ],
)
def test_what_a_table_misstates_of_itself_is_read_and_told(item, remark):
    shown = frame(sample([[0, 1, 2]], VOILUTSequence=[item]))
    assert shown.pixels.tolist()[0][:2] == [1, 2]
    assert remark in "; ".join(shown.remarks)
    assert bool(shown.remarks) == bool(remark)


def without(item, tag):
    del item[tag]
    return item


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (table([1, 2, 3], 0, 16, count=4), "6 bytes, too few for the 4 entries"),
        (table([1, 2], 0, 16, count=0), "too few for the 65536"),
        (without(table([1, 2], 0, 16), 0x00283002), "LUTDescriptor is missing"),
        (without(table([1, 2], 0, 16), 0x00283006), "too few"),
    ],
)
def test_a_table_that_cannot_be_read(item, reason):
    shown = frame(sample([[0, 1, 2]], VOILUTSequence=[item]))
    assert shown.pixels.tolist() == [[0, 1, 2]], "without the table the values are as measured"
    assert reason in shown.remarks[0]
    with pytest.raises(SpineError, match=reason):  # a modality table tells what was measured
        frame(sample([[0, 1, 2]], ModalityLUTSequence=[item]))


PALETTE = ("Red", "Green", "Blue")
COLOURS = {8: ([10, 200, 30, 4], [0, 100, 90, 5], [7, 50, 250, 6]), 16: ([10, 60000, 30], [9, 100, 900], [7, 5, 20000])}


def palette(colours, bits, first, packing, syntax, segmented=False):
    elements = {}
    for name, entries in zip(PALETTE, colours, strict=True):
        item = table(entries, first, bits, packing, "OW", syntax)
        elements[f"{name}PaletteColorLookupTableDescriptor"] = item.LUTDescriptor
        elements[f"{'Segmented' * segmented}{name}PaletteColorLookupTableData"] = item.LUTData
    return elements


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(("bits", "packing"), [(8, "bytes"), (8, "words"), (16, "words")])
@pytest.mark.parametrize("first", [0, 100])
def test_a_palette_of_any_form_is_three_look_ups(tmp_path, syntax, bits, packing, first):
    stored = [[first, first + 1, first + 2, max(0, first - 5), first + 90, first]]
    elements = palette(COLOURS[bits], bits, first, packing, syntax)
    dataset = sample(stored, bits=8, PhotometricInterpretation="PALETTE COLOR", **elements)
    red, green, blue = (np.array(by_hand(stored, entries, first)) for entries in COLOURS[bits])
    shown = frame(on_disk(dataset, tmp_path, syntax))
    assert shown.pixels.tolist() == np.rint(0.299 * red + 0.587 * green + 0.114 * blue).astype(int).tolist()
    assert shown.remarks == ()


SEGMENTS = [  # (segments, what they are): PS3.3 C.7.9.2; the last is indirect, 2 segments from the byte 0 on
    ([0, 3, 10, 20, 30], [10, 20, 30]),
    ([0, 1, 10, 1, 4, 50], [10, 20, 30, 40, 50]),
    ([0, 1, 50, 1, 3, 20, 0, 2, 7, 8], [50, 40, 30, 20, 7, 8]),
    ([0, 2, 1, 2, 1, 2, 6, 2, 2, 0, 0, 0, 0], [1, 2, 4, 6, 1, 2, 4, 6]),
]


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("segments", "entries"), SEGMENTS)
def test_a_palette_in_segments(tmp_path, syntax, bits, segments, entries):
    if bits == 16 and len(entries) == 8:
        segments = segments[:-2]  # an offset is 32 bits: four bytes, or two words
    elements = palette([segments] * 3, bits, 0, "bytes" if bits == 8 else "words", syntax, segmented=True)
    for name in PALETTE:
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [len(entries), 0, bits]
    stored = [list(range(len(entries))) + [0] * (len(entries) % 2)]
    dataset = sample(stored, bits=8, PhotometricInterpretation="PALETTE COLOR", **elements)
    assert frame(on_disk(dataset, tmp_path, syntax)).pixels.tolist() == by_hand(stored, entries, 0)


@pytest.mark.parametrize(
    "segments", [[0, 9, 1], [1, 4, 50], [2, 1, 0, 0], [0, 1, 5, 2, 1, 99, 0], [7, 1, 1], [0, 0] * 4, []]
)
def test_segments_that_do_not_hold_are_an_error(segments):
    elements = palette([segments] * 3, 16, 0, "words", EXPLICIT, segmented=True)
    for name in PALETTE:
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [4, 0, 16]
    with pytest.raises(SpineError, match=r"entries|palette is missing"):
        frame(sample([[0, 1]], bits=8, PhotometricInterpretation="PALETTE COLOR", **elements))


def test_a_palette_that_was_removed_is_an_error():
    with pytest.raises(SpineError, match="RedPaletteColorLookupTableDescriptor is missing"):
        frame(sample([[0, 1]], bits=8, PhotometricInterpretation="PALETTE COLOR"))


def test_a_supplemental_palette_leaves_grey_as_it_is():
    shown = frame(sample([[0, 99, 101]], bits=12, **palette(COLOURS[16], 16, 100, "words", EXPLICIT)))
    assert shown.pixels.tolist() == [[0, 99, 101]]
    assert "from 100 on are colours" in shown.remarks[0]
    assert frame(sample([[0, 99, 99]], bits=12, **palette(COLOURS[16], 16, 100, "words", EXPLICIT))).remarks == ()
