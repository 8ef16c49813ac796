"""Classifiers of a case see its boxes each in its own way, straight from the whole picture."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from ensemble.case import export
from ensemble.case import parts as parts_of_cases
from ensemble.case.config import Discs
from ensemble.case.export import load_chain
from ensemble.case.judge import Judge
from ensemble.case.parity import measure_case_parity
from ensemble.case.parts import CaseParts, Part, open_parts
from ensemble.case.stages import Stages
from spine.dataset.truth import BoxTruth, ClassTruth, Region, pictures_of
from spine.images.pictures import write_png16
from spine.member.member import Card, Member
from spine.training.network_input import NetworkInput
from spine.training.served import Served
from spine.training.view import View
from tests.case_on_disk import GRADES, scan, write_case, write_member
from tests.member_contract import png
from tests.spine.dataset_on_disk import write_dataset
from tests.spines_on_disk import LABELS, write_discs

pytestmark = pytest.mark.slow

UPPER, LOWER = (20, 20, 50, 28), (22, 60, 52, 70)  # x0 y0 x1 y1
PICTURE = scan(100, 80, (10, 10, 60, 90), UPPER, LOWER)
# Of the upper disc: 15 columns and 4 rows more on each side, as large as the network's input.
WIDE = NetworkInput(16, 60, "none", View(grow=1.0))
THREE = NetworkInput(8, 30, "none", View(grow=0.0, slices=3))  # as large as the upper disc
NORMAL = NetworkInput(12, 20, "minmax", View(grow=0.1, aspect="stretch", levels="picture"))


def viewer(reads):
    """The probability of the second class is the mean grey of what the network reads."""

    def answer(inputs, sizes):
        mean = tf.reduce_mean(inputs, axis=[1, 2, 3])
        return {"probabilities": tf.stack([1 - mean, mean], axis=1)}

    return Served("viewer", [], reads, answer)


def no_experiment(path):
    raise AssertionError(f"{path} is no experiment")


@pytest.fixture(scope="module", params=[True, False], ids=["told", "untold"])
def case(request, tmp_path_factory):
    """Two targets by members of different views, whose cards tell of their input, or do not."""
    root = tmp_path_factory.mktemp("case")
    grades = {}
    for target, reads in (("degeneration", WIDE), ("narrowing", NORMAL)):
        path = write_member(root / target, "classification", GRADES, viewer(reads))
        if request.param:
            card = Member.open(path).card
            Member.publish(path, card.model_copy(update={"input": {"network": reads.card}}))
        grades[target] = path
    # What is cut out for those that know no boxes is of no account here.
    return write_case(root, grades=grades, segmentation=None, discs=Discs(grow=0.7))


@pytest.fixture(scope="module")
def chain(case):
    return load_chain(case, open_parts(case, no_experiment))


def test_each_target_is_what_its_member_says_of_the_box_in_the_picture(case, chain):
    outputs = {name: value.numpy()[0] for name, value in chain.serving_default(tf.constant([png(PICTURE)])).items()}
    parts = open_parts(case, no_experiment)
    discs = np.flatnonzero(outputs["disc_level"])
    assert len(discs) == 2
    for target, part in parts.grades.items():
        for row in discs:
            said = part.models[0].signatures["regions"](
                image_bytes=tf.constant([png(PICTURE)]), boxes=tf.constant(outputs["detection_boxes"][row : row + 1])
            )
            np.testing.assert_allclose(
                outputs[f"disc_probabilities_{target}"][row], said["probabilities"][0], atol=1e-6
            )
    x0, y0, x1, y1 = UPPER
    wide = PICTURE[y0 - 4 : y1 + 4, x0 - 15 : x1 + 15]
    upper = np.flatnonzero(outputs["disc_level"] == 2)[0]
    assert outputs["disc_probabilities_degeneration"][upper, 1] == pytest.approx(wide.mean() / 65535, abs=1e-5)


def test_the_chain_equals_its_stages(case, chain, tmp_path):
    write_png16(PICTURE, tmp_path / "picture.png")
    write_png16(scan(61, 47, (0, 0, 40, 61), (1, 2, 30, 9), (3, 50, 40, 60)), tmp_path / "other.png")
    stages = Stages(case, open_parts(case, no_experiment))

    class InMemory:
        signatures = {"serving_default": chain.serving_default}  # noqa: RUF012

    assert measure_case_parity(InMemory, stages, [Region(path) for path in sorted(tmp_path.iterdir())]) < 1e-5


def test_a_case_is_checked_on_the_pictures_that_its_graders_crops_were_cut_out_of(tmp_path):
    manifest = write_discs(tmp_path, {"validation": 2})
    truth = ClassTruth.of_classification(manifest, "validation", "narrowing", LABELS)
    detector, segmentation = (
        Part.of_directory(
            "detector", Member.publish(tmp_path / "detector", Card(name="one", task="detection", labels=("disc",))).path
        ),
        None,
    )
    grader = replace(detector, name="grades.narrowing", pictures=parts_of_cases._whole_pictures(manifest, truth))
    pictures = export._pictures(CaseParts(detector, {"narrowing": grader}, segmentation))
    assert [one.picture.parent.name for one in pictures] == ["parents"] * 2
    assert export._pictures(CaseParts(detector, {"narrowing": detector}, segmentation)) == ()


def weighing(reads):
    """The probability of the second class is the mean grey of the slice before, and twice that of the one after."""

    def answer(inputs, sizes):
        before, _, after = tf.unstack(tf.reduce_mean(inputs, axis=[1, 2]), axis=1)
        mean = (before + 2 * after) / 4
        return {"probabilities": tf.stack([1 - mean, mean], axis=1)}

    return Served("weighing", [], reads, answer)


@pytest.fixture(scope="module", params=[True, False], ids=["told", "untold"])
def weighed(request, tmp_path_factory):
    """A case whose grader sees the slices next to a picture, as its card tells or not; and the case's chain."""
    root = tmp_path_factory.mktemp("weighed")
    path = write_member(root / "degeneration", "classification", GRADES, weighing(THREE))
    if request.param:
        card = Member.open(path).card
        Member.publish(path, card.model_copy(update={"input": {"network": THREE.card, "slices": {}}}))
    case = write_case(root, grades={"degeneration": path}, segmentation=None, discs=Discs(grow=0.1))
    return case, load_chain(case, open_parts(case, no_experiment))


