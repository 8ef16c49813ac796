import cv2
import numpy as np
import pytest

from spine.dataset.audit import audit, check
from spine.dataset.audit.copies import NEAR_EQUAL, TURNS, find_copies
from spine.dataset.audit.leakage import cramers_v
from spine.dataset.audit.pictures import thumbnail
from spine.dataset.audit.quality import missing_boxes
from spine.images.pictures import write_png16
from spine.intake.crop import CropSettings, crop_samples
from tests.spine.dataset_on_disk import smooth_noise, write_dataset

SPLITS = [("a", "train", ""), ("b", "train", ""), ("c", "validation", ""), ("d", "test", "")]


def _dataset(root, **changes):
    given = {
        "pictures": {sample: smooth_noise(number) for number, sample in enumerate("abcd")},
        "splits": SPLITS,
        "labels": [(sample, "", "grade", "1") for sample in "abcd"],
    }
    return write_dataset(root, **{**given, **changes})


def _reasons(manifest, severity):
    return [problem.reason for problem in audit(manifest) if problem.severity == severity]


def test_a_good_dataset_has_no_problems(tmp_path):
    assert audit(_dataset(tmp_path)) == []


def test_a_patient_in_two_splits_is_an_error(tmp_path):
    manifest = _dataset(tmp_path, patient={"a": "p", "d": "p"})
    assert _reasons(manifest, "error") == ["patient 'p' is in test and train"]


def test_patients_that_may_be_one_are_told_where_they_are_in_two_splits(tmp_path):
    manifest = _dataset(tmp_path / "far", patient={"a": "p07", "d": "P7"})
    assert _reasons(manifest, "warning") == [
        "the patients 'P7', 'p07' are in test and train, and differ by capital letters or leading zeros alone"
    ]
    near = _dataset(tmp_path / "near", patient={"a": "p07", "b": "P7"})
    assert _reasons(near, "warning") == []


def test_a_patient_in_two_folds_is_an_error(tmp_path):
    folds = [("a", "train", "0"), ("b", "train", "1"), ("c", "train", "1"), ("d", "test", "")]
    manifest = _dataset(tmp_path, splits=folds, patient={"a": "p", "b": "p"})
    assert _reasons(manifest, "error") == ["patient 'p' is in train fold 0 and train fold 1"]


def test_equal_images_across_splits_are_an_error_and_within_one_are_not(tmp_path):
    pictures = {"a": smooth_noise(0), "b": smooth_noise(0), "c": smooth_noise(1), "d": smooth_noise(1)}
    reasons = _reasons(_dataset(tmp_path, pictures=pictures), "error")
    assert reasons == ["is the same picture as d in another split"]


