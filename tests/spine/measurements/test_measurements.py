"""Measurements: hand-drawn spines whose values are arithmetic, and phantoms whose outlines are known in mm."""

import dataclasses
import json

import numpy as np
import pytest

from spine.core.problems import SpineError
from spine.measurements import LENGTHS, RATIOS, measure
from spine.phantom.canvas import Plane
from spine.phantom.lumbar.anatomy import Spine, body_outline
from spine.phantom.lumbar.annotate import MASK_LABELS
from spine.phantom.lumbar.paint import BODY, CANAL, DISC, paint_sagittal
from spine.phantom.lumbar.patient import Patient, draw_patient
from spine.phantom.sequences import SEQUENCES
from spine.phantom.shapes import Pose

LABELS = ("background", *MASK_LABELS)
TOLERANCES = {
    "vertebra": (0.5, 2.0),
    "disc": (0.5, 1.5),
    "canal": (0.8, 2.0),
}  # mm: median and largest; a pixel is 1 mm


def upright(canal: bool = True) -> np.ndarray:
    """Two discs, 8 and 6 high and 30 wide, between three vertebrae 20 high and 30 wide; a canal 10 wide behind them."""
    mask = np.zeros((100, 80), np.uint8)
    row = 8
    for height, value in ((20, 1), (6, 2), (20, 1), (8, 2), (20, 1)):
        mask[row : row + height, 20:50] = value
        row += height
    if canal:
        mask[:, 55:65] = 3
    return mask


def rotated(degrees: float, spacing: tuple[float, float] = (0.5, 0.5)) -> np.ndarray:
    """The same in mm, turned about the picture's middle and drawn at `spacing` (y, x)."""
    height, width = round(120 / spacing[0]), round(120 / spacing[1])
    y, x = np.mgrid[:height, :width]
    y, x = (y + 0.5) * spacing[0] - 60, (x + 0.5) * spacing[1] - 60
    angle = np.deg2rad(degrees)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    mask, top = np.zeros((height, width), np.uint8), -37.0
    for thick, value in ((20, 1), (6, 2), (20, 1), (8, 2), (20, 1)):
        mask[(across >= top) & (across < top + thick) & (abs(along + 5) < 15)] = value
        top += thick
    mask[(along >= 15) & (along < 25)] = 3
    return mask


def test_rectangles_are_measured_to_the_pixel():
    found = measure(upright(), LABELS)
    assert (found.unit, found.posterior, found.ignored) == ("px", "right", 0)
    assert [disc.level for disc in found.discs] == [1, 2]
    for disc, height in zip(found.discs, (8, 6), strict=True):
        assert dataclasses.astuple(disc.heights) == pytest.approx((height, height, height))
        assert (disc.width, disc.height_index) == pytest.approx((30, height / 20))
        assert disc.signal_to_canal is None
    for bone in found.vertebrae:
        assert dataclasses.astuple(bone.heights) == pytest.approx((20, 20, 20))
        assert (bone.wedge_ratio, bone.biconcavity_ratio) == pytest.approx((1, 1))
    assert [canal.least_width for canal in found.canal] == pytest.approx([10, 10])
    assert found.discs[0].centre == (8 + 20 + 6 + 20 + 3.5, 34.5)


def test_spacing_is_that_of_each_axis():
    found = measure(upright(), LABELS, (0.5, 2.0))
    assert found.unit == "mm"
    assert [disc.heights.middle for disc in found.discs] == pytest.approx([8 * 0.5, 6 * 0.5])
    assert [disc.width for disc in found.discs] == pytest.approx([60, 60])
    assert [canal.least_width for canal in found.canal] == pytest.approx([20, 20])


