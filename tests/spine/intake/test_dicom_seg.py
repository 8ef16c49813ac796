"""DICOM segmentations come back as masks: ours, and those that viewers save otherwise."""

import numpy as np
import pytest
from pydicom import dcmread

from spine.answers.answer import Answer
from spine.dataset.manifest import Manifest
from spine.dicom_results.source import Source
from spine.dicom_results.write import write_results
from spine.images.dicom.headers import quiet
from spine.images.pictures import read_mask
from spine.intake import DataConfig, build
from spine.intake.dicom_seg import read_segmentations
from spine.intake.reading import read_images
from tests.spine.dicom_results.sources import KINDS, SHAPE, write_source

LABELS = ("background", "vertebra", "disc", "canal")
MASK = np.zeros(SHAPE, int)
MASK[2:9, 3:8], MASK[12:20, 10:17] = 1, 2  # no canal


@pytest.fixture
def trial(tmp_path):
    return Trial(tmp_path)


class Trial:
    """A sagittal slice, its segmentation, and how it is read."""

    def __init__(self, root, kind="sagittal"):
        self.root, self.source = root, write_source(kind, root / "images")
        answer = Answer("case", "3", *SHAPE, mask=MASK, mask_labels=LABELS)
        self.file = write_results(answer, self.source, root / "seg")[0]

    def change(self, edit):
        with quiet():
            dataset = dcmread(self.file)
            edit(dataset)
            dataset.save_as(self.file)

    def read(self, **options):
        return read_segmentations(self.root / "seg", self.root / "images", self.root / "scratch", **options)


def only(reading):
    """The one annotation of a reading without errors, and its mask as names."""
    assert [problem for problem in reading.problems if problem.severity == "error"] == []
    (told,) = reading.annotations
    names = np.array(["background", *told.mask_labels])
    return told, names[read_mask(told.mask)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_comes_back_pixel_for_pixel(tmp_path, kind):
    trial = Trial(tmp_path, kind)
    told, mask = only(trial.read())
    np.testing.assert_array_equal(mask, np.array(LABELS)[MASK])
    assert told.image == next(one.name for one in read_images(tmp_path / "images") if Source.of(one) == trial.source)
    assert told.mask_labels == LABELS[1:]
    assert told.size == SHAPE


def test_a_study_becomes_a_dataset_its_mask_a_segmentation_and_that_the_same_mask(tmp_path):
    images = write_source("tilted", tmp_path / "images").path.parent
    picture = next(iter(read_images(images, slices=1)))
    source = Source.of(picture)
    answer = Answer("case", "3", *SHAPE, mask=MASK, mask_labels=LABELS)
    write_results(answer, source, tmp_path / "seg")
    annotations = [{"format": "dicom-seg", "path": tmp_path / "seg", "labels": LABELS[1:], "boxes": True}]
    config = {"name": "s", "output": tmp_path / "data", "sources": [{"name": "s", "images": images}]}
    config["sources"][0]["annotations"] = annotations
    config["splits"] = {"train": 1.0, "validation": 0.0, "test": 0.0}
    result = build(DataConfig.model_validate(config))
    assert [problem for problem in result.problems if problem.severity == "error"] == []
    manifest = Manifest.read(tmp_path / "data")
    (sample,) = manifest.images["sample"]
    np.testing.assert_array_equal(read_mask(manifest.root / "masks" / f"{sample}.png"), MASK)
    assert manifest.mask_labels == LABELS[1:]
    assert manifest.boxes["label"].tolist() == ["vertebra", "disc"]