@pytest.mark.parametrize("turn", [turn for turn in TURNS if turn])
def test_a_mirrored_or_turned_copy_across_splits_is_a_warning_that_says_how(tmp_path, turn):
    quarters, mirrored = TURNS[turn]
    grey = (smooth_noise(0) // 256).astype(np.uint8)
    copy = cv2.imdecode(cv2.imencode(".jpg", np.rot90(grey, quarters), [cv2.IMWRITE_JPEG_QUALITY, 70])[1], 0)
    copy = copy[:, ::-1] if mirrored else copy
    pictures = {sample: smooth_noise(number) for number, sample in enumerate("abc")}
    found = _reasons(
        _dataset(tmp_path, pictures={"d": smooth_noise(0), **pictures, "a": copy.astype(np.uint16)}), "warning"
    )
    undone = {1: " turned by 270 degrees", 3: " turned by 90 degrees"}  # of a quarter; the others undo themselves
    expected = turn if mirrored else undone.get(quarters, turn)
    assert [reason.partition(" in another split")[0] for reason in found] == [f"looks like a{expected}"]


def test_each_picture_is_told_of_once_with_how_many_others_it_is_like():
    vectors = np.stack([thumbnail(smooth_noise(seed)) for seed in (0, 0, 0, 1, 2)])
    (copy,) = find_copies(vectors, np.array(["train", "test", "test", "test", "train"]))
    assert (copy.first, copy.second, copy.turn, copy.more) == (0, 1, "", 1)
    assert copy.correlation == pytest.approx(1)


def test_copies_are_those_of_all_pairs_and_orientations(monkeypatch):
    """The blocks and the coarse look lose and add nothing: compared with every pair in every orientation."""
    monkeypatch.setattr("spine.dataset.audit.copies._BLOCK", 7)
    rng = np.random.default_rng(0)
    vectors = np.stack([thumbnail(smooth_noise(seed, 40, 40)) for seed in range(40)])
    for number, (quarters, mirrored) in enumerate(TURNS.values()):
        picture = np.rot90(smooth_noise(number, 40, 40), quarters).astype(float) + rng.normal(0, 900, (40, 40))
        vectors[39 - number] = thumbnail(picture[:, ::-1] if mirrored else picture)
    parts = rng.choice(["train", "validation", "test"], 40)
    grids = vectors.reshape(-1, 32, 32)
    turned = [np.rot90(grids, k, axes=(1, 2))[:, :, ::step] for k in range(4) for step in (1, -1)]
    best = np.max([vectors @ one.reshape(40, -1).T for one in turned], axis=0)
    expected = {(i, j) for i, j in np.argwhere(best > NEAR_EQUAL) if parts[i] != parts[j]}
    found = {(copy.first, copy.second) for copy in find_copies(vectors, parts)}
    assert found <= expected
    assert {frozenset(pair) for pair in found} == {frozenset(map(int, pair)) for pair in expected}


@pytest.mark.parametrize("change", ["jpeg", "half", "gamma", "bright"])
def test_a_changed_copy_across_splits_is_a_warning(tmp_path, change):
    pixels = smooth_noise(0)
    grey = (pixels // 256).astype(np.uint8)
    copy = {
        "jpeg": lambda: cv2.imdecode(cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], 0),
        "half": lambda: cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        "gamma": lambda: 255 * (grey / 255.0) ** 0.8,
        "bright": lambda: grey * 0.8 + 20,
    }[change]()
    pictures = {sample: smooth_noise(number) for number, sample in enumerate("abc")}
    manifest = _dataset(tmp_path, pictures={**pictures, "d": copy.astype(np.uint16)})
    assert [reason[:20] for reason in _reasons(manifest, "warning")] == ["looks like d in anot"]


def test_real_pictures_of_different_patients_stay_below_the_threshold(spine_data):
    files = sorted((spine_data / "spider-lumbar" / "midsagittal" / "images").glob("*.png"))
    vectors = np.stack([thumbnail(cv2.imread(str(file), cv2.IMREAD_UNCHANGED)) for file in files])
    patients = np.array([file.name[:4] for file in files])
    others = patients[:, None] != patients[None]
    grids = vectors.reshape(-1, 32, 32)
    for quarters, mirrored in TURNS.values():
        turned = np.rot90(grids, quarters, axes=(1, 2))[:, :, :: -1 if mirrored else 1].reshape(len(grids), -1)
        assert (vectors @ turned.T)[others].max() < NEAR_EQUAL - 0.03, (quarters, mirrored)


def test_slices_of_a_real_patient_are_no_mirrored_copies_of_each_other(spine_data):
    files = sorted((spine_data / "spider-lumbar" / "t2space" / "images").glob("*.png"))
    vectors = np.stack([thumbnail(cv2.imread(str(file), cv2.IMREAD_UNCHANGED)) for file in files])
    copies = find_copies(vectors, np.array([f"{number % 5}" for number in range(len(files))]))
    assert {copy.turn for copy in copies} == {""}, "neighbouring slices look alike as they are, never turned"
    patients = [file.name[:4] for file in files]
    assert all(patients[copy.first] == patients[copy.second] for copy in copies)


def test_a_public_set_that_was_enlarged_by_mirroring_is_found_out(spine_data):
    pairs = [("Image_213_2ndbatch", "N133--Rt-TAIS"), ("Image_213_2ndbatch", "Image_130_")]
    root = spine_data / "xray-vertebrae-yolo"
    for copied, (first, second) in zip((True, False), pairs, strict=True):
        files = [next(root.rglob(f"{stem}*.jpg")) for stem in (first, second)]
        vectors = np.stack([thumbnail(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)) for file in files])
        found = find_copies(vectors, np.array(["train", "test"]))
        assert [copy.turn for copy in found] == ([" mirrored"] if copied else [])


def test_unreadable_and_changed_files_are_errors(tmp_path):
    manifest = _dataset(tmp_path)
    manifest.image_path("a").write_bytes(b"")
    write_png16(smooth_noise(9), manifest.image_path("b"))
    manifest.image_path("c").unlink()
    reasons = _reasons(manifest, "error")
    assert len(reasons) == 3
    assert any("SHA-256" in reason for reason in reasons)


def test_masks_that_are_empty_or_hold_an_unnamed_index(tmp_path):
    empty, strange = np.zeros((48, 64), np.uint8), np.full((48, 64), 3, np.uint8)
    manifest = _dataset(tmp_path, masks={"a": empty, "b": strange}, mask_labels=["disc"])
    missing = [f"split {split} has no pixel of disc" for split in ("test", "train", "validation")]
    assert _reasons(manifest, "warning") == ["is empty: background only", *missing]
    assert _reasons(manifest, "error") == ["holds index 3; the labels are disc"]