@pytest.mark.parametrize("degrees", [-35, -20, 10, 25, 35])
@pytest.mark.parametrize("spacing", [(0.5, 0.5), (0.4, 0.8)])
def test_a_turned_spine_measures_as_an_upright_one(degrees, spacing):
    found = measure(rotated(degrees, spacing), LABELS, spacing)
    for disc, height in zip(found.discs, (8, 6), strict=True):
        assert dataclasses.astuple(disc.heights) == pytest.approx((height,) * 3, abs=0.4)
        assert disc.width == pytest.approx(30, abs=0.8)
        assert disc.height_index == pytest.approx(height / 20, abs=0.02)
    for bone in found.vertebrae:
        assert dataclasses.astuple(bone.heights) == pytest.approx((20,) * 3, abs=0.4)
    assert [canal.least_width for canal in found.canal] == pytest.approx([10, 10], abs=0.8)


def test_a_mirrored_picture_has_its_front_on_the_other_side():
    mask = upright()
    mask[34:54, 20:50] = 0
    for column in range(20, 50):  # from 14 high in front to 20 behind
        mask[34 + round((50 - column) / 5) : 54, column] = 1
    one, other = measure(mask, LABELS), measure(mask[:, ::-1], LABELS)
    assert (one.posterior, other.posterior) == ("right", "left")
    assert one.vertebrae[1].wedge_ratio < 0.85
    assert other.vertebrae[1].wedge_ratio == pytest.approx(one.vertebrae[1].wedge_ratio)
    assert other.vertebrae[0].wedge_ratio == pytest.approx(1)


def test_without_a_canal_front_and_back_are_not_told_unless_the_side_is():
    mask = upright(canal=False)
    unknown = measure(mask, LABELS[:3], canal=None)
    assert unknown.posterior is None
    assert dataclasses.astuple(unknown.discs[0].heights) == (None, 8, None)
    assert unknown.discs[0].height_index == pytest.approx(8 / 20)
    assert unknown.vertebrae[0].wedge_ratio is None
    assert [canal.status for canal in unknown.canal] == ["absent", "absent"]
    known = measure(mask, LABELS, posterior="right")
    assert known.discs[0].heights.anterior == pytest.approx(8)


def test_rows_list_every_value_with_unit_and_status():
    found = measure(upright()[:80], LABELS, (0.5, 0.5))
    rows = {(row.structure, row.level, row.name): row for row in found.rows()}
    assert len(rows) == len(found.rows()) == 2 * 7 + 3 * 5 + 2
    width, index = rows["disc", 1, "width"], rows["disc", 2, "height_index"]
    assert (width.value, width.unit, width.status) == (pytest.approx(15), "mm", "measured")
    assert (index.value, index.unit) == (pytest.approx(6 / 20), "ratio")
    assert (rows["vertebra", 1, "middle_height"].value, rows["vertebra", 1, "middle_height"].status) == (None, "cut")
    assert rows["disc", 1, "signal_to_canal"].status == "unknown"
    assert {row.name for row in found.rows()} == {*LENGTHS, *RATIOS}
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert (told["unit"], told["posterior"], len(told["values"])) == ("mm", "right", len(rows))
    assert told["values"][0].keys() == {"structure", "level", "name", "value", "unit", "status"}


def test_an_empty_mask_has_nothing():
    found = measure(np.zeros((20, 30), np.uint8), LABELS, (1, 1))
    assert (found.discs, found.vertebrae, found.canal, found.posterior) == ((), (), (), None)


def test_what_the_edge_cuts_is_told_but_not_measured():
    found = measure(upright()[:80], LABELS)
    assert [bone.status for bone in found.vertebrae] == ["cut", "measured", "measured"]
    assert found.vertebrae[0].heights is None
    assert [bone.level for bone in found.vertebrae] == [1, 2, 3]
    assert [disc.status for disc in found.discs] == ["measured", "measured"]
    below = measure(upright()[:, :60], LABELS)
    assert {canal.status for canal in below.canal} == {"cut"}


