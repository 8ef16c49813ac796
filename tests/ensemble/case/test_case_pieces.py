"""A case whose segmentation post-processes its masks: what is served, and what true regions would give."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from ensemble.case.export import hash_of, load_chain
from ensemble.case.judge import Judge
from ensemble.case.parity import measure_case_parity
from ensemble.case.parts import open_parts
from ensemble.case.stages import Stages
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.dataset.truth import Region
from spine.member.member import Member
from spine.metrics.segmentation import count
from tests.case_on_disk import PIXELS, scan, write_case
from tests.ensemble.case.test_case_evaluation import REGION, write_dataset
from tests.member_contract import png

UPPER, LOWER, SPECK = (20, 20, 50, 30), (20, 60, 50, 72), (20, 40, 24, 44)  # x0 y0 x1 y1
PICTURE = scan(100, 80, REGION, UPPER, LOWER)
PICTURE[40:44, 20:24] = PICTURE[25, 25]  # a speck as grey as the upper disc
ASKED = {"largest_components": {"disc": 1}}


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    case = write_case(tmp_path_factory.mktemp("case"), grades={}, region={"label": "region", "grow": 0.0})
    member = Member.open(case.segmentation)
    details = {"postprocess": ASKED}
    Member.publish(member.path, member.card.model_copy(update={"kind": "ensemble", "details": details}))
    return case


class InMemory:
    """A chain as if it were loaded."""

    def __init__(self, case):
        self.chain = load_chain(case, open_parts(case, None))  # its functions hold it by a weak reference
        self.signatures = {"serving_default": self.chain.serving_default}


@pytest.fixture(scope="module")
def model(case):
    return InMemory(case)


def expected() -> np.ndarray:
    """The classes of the picture without the speck: it becomes what is likeliest but for a disc."""
    mask = np.zeros(PICTURE.shape, int)
    for value, (x0, y0, x1, y1) in zip((1, 2, 3), (REGION, UPPER, LOWER), strict=True):
        mask[y0:y1, x0:x1] = value
    return mask


def test_the_mask_is_without_the_speck_and_probabilities_are_with_it(model):
    outputs = model.signatures["serving_default"](tf.constant([png(PICTURE)]))
    mask, likeliest = outputs["mask"].numpy()[0], outputs["probabilities"].numpy()[0].argmax(axis=-1)
    np.testing.assert_array_equal(likeliest != mask, _speck())
    np.testing.assert_array_equal(np.where(_speck(), 0, mask), np.where(_speck(), 0, expected()))


def _speck() -> np.ndarray:
    x0, y0, x1, y1 = SPECK
    there = np.zeros(PICTURE.shape, bool)
    there[y0:y1, x0:x1] = True
    return there


def test_it_equals_its_stages_and_another_rule_is_another_case(case, model, tmp_path):
    (tmp_path / "picture.png").write_bytes(png(PICTURE))
    parts = open_parts(case, None)
    assert measure_case_parity(model, Stages(case, parts), [Region(tmp_path / "picture.png")]) < 1e-5
    member, before = Member.open(case.segmentation), hash_of(case, parts)
    named = [hash_of(case, replace(parts, grades={target: parts.detector})) for target in ("narrowing", "bulging")]
    assert len({*named, before}) == 3  # a target's name is in the model
    try:
        Member.publish(member.path, member.card.model_copy(update={"details": {}}))
        assert hash_of(case, open_parts(case, None)) != before
        Member.publish(member.path, member.card.model_copy(update={"details": {"postprocess": {"most": 1}}}))
        with pytest.raises(SpineError, match=r"details\.postprocess: most is not known; export it again"):
            open_parts(case, None)
    finally:
        Member.publish(member.path, member.card)


def test_true_regions_are_judged_by_masks_as_they_are_served(case, model, tmp_path):
    manifest = Manifest.read(write_dataset(tmp_path / "data"))
    parts = open_parts(case, None)
    judge = Judge(case, parts, manifest, model, Stages(case, parts))
    counts = judge._counts("s-anna", {"mask": np.array([expected()])}, PICTURE)
    by_hand = count(expected().astype(np.uint8), expected(), len(PIXELS))
    np.testing.assert_array_equal(counts["detected"], by_hand)
    assert counts["true"][2, 1] == by_hand[2, 1]  # pixels called disc: the speck's are none