def test_a_box_that_leaves_its_picture(tmp_path):
    manifest = _dataset(tmp_path, boxes=[("a", "0", "disc", 50.0, 0.0, 65.0, 10.0, "")])
    assert _reasons(manifest, "warning")[0] == "box 0 (50.0, 0.0, 65.0, 10.0) of a leaves its picture of 48 x 64"


def test_a_split_that_lacks_a_box_or_a_pixel_of_a_label(tmp_path):
    disc, both = np.zeros((48, 64), np.uint8), np.zeros((48, 64), np.uint8)
    disc[:4, :4], both[:4, :4], both[8:, 8:] = 1, 1, 2
    masks = {"a": disc, "b": both, "c": disc, "d": both}
    box = (10.0, 10.0, 30.0, 30.0, "")
    boxes = [("a", "0", "disc", *box), ("a", "1", "canal", *box), ("c", "0", "disc", *box), ("d", "0", "canal", *box)]
    manifest = _dataset(tmp_path, masks=masks, mask_labels=["disc", "canal"], boxes=boxes)
    assert _reasons(manifest, "warning") == [
        "split validation has no box labelled canal",
        "split test has no box labelled disc",
        "split validation has no pixel of canal",
    ]
    assert [problem.reason for problem in missing_boxes(manifest, ["disc"])] == ["split test has no box labelled disc"]


def test_a_split_that_lacks_a_class(tmp_path):
    labels = [("a", "", "grade", "2"), *[(sample, "", "grade", "1") for sample in "bcd"]]
    reasons = _reasons(_dataset(tmp_path, labels=labels), "warning")
    assert reasons == ["split test has no sample with grade = 2", "split validation has no sample with grade = 2"]


def test_labels_that_follow_the_source(tmp_path):
    samples = [f"s{number}" for number in range(24)]
    source = {sample: "ct" if number < 12 else "mr" for number, sample in enumerate(samples)}
    value = {sample: source[sample] for sample in samples} | {"s0": "mr"}  # 23 of 24
    manifest = write_dataset(
        tmp_path,
        {sample: smooth_noise(number) for number, sample in enumerate(samples)},
        labels=[(sample, "", "kind", value[sample]) for sample in samples],
        source=source,
    )
    (reason,) = _reasons(manifest, "warning")
    assert f"balanced accuracy {(11 / 11 + 12 / 13) / 2:.2f} where chance is 0.50" in reason


def test_cramers_v_of_independent_and_of_equal_variables():
    assert cramers_v(np.array([[50, 50], [50, 50]])) == 0
    assert cramers_v(np.array([[500, 0], [0, 500]])) == pytest.approx(1, abs=1e-3)
    # 2 x 2 without the correction: |ad - bc| / sqrt of the margins' product; the correction takes 1 / (n - 1) off V^2
    table, n = np.array([[30, 10], [10, 30]]), 80
    phi2 = ((30 * 30 - 10 * 10) / 40**2) ** 2
    assert cramers_v(table) == pytest.approx(np.sqrt((phi2 - 1 / (n - 1)) / (1 - 1 / (n - 1))))


def test_one_level_of_a_patient_with_two_grades(tmp_path):
    manifest = _dataset(
        tmp_path,
        patient={"a": "p", "b": "p"},
        level={"a": "3", "b": "3"},
        labels=[("a", "", "grade", "1"), ("b", "", "grade", "2"), ("c", "", "grade", "1"), ("d", "", "grade", "1")],
    )
    assert "level 3 of patient 'p' has grade = 1 and 2" in _reasons(manifest, "warning")


def test_the_table_counts_patients_samples_and_labels(tmp_path):
    _dataset(tmp_path, patient={"a": "p", "b": "p"})
    table, problems = check(tmp_path)
    cells = [list(column.cells) for column in table.columns]
    assert problems == []
    assert cells == [
        ["patients", "samples", "grade = 1"],
        ["1", "2", "2"],
        ["1", "1", "1"],
        ["1", "1", "1"],
    ]


def test_whole_pictures_of_crops_that_were_changed_or_lost_are_errors(tmp_path):
    whole = _dataset(tmp_path / "whole", boxes=[(sample, "0", "disc", 8, 8, 40, 30, "") for sample in "abcd"])
    crops = crop_samples(whole, whole.boxes, tmp_path / "crops", CropSettings(label="disc"))
    assert _reasons(crops, "error") == []
    write_png16(smooth_noise(9), crops.parent_path("a"))
    write_png16(smooth_noise(1)[:40], crops.parent_path("b"))
    crops.parent_path("c").unlink()
    changed, size, lost = _reasons(crops, "error")
    assert changed.startswith("its SHA-256 differs")
    assert size == "is (40, 64), images.csv says (48, 64)"
    assert "c.png" in lost