def test_touching_vertebrae_are_parted():
    mask = upright()
    mask[54:62, 44:50] = 1  # over the back of the lower disc
    found = measure(mask, LABELS)
    assert [bone.status for bone in found.vertebrae] == ["measured"] * 3
    assert [bone.heights.middle for bone in found.vertebrae] == pytest.approx([20, 20, 20], abs=0.1)


def lumbar(bodies: int = 5) -> np.ndarray:
    """Bodies 20 high and 30 wide with discs 10 high between them, the highest first, and a canal."""
    mask = np.zeros((30 * bodies + 4, 80), np.uint8)
    for top in range(4, 30 * bodies, 30):
        mask[top : top + 20, 20:50] = 1
        mask[top - 10 : top, 20:50] = 2 if top > 4 else 0
    mask[:, 55:65] = 3
    return mask


def levels(found: tuple) -> list[tuple[int, str]]:
    return [(own.level, own.status) for own in found]


def test_a_missing_disc_still_counts():
    mask = lumbar()
    mask[54:64, 20:50] = 0
    found = measure(mask, LABELS)
    assert levels(found.discs) == [(1, "measured"), (2, "measured"), (4, "measured")]
    assert [canal.level for canal in found.canal] == [1, 2, 4]


def test_merged_vertebrae_are_told_and_count_as_two():
    mask = lumbar()
    mask[54:64, 20:50] = 1
    found = measure(mask, LABELS)
    assert levels(found.vertebrae) == [(1, "measured"), (2, "measured"), (3, "merged"), (5, "measured")]
    assert levels(found.discs) == [(1, "measured"), (2, "measured"), (4, "measured")]


def test_merged_discs_are_told_and_count_as_two():
    mask = lumbar(6)
    mask[64:84, 20:50] = 2
    found = measure(mask, LABELS)
    assert levels(found.discs) == [(1, "measured"), (2, "measured"), (3, "merged"), (5, "measured")]
    assert [bone.level for bone in found.vertebrae] == [1, 2, 3, 5, 6]


def test_a_large_disc_among_narrowed_ones_is_measured():
    mask = lumbar()
    for top in (24, 54, 84):
        mask[top + 4 : top + 10, 20:50] = 0
    found = measure(mask, LABELS)
    assert [disc.heights.middle for disc in found.discs] == pytest.approx([10, 4, 4, 4])


def test_a_disc_in_two_pieces_is_one():
    mask = lumbar()
    mask[54:64, 33:36] = 0
    disc = measure(mask, LABELS).discs[2]
    assert (disc.level, disc.status, disc.width) == (3, "measured", pytest.approx(30, abs=0.1))


def test_a_fractured_vertebra_is_measured_and_a_piece_is_not():
    mask = lumbar()
    for column in range(20, 50):  # 8 high in front, 20 behind
        mask[64 : 76 - round(12 * (column - 20) / 29), column] = 0
    bone = measure(mask, LABELS).vertebrae[2]
    assert bone.status == "measured"
    assert bone.wedge_ratio == pytest.approx((20 - 0.85 * 12) / (20 - 0.15 * 12), abs=0.03)
    mask = lumbar()
    mask[64:84, 20:36] = 0
    assert measure(mask, LABELS).vertebrae[2].status == "irregular"


def test_where_the_volume_ends_the_last_vertebra_is_cut():
    mask = lumbar()
    mask[4:15] = 0
    assert [bone.status for bone in measure(mask, LABELS).vertebrae] == ["measured"] * 4 + ["cut"]


def test_an_arch_behind_a_body_is_no_part_of_it():
    mask = lumbar()
    mask[66:76, 50:56], mask[60:90, 56:62] = 1, 1  # a pedicle, and what it carries
    bone = measure(mask, LABELS).vertebrae[2]
    assert dataclasses.astuple(bone.heights) == pytest.approx((20, 20, 20))


