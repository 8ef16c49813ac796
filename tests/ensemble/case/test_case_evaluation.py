"""A case judged on a dataset drawn by hand, where what is found and what is true are known."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from ensemble.case.config import Discs
from ensemble.case.evaluate import evaluate_case
from ensemble.case.export import export_case
from spine.core.files import hash_file
from spine.core.privacy import patient_hash, salt_id
from spine.core.problems import SpineError
from spine.dataset.manifest import BOXES, IMAGES, LABELS, SPLITS, Manifest
from spine.images.pictures import write_mask, write_png16
from spine.member.member import Member, Patients
from tests.case_on_disk import PIXELS, scan, write_case

pytestmark = pytest.mark.slow

REGION = (10, 5, 60, 95)
DISCS = [(20, 20, 50, 30), (20, 60, 50, 72)]  # the first is dark, the second light: found as classes of their own
PATIENTS = ("anna", "bert", "cara")


def write_dataset(root):
    """Three patients with two discs each: light ones are degenerated, but for the last patient's."""
    samples = [f"s-{patient}" for patient in PATIENTS]
    picture, mask = scan(100, 80, REGION, *DISCS), np.zeros((100, 80), np.uint8)
    for value, (x0, y0, x1, y1) in zip((1, 2, 3), (REGION, *DISCS), strict=True):
        mask[y0:y1, x0:x1] = value
    for sample in samples:
        write_png16(picture, root / "images" / f"{sample}.png")
        write_mask(mask, root / "masks" / f"{sample}.png")
    images = pd.DataFrame({"sample": samples, "patient": PATIENTS, "height": 100, "width": 80})
    images["sha256"] = [hash_file(root / "images" / f"{sample}.png") for sample in samples]
    images["mask_sha256"] = [hash_file(root / "masks" / f"{sample}.png") for sample in samples]
    boxes = [
        (sample, str(number), label, *box, level)
        for sample in samples
        for number, (label, box, level) in enumerate(
            [("region", REGION, ""), ("disc", DISCS[0], "2"), ("disc", DISCS[1], "1")]
        )
    ]
    labels = [
        (sample, box, "degeneration", "degenerated" if (box == "2") != (sample == "s-cara") else "normal")
        for sample in samples
        for box in ("1", "2")
    ]
    Manifest(
        root,
        images.assign(**{name: "" for name in IMAGES if name not in images})[list(IMAGES)],
        pd.DataFrame(boxes, columns=BOXES),
        pd.DataFrame(labels, columns=LABELS),
        pd.DataFrame({"sample": samples, "split": "test", "fold": ""}, columns=SPLITS),
        PIXELS[1:],
    ).write()
    return root


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    case = write_case(tmp_path_factory.mktemp("case"), region={"label": "region", "grow": 0.0})
    export_case(case, None)
    seen = Member.open(case.directory).card.model_copy(update={"patients": Patients(salt=salt_id())})
    Member.publish(case.directory, seen)
    return case


def by_part(evaluation):
    return {(one.part, one.measure): one for one in evaluation.measures}


def test_what_is_found_is_measured_beside_what_is_true(case, dataset, tmp_path):
    evaluation = evaluate_case(case, None, dataset)
    assert (evaluation.patients, evaluation.left_out, evaluation.discs, evaluation.found) == (3, 0, 6, 6)
    measures = by_part(evaluation)
    assert measures["detection", "mAP at IoU 0.5"].detected.value == pytest.approx(1)
    grade = measures["degeneration", "AUC"]
    assert (grade.patients, grade.units) == (3, 6)
    # The light disc of two patients is degenerated, the dark one of the third: 3 light scores, 2 of them positive.
    assert grade.true.value == pytest.approx((2 * 2 + 2 * 0.5 * 1 + 1 * 0.5 * 2 + 0) / 9)
    assert grade.detected.value == pytest.approx(grade.true.value)
    assert grade.difference.value == pytest.approx(0)
    dice = next(one for one in evaluation.measures if one.part == "segmentation")
    assert dice.detected.value == pytest.approx(1)
    assert dice.true.value == pytest.approx(1)
    told = json.loads(evaluation.write(tmp_path / "evaluation.json").read_text())
    assert [one["part"] for one in told["measures"]] == ["detection", "detection", "degeneration", "segmentation"]
    assert "anna" not in json.dumps(told)


