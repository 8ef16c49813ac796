"""What the benchmark of nnU-Net writes for it and reads of it; nnU-Net itself does not run here."""

import importlib
import json
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

from spine.core.problems import SpineError
from spine.images.pictures import decode_picture
from tests.experiment_on_disk import write_masks, write_segmentation_experiment

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    from spine.dataset.truth import MaskTruth

    root = tmp_path_factory.mktemp("masks")
    manifest = write_masks(root, {"train": 2}, (0.5, ""), 0)
    return MaskTruth.of_segmentation(manifest, "train", ("background", "vertebra", "disc", "canal"))


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("nnunet")


def test_the_dataset_is_what_nnunet_reads(benchmark, truth, tmp_path):
    benchmark.write_dataset(truth, tmp_path)
    described = json.loads((tmp_path / "dataset.json").read_text())
    assert described["labels"] == {"background": 0, "vertebra": 1, "disc": 2, "canal": 3}
    assert described["numTraining"] == len(truth) == 4
    pictures = sorted(path.name for path in (tmp_path / "imagesTr").iterdir())
    assert pictures == [f"case_{number:04d}_0000.nii.gz" for number in range(4)]
    assert sorted(path.name for path in (tmp_path / "labelsTr").iterdir()) == [
        name.replace("_0000.nii", ".nii") for name in pictures
    ]


def test_pixels_masks_and_spacing_are_kept_as_simpleitk_reads_them(benchmark, truth, tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    benchmark.write_dataset(truth, tmp_path)
    for number, spacing in ((0, 0.5), (1, 1.0)):  # the second's is unknown
        picture = sitk.ReadImage(str(tmp_path / "imagesTr" / f"case_{number:04d}_0000.nii.gz"))
        mask = sitk.ReadImage(str(tmp_path / "labelsTr" / f"case_{number:04d}.nii.gz"))
        path = truth.paths[number]
        np.testing.assert_array_equal(sitk.GetArrayFromImage(picture), decode_picture(path.read_bytes(), path))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), truth.mask(number))
        assert picture.GetSpacing() == mask.GetSpacing() == pytest.approx((spacing, spacing))


def test_spacing_is_width_before_height(benchmark, tmp_path):
    benchmark.write_nifti(np.zeros((3, 5), np.uint8), (0.75, 0.25), tmp_path / "a.nii.gz")
    image = nibabel.load(tmp_path / "a.nii.gz")
    assert image.shape == (5, 3)
    assert image.header.get_zooms() == (0.25, 0.75)


def test_its_probabilities_become_rows_of_classes(benchmark):
    stored = np.array([[0.2, 0.6, 0.1], [0.8, 0.4, 0.5]], np.float16).reshape(2, 1, 1, 3)  # (C, 1, H, W)
    rows = benchmark.rows_last(stored)
    assert rows.shape == (1, 3, 2)
    np.testing.assert_allclose(rows.sum(axis=-1), 1, atol=1e-6)
    np.testing.assert_allclose(rows[0, 2], [1 / 6, 5 / 6], atol=1e-3)


def test_what_it_predicted_is_read_in_the_order_of_the_samples(benchmark, truth, tmp_path):
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    (python.parent / "nnUNetv2_train").touch()
    work = benchmark.Work(tmp_path, python, minutes=2)
    answers = work.results / "predicted-train"
    answers.mkdir(parents=True)
    for number, (height, width) in enumerate(truth.sizes):
        one_class = np.zeros((4, 1, height, width), np.float32)
        one_class[number % 4] = 1
        np.savez(answers / f"case_{number:04d}.npz", probabilities=one_class)
    found = [*work.predictions(truth, "train")]
    assert [one.shape for one in found] == [(*size, 4) for size in truth.sizes]
    assert [int(one[0, 0].argmax()) for one in found] == [0, 1, 2, 3]
    assert len([*(tmp_path / "images-train").glob("*_0000.nii.gz")]) == len(truth)


def test_an_experiment_that_cannot_take_it_is_refused_first(benchmark, tmp_path):
    experiment = write_segmentation_experiment(tmp_path, members=("unet",))
    with pytest.raises(SpineError, match=r"has no external member 'nnunet'; add `nnunet: \{foreign: true\}`"):
        benchmark.require_foreign(experiment, "nnunet")
    with pytest.raises(SpineError, match="has no nnUNetv2_train beside it"):
        benchmark.Work(tmp_path, Path(sys.executable), 1)