DARK, LIGHT = (np.full(PICTURE.shape, grey, np.uint16) for grey in (6554, 13107))  # 0.1 and 0.2 of white
OWN = 0.65  # grey of the upper disc
BESIDE, ALONE = (0.1 + 2 * 0.2) / 4, 3 * OWN / 4  # what is said of it between the two, and of the picture alone


def test_a_case_answers_with_the_slices_next_to_a_picture_where_it_is_told_them(weighed):
    _, chain = weighed

    def second_class(outputs):
        return outputs["disc_probabilities_degeneration"].numpy()[:, np.flatnonzero(outputs["disc_level"][0] == 2), 1]

    files = tf.constant([png(PICTURE)] * 2)
    both = chain.slices(files, tf.constant([png(DARK), b""]), tf.constant([png(LIGHT), png(LIGHT)]))
    np.testing.assert_allclose(second_class(both), [[BESIDE], [(OWN + 2 * 0.2) / 4]], atol=1e-3)
    np.testing.assert_allclose(second_class(chain.serving_default(files[:1])), [[ALONE]], atol=1e-3)


def test_it_is_checked_and_judged_with_the_slices_next_to_a_picture_where_the_dataset_has_them(weighed, tmp_path):
    case, chain = weighed
    pictures = {"a": PICTURE, "alone": PICTURE, "dark": DARK, "light": LIGHT}
    boxes, labels, splits = [], [], []
    for sample in ("a", "alone"):
        corners = dict(zip(("x0", "y0", "x1", "y1"), UPPER, strict=True))
        boxes.append({"sample": sample, "box": "1", "label": "disc", "level": "2", **corners})
        labels.append({"sample": sample, "box": "1", "target": "degeneration", "value": GRADES[1]})
        splits.append({"sample": sample, "split": "test", "fold": ""})
    beside = {"before": {"a": "dark"}, "after": {"a": "light"}}
    beside |= {f"{side}_sha256": {"a": "not read"} for side in beside}
    manifest = write_dataset(tmp_path / "data", pictures, (), boxes, labels, splits, **beside)

    class Served:
        signatures = {  # noqa: RUF012
            "serving_default": chain.serving_default,
            "slices": lambda image_bytes, before, after: chain.slices(image_bytes, before, after),
        }

    parts = open_parts(case, no_experiment)
    stages = Stages(case, parts)
    assert measure_case_parity(Served, stages, pictures_of(manifest, ["a", "alone"])) < 1e-5
    truth = BoxTruth.of_detection(manifest, "test", ("disc",))
    judge = Judge(case, parts, manifest, Served, stages)
    for number, expected in enumerate((BESIDE, ALONE)):
        (disc,) = judge.picture(truth, number).discs.to_dict("records")
        for side in ("detected", "true"):
            assert disc[side][1] == pytest.approx(expected, abs=1e-3), (truth.samples[number], side)
