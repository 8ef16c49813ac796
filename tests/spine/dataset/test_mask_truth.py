"""Masks of one split as the truth: which samples, what is read, what is refused."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from spine.core.problems import SpineError
from spine.dataset.manifest import IMAGES, SPLITS, Manifest
from spine.dataset.truth import MaskTruth
from spine.images.pictures import write_mask

LABELS = ("background", "vertebra", "disc")
MASKS = {"a": np.array([[0, 1, 2], [0, 0, 1]]), "b": np.array([[2, 2], [0, 1], [0, 0]]), "d": np.array([[1]])}


@pytest.fixture
def manifest(tmp_path) -> Manifest:
    """Samples a, b and c (without a mask) in validation, d in test; only a's spacing is known."""
    (tmp_path / "masks").mkdir()
    rows = [{"sample": name, "patient": f"p{name}", "height": 3, "width": 2, "mask_sha256": ""} for name in "abcd"]
    rows[0] |= {"height": 2, "width": 3, "spacing_y": 0.5, "spacing_x": 0.75}
    rows[3] |= {"height": 1, "width": 1}
    for row in rows:
        if row["sample"] in MASKS:
            path = tmp_path / "masks" / f"{row['sample']}.png"
            write_mask(MASKS[row["sample"]], path)
            row["mask_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    splits = [{"sample": name, "split": "test" if name == "d" else "validation"} for name in "abcd"]
    images, splits = (
        pd.DataFrame(table, columns=list(columns), dtype=object).fillna("")
        for table, columns in ((rows, IMAGES), (splits, SPLITS))
    )
    Manifest(tmp_path, images=images, splits=splits, mask_labels=LABELS[1:]).write()
    return Manifest.read(tmp_path)


def test_samples_with_a_mask_are_the_truth(manifest):
    truth = MaskTruth.of_segmentation(manifest, "validation", LABELS)
    assert truth.samples == truth.units == ("a", "b")
    assert truth.patients == ("pa", "pb")
    assert truth.sizes == ((2, 3), (3, 2))
    assert truth.spacings == ((0.5, 0.75), None)
    assert [path.name for path in truth.mask_paths] == ["a.png", "b.png"]
    for mask, name in zip(truth, truth.samples, strict=True):
        np.testing.assert_array_equal(mask, MASKS[name])


def test_the_hash_follows_the_masks(manifest):
    truth = MaskTruth.of_segmentation(manifest, "validation", LABELS)
    again = MaskTruth.of_segmentation(Manifest.read(manifest.root), "validation", LABELS)
    manifest.images.loc[0, "mask_sha256"] = "another"
    assert truth.hash == again.hash != MaskTruth.of_segmentation(manifest, "validation", LABELS).hash


def test_labels_that_are_not_the_masks_own_are_refused(manifest):
    with pytest.raises(SpineError, match=r"give labels: \[background, vertebra, disc\]"):
        MaskTruth.of_segmentation(manifest, "validation", ("background", "disc", "vertebra"))


def test_a_split_without_masks_is_refused(manifest):
    manifest.images["mask_sha256"] = ""
    with pytest.raises(SpineError, match="no sample of split 'test'"):
        MaskTruth.of_segmentation(manifest, "test", LABELS)


def test_a_mask_that_does_not_fit_is_refused(manifest):
    truth = MaskTruth.of_segmentation(manifest, "validation", LABELS)
    write_mask(np.zeros((3, 3), int), truth.mask_paths[0])
    with pytest.raises(SpineError, match=r"\(3, 3\), its image \(2, 3\)"):
        truth.mask(0)
    write_mask(np.full((2, 3), 3), truth.mask_paths[0])
    with pytest.raises(SpineError, match="holds class 3"):
        truth.mask(0)