def test_a_notch_in_an_endplate_is_no_end_of_a_body():
    mask = lumbar()
    mask[64:73, 42:44] = 0
    bone = measure(mask, LABELS).vertebrae[2]
    assert (bone.status, bone.heights.posterior) == ("measured", pytest.approx(20, abs=3))


@pytest.mark.parametrize("seed", range(40))
def test_every_value_of_any_mask_is_finite_or_told(seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 70, 2)
    mask = np.zeros((height, width), np.uint8)
    for value in rng.integers(0, 4, rng.integers(1, 30)):
        y, x, down, right = *rng.integers(0, (height, width)), *rng.integers(1, 25, 2)
        mask[y : y + down, x : x + right] = value
    spacing = None if seed % 3 == 0 else tuple(10 ** rng.uniform(-1, 1, 2))
    for row in measure(mask, LABELS, spacing, signal=rng.integers(0, 255, mask.shape)).rows():
        assert (row.value is None) == (row.status != "measured")
        assert row.value is None or (np.isfinite(row.value) and row.value >= 0)


def test_noise_is_measured_in_bounded_time():
    found = measure(np.random.default_rng(1).integers(0, 4, (320, 256)), LABELS)
    assert len(found.discs) <= 130
    assert found.ignored > 10000


def test_specks_and_spinous_processes_are_ignored():
    mask = upright()
    mask[3:6, 3:6] = 2
    for row in (10, 30, 50, 70):  # as many as to make a body look too large beside them
        mask[row : row + 12, 68:76] = 1
    found = measure(mask, LABELS)
    assert found.ignored == 5
    assert {bone.status for bone in found.vertebrae} == {"measured"}
    assert (len(found.discs), len(found.vertebrae)) == (2, 3)


def test_the_canal_is_narrowest_where_something_stands_in_it():
    mask = upright()
    mask[57:59, 55:59] = 0
    assert [canal.least_width for canal in measure(mask, LABELS).canal] == pytest.approx([6, 10])
    mask[57:59, 55:65] = 0
    assert measure(mask, LABELS).canal[0].least_width == 0


def test_a_protrusion_widens_a_disc_and_leaves_its_heights():
    mask = upright()
    mask[56:60, 50:54] = 2
    disc = measure(mask, LABELS).discs[0]
    assert disc.width == pytest.approx(34)
    assert dataclasses.astuple(disc.heights) == pytest.approx((8, 8, 8))


def test_osteophytes_and_pedicles_are_no_part_of_a_vertebra():
    mask = upright()
    mask[34:37, 14:20], mask[40:46, 50:58] = 1, 1
    bone = measure(mask, LABELS).vertebrae[1]
    assert dataclasses.astuple(bone.heights) == pytest.approx((20, 20, 20))


def test_signals_are_ratios_of_means():
    mask = upright()
    signal = np.choose(mask, [0.0, 50.0, 30.0, 120.0])
    for disc in measure(mask, LABELS, signal=signal).discs:
        assert (disc.signal_to_canal, disc.signal_to_vertebrae) == pytest.approx((30 / 120, 30 / 50))
    assert measure(mask, LABELS, signal=0 * signal).discs[0].signal_to_canal is None


@pytest.mark.parametrize(
    ("mask", "settings", "words"),
    [
        (upright()[None], {}, r"\(1, 100, 80\)"),
        (upright() / 2, {}, "float64"),
        (upright() + 1, {}, "classes 1 to 4"),
        (upright(), {"spacing": (0, 1)}, r"\(0, 1\)"),
        (upright(), {"signal": np.ones((2, 2))}, r"\(2, 2\)"),
        (upright(), {"signal": np.full((100, 80), np.nan)}, "finite"),
        (upright(), {"disc": "disk"}, "'disk' is no label"),
    ],
)
def test_what_does_not_fit_together_is_refused(mask, settings, words):
    with pytest.raises(SpineError, match=words):
        measure(mask, LABELS, **settings)


