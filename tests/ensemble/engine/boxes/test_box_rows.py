"""The compiled fusion against `fuse_boxes`, and so against the library."""

import numpy as np
import pytest

from ensemble.engine.boxes.box_rows import BoxRows, FusedRows
from ensemble.fusion.fuse_boxes import BoxFusion, fuse_boxes
from spine.core.problems import SpineError
from spine.dataset.detections import Detections
from tests.ensemble.test_fuse_boxes import NOTHING, random_detections


def detections_of(rows: FusedRows) -> list[Detections]:
    """The same as one `Detections` an image."""
    parts = (np.split(values, rows.offsets[1:-1]) for values in (rows.boxes, rows.scores, rows.classes))
    return [Detections(*columns) for columns in zip(*parts, strict=True)]


def require_same(
    members: dict[str, list[Detections]], weights: list[float], fusion: BoxFusion, atol: float = 0
) -> None:
    images = len(next(iter(members.values())))
    rows = BoxRows.from_members(members, images).comparable(fusion)
    found = detections_of(rows.fused(np.array(weights), fusion.iou_threshold))
    assert len(found) == images
    for alike, one in zip(zip(*members.values(), strict=True), found, strict=True):
        expected = fuse_boxes(alike, weights, fusion)
        for name in ("boxes", "scores", "classes"):
            np.testing.assert_allclose(getattr(one, name), getattr(expected, name), rtol=0, atol=atol)


@pytest.mark.parametrize("seed", range(30))
def test_it_is_the_rule_s_to_the_last_bit_and_where_scores_tie_to_the_last_but_one(seed):
    random, coarse = np.random.default_rng(seed), seed % 2 == 1
    members = {name: [random_detections(random, coarse=coarse) for _ in range(6)] for name in "abcde"[: 1 + seed % 5]}
    weights = random.integers(0, 4, len(members)) / 10
    weights[0] = 0.1
    fusion = BoxFusion((0.3, 0.55, 0.7)[seed % 3], (0.0, 0.3)[seed % 2])
    require_same(members, weights.tolist(), fusion, atol=1.2e-7 if coarse else 0)


def test_images_in_which_nobody_finds_anything():
    some = random_detections(np.random.default_rng(3))
    require_same({"a": [NOTHING, some, NOTHING], "b": [NOTHING, NOTHING, some]}, [0.3, 0.7], BoxFusion())
    require_same({"a": [NOTHING], "b": [NOTHING]}, [0.3, 0.7], BoxFusion())


def test_members_of_other_images_are_refused_by_name():
    with pytest.raises(SpineError, match="'b' has predictions of 2 images, the truth has 1"):
        BoxRows.from_members({"a": [NOTHING], "b": [NOTHING, NOTHING]}, 1)