def test_patients_that_a_part_has_seen_are_left_out(case, dataset, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(case.runs, runs)
    other = case.model_copy(update={"runs": runs})
    card = Member.open(other.directory).card
    for seen, left in (((patient_hash("anna"),), 2), (tuple(map(patient_hash, PATIENTS)), 0)):
        patients = Patients(salt=salt_id(), searched=seen)
        Member.publish(other.directory, card.model_copy(update={"patients": patients}))
        if left:
            evaluation = evaluate_case(other, None, dataset)
            assert (evaluation.patients, evaluation.left_out, evaluation.discs) == (2, 1, 4)
            assert "1 more were left out, since a part has seen them" in evaluation.summary
        else:
            with pytest.raises(SpineError, match="every test patient was seen by a part"):
                evaluate_case(other, None, dataset)


def test_patients_of_another_salt_cannot_be_told(case, dataset, tmp_path):
    shutil.copytree(case.runs, tmp_path / "runs")
    other = case.model_copy(update={"runs": tmp_path / "runs"})
    card = Member.open(other.directory).card
    Member.publish(
        other.directory, card.model_copy(update={"patients": Patients(salt="elsewhere", trained=("a" * 16,))})
    )
    with pytest.raises(SpineError, match="names its patients by another salt"):
        evaluate_case(other, None, dataset)


def test_a_detector_s_directory_names_no_dataset(case):
    with pytest.raises(SpineError, match="names no dataset; give one with --data"):
        evaluate_case(case, None)


def test_discs_that_are_missed_are_counted(case, dataset, tmp_path):
    shutil.copytree(dataset, tmp_path / "data")
    boxes = pd.read_csv(tmp_path / "data" / "boxes.csv", dtype=str)
    missed = (boxes["sample"] == "s-anna") & (boxes["box"] == "1")
    boxes.loc[missed, ["x0", "y0", "x1", "y1"]] = ["60", "90", "70", "99"]
    boxes.to_csv(tmp_path / "data" / "boxes.csv", index=False)
    evaluation = evaluate_case(case, None, tmp_path / "data")
    assert (evaluation.discs, evaluation.found) == (6, 5)
    assert by_part(evaluation)["degeneration", "AUC"].units == 5


def test_parts_that_the_pictures_have_no_truth_of_are_named(case, dataset, tmp_path):
    evaluation = evaluate_case(case, None, dataset)
    assert evaluation.not_judged == ["narrowing"]  # the dataset grades degeneration alone


def test_masks_of_classes_in_another_order_are_refused(case, dataset, tmp_path):
    shutil.copytree(dataset, tmp_path / "data")
    table = json.loads((tmp_path / "data" / "dataset.json").read_text())
    (tmp_path / "data" / "dataset.json").write_text(json.dumps({**table, "mask_labels": table["mask_labels"][::-1]}))
    with pytest.raises(SpineError, match=r"masks of .* as the classes 1, 2 .*, the case answers"):
        evaluate_case(case, None, tmp_path / "data")


def test_discs_without_a_level_are_units_of_their_own(case, dataset, tmp_path):
    shutil.copytree(dataset, tmp_path / "data")
    for file, column, value in (("boxes", "level", ""), ("images", "patient", "anna")):
        table = pd.read_csv(tmp_path / "data" / f"{file}.csv", dtype=str, keep_default_na=False)
        table.assign(**{column: value}).to_csv(tmp_path / "data" / f"{file}.csv", index=False)
    grade = by_part(evaluate_case(case, None, tmp_path / "data"))["degeneration", "AUC"]
    assert (grade.patients, grade.units) == (1, 6)  # three pictures of one patient, two discs each


def test_a_model_of_other_settings_is_not_judged(case, dataset):
    with pytest.raises(SpineError, match="is of other settings or runs than now; run `spine export`"):
        evaluate_case(case.model_copy(update={"discs": Discs(grow=0.3)}), None, dataset)