def crossings(outline: np.ndarray, pose: Pose, at: float) -> np.ndarray:
    """Lowest and highest place, in a pose's coordinates, where the line `at` mm behind its centre meets an outline."""
    away = outline - pose.centre
    cos, sin = np.cos(pose.tilt), np.sin(pose.tilt)
    x, y = away @ [cos, -sin], away @ [-sin, -cos]
    after = np.roll(np.arange(len(x)), -1)
    meets = (x <= at) != (x[after] <= at)
    share = (at - x[meets]) / (x[after][meets] - x[meets])
    places = y[meets] + share * (y[after][meets] - y[meets])
    return np.array([places.min(), places.max()])


def phantom(number: int) -> tuple[np.ndarray, float, Spine, list[np.ndarray], Patient]:
    """Mask, spacing in mm, the spine, the true outlines of its bodies, and the patient, at the midline."""
    rng = np.random.default_rng([5, number])
    patient = dataclasses.replace(draw_patient("p", rng, 1.0), scoliosis=0.0)
    plane = Plane((256, 216), patient.scale * 265 / 256, (0.56 * 216 * patient.scale * 265 / 256, 0.81 * 265))
    _, instances = paint_sagittal(patient, plane, 0.0, SEQUENCES["t2"])
    mask = np.zeros_like(instances)
    mask[instances == CANAL], mask[(instances >= BODY) & (instances < DISC)], mask[instances >= DISC] = 3, 1, 2
    spine = Spine.of(patient, np.array(plane.foot))
    waves = np.random.default_rng(patient.shape_seed).uniform(0, 2 * np.pi, (len(patient.discs) + 1, 3))
    uppers = (*patient.discs[1:], patient.discs[-1])
    bodies = [
        body_outline(*row) for row in zip(spine.bodies, patient.discs, uppers, waves[: len(spine.bodies)], strict=True)
    ]
    return mask, plane.spacing, spine, bodies, patient


def errors(number: int) -> dict[str, list[float]]:
    """Measured less true values in mm, of the structures that the picture's edge does not cut."""
    mask, spacing, spine, bodies, patient = phantom(number)
    found = measure(mask, LABELS, (spacing, spacing))
    differences: dict[str, list[float]] = {"vertebra": [], "disc": [], "canal": []}
    for i, bone in enumerate(found.vertebrae[: len(bodies)]):
        if bone.status == "measured":
            x = (bodies[i] - spine.bodies[i].centre) @ [np.cos(spine.bodies[i].tilt), -np.sin(spine.bodies[i].tilt)]
            for share, value in zip((0.15, 0.5, 0.85), dataclasses.astuple(bone.heights), strict=True):
                true = np.ptp(crossings(bodies[i], spine.bodies[i], x.min() + share * np.ptp(x)))
                differences["vertebra"].append(value - true)
    for i, disc in enumerate(found.discs[1:], start=1):  # below the lowest is no body, whose endplate ends it
        seen = i < len(found.vertebrae) and found.vertebrae[i].status == "measured"
        if disc.status == "measured" and seen:
            low = crossings(bodies[i - 1], spine.discs[i], 0.0)[1]
            high = crossings(bodies[i], spine.discs[i], 0.0)[0]
            differences["disc"].append(disc.heights.middle - (high - low))
    for i, canal in enumerate(found.canal[1:], start=1):
        if canal.status == "measured" and patient.discs[i].protrusion <= 1.5:
            differences["canal"].append(canal.least_width - patient.canal)
    return differences


def test_phantoms_measure_as_they_were_drawn():
    all_of = [errors(number) for number in range(6)]
    for name, (median, most) in TOLERANCES.items():
        away = np.abs(np.concatenate([one[name] for one in all_of]))
        print(f"{name}: {len(away)} values, median error {np.median(away):.2f} mm, largest {away.max():.2f} mm")
        assert np.median(away) <= median, name
        assert away.max() <= most, name
