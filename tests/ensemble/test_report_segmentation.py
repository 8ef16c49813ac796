from importlib import import_module

import numpy as np
import pandas as pd
import pytest

from ensemble import evaluate, search
from ensemble.experiment_run import ExperimentRun
from ensemble.fusion.pieces import postprocess
from ensemble.names import POSTPROCESSED
from ensemble.report import page, pixels
from ensemble.report.documents import DOCUMENTS
from ensemble.report.measured import Measured
from ensemble.report.overlays import choose, worst
from ensemble.report.segmentation import SegmentationEvidence
from pipeline.experiments import validate_experiment
from spine.core.files import read_json
from spine.dataset.manifest import Manifest
from spine.experiment.foreign import read_samples, write_foreign
from spine.images import tint
from spine.measurements import measure
from spine.member.member import Member
from spine.predictions.predictions import Predictions
from tests.ensemble.documents.atlas_schema import assert_valid
from tests.ensemble.test_report import Page
from tests.experiment_on_disk import write_segmentation_experiment
from tests.segmentation_on_disk import LABELS, picture_and_mask
from tests.spine.dataset_on_disk import write_dataset

pytestmark = pytest.mark.usefixtures("figures_without_pixels")

FAST = {"evaluate": {"resamples": 200}}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINE_SALT", "salt of the tests")
        experiment = write_segmentation_experiment(tmp_path_factory.mktemp("report"), **FAST)
        evaluate.run(experiment)
        paths = import_module("ensemble.report").run(experiment)
    return experiment, [paths[0], *sorted(experiment.evaluation_directory.glob("*.png"))], Page(paths[0].read_text())


def test_the_page_is_whole_and_fetches_nothing(written):
    _, _, page = written
    assert page.open == []
    for tag, attributes in page.tags:
        for name in ("src", "href"):
            value = attributes.get(name) or ""
            assert value == "" or value.startswith(("data:image/", "#")) or value in DOCUMENTS, (tag, value)


def test_the_page_says_what_metrics_json_holds(written):
    experiment, _, page = written
    found = read_json(experiment.evaluation_directory / "metrics.json")
    assert found["verdict"] in page.text
    for row in found["rows"]:
        for name in ("dice_foreground", "iou_all", "dice.disc", "hausdorff_95_mm.canal"):
            one = row["metrics"][name]
            digits = 2 if name.startswith("hausdorff") else 3
            assert f"{one['value']:.{digits}f} {one['low']:.2f}–{one['high']:.2f}" in page.text
    assert "mIoU" not in page.text


def test_the_grid_shows_every_row_of_every_chosen_image(written):
    experiment, _, page = written
    images = pd.read_csv(experiment.evaluation_directory / "images.csv")
    shown = [sample for samples in choose(images).values() for sample in samples]
    assert 0 < len(set(shown)) == len(shown)
    described = [attributes["alt"] for tag, attributes in page.tags if tag == "img"]
    headings = ["input", "truth", "unet", "fpn", "linknet", "equal weights", "ensemble", "disagreement"]
    assert described[: len(shown) * 8] == [f"{heading} of {sample}" for sample in shown for heading in headings]
    assert described[len(shown) * 8 :] == worst(images, 6)


def test_measurements_of_predicted_masks_stand_beside_those_of_true_ones(written):
    _, _, page = written
    assert "beside the same on the true masks of 12 images" in page.text
    assert "disc: middle height mm " in page.text


def test_figures_are_written(written):
    experiment, paths, page = written
    names = {path.stem for path in paths[1:]}
    assert {"interval_dice", "dice_of_classes", "iou_of_classes", "weights", "validation"} <= names
    assert {f"training_{name}" for name in experiment.members} <= names
    shown_as_tables = {"overlays", "worst_cases"}
    assert shown_as_tables <= names
    assert sum(tag == "svg" for tag, _ in page.tags) == len(names - shown_as_tables)


def test_an_outline_that_is_two_pixels_off_is_told_in_mm(tmp_path):
    """Rows are 0.5 mm apart, columns 2 mm: one member calls every test image two rows too low, and is 1 mm off."""
    experiment = write_segmentation_experiment(tmp_path, members=("low",), spacings=(0.5, 0.5), **FAST)
    manifest = Manifest.read(experiment.data)
    manifest.images["spacing_x"] = "2.0"
    manifest.write()
    member, truth = Member.open(experiment.member_directory("low")), ExperimentRun(experiment).predictions("test").truth
    stored = member.predictions("test")
    lower = [np.roll(mask, 2, axis=0) for mask in truth]
    values = np.concatenate([np.eye(4)[mask.ravel()] for mask in lower])
    head = {"task": "segmentation", "labels": truth.labels, "split": "test"}
    Predictions.write(
        stored.path, values, stored.index, model_hash=stored.model_hash, truth_hash=stored.truth_hash, **head
    )
    row = read_json(evaluate.run(experiment)[0])["rows"][0]
    for label in truth.labels[1:]:
        one = row["metrics"][f"hausdorff_95_mm.{label}"]
        assert (one["value"], one["low"], one["high"]) == pytest.approx((2 * 0.5,) * 3)
        assert row["metrics"][f"surface_dice.{label}"]["value"] == pytest.approx(1)  # all within 1 mm
    page = Page(import_module("ensemble.report").run(experiment)[0].read_text())
    assert "low 1.00 1.00–1.00 1.00 1.00–1.00 1.00 1.00–1.00" in page.text
    assert "as means over 12 images with a known pixel spacing" in page.text


def test_pictures_that_are_gone_leave_the_masks(tmp_path):
    experiment = write_segmentation_experiment(tmp_path, members=("unet",), spacings=("", ""), **FAST)
    for path in (experiment.data / "images").glob("*.png"):
        path.unlink()
    evaluate.run(experiment)
    page = Page(import_module("ensemble.report").run(experiment)[0].read_text())
    assert page.open == []
    assert "Left out: the dataset knows no pixel spacing." in page.text


def test_masks_are_shown_and_measured_as_they_are_served(tmp_path):
    asked = {"largest_components": {"canal": 1}, "smallest_area": {"vertebra": 0.5, "disc": 0.5}}
    experiment = write_segmentation_experiment(tmp_path, members=("unet",), noise=(1.4,), postprocess=asked, **FAST)
    evaluate.run(experiment)
    run, rules = ExperimentRun(experiment), experiment.postprocess.rules(experiment.labels)
    split = run.predictions("test")
    evidence = SegmentationEvidence.of(
        page.Page(run, run.evaluation(), run.manifest, split, experiment.evaluation_directory)
    )
    images = evidence.images.set_index(["sample", "name"])["dice_foreground"]
    assert evidence.cases[0].sample == images[:, POSTPROCESSED].idxmin()
    assert images[:, POSTPROCESSED].tolist() != images[:, "ensemble"].tolist()
    index = split.stored["unet"].index.set_index("sample")
    cleaned = {}
    for sample, row in index.iterrows():
        said = split.stored["unet"].values[row.offset : row.offset + row.height * row.width].astype(np.float64)
        cleaned[sample] = postprocess(said.reshape(row.height, row.width, -1), rules)
    for line in evidence.shown:
        grey = line.pictures["input"]
        shown = line.pictures[POSTPROCESSED]
        np.testing.assert_array_equal(shown, pixels.overlay(grey, cleaned[line.sample], 4))
        assert line.captions[POSTPROCESSED] == f"{images[line.sample, POSTPROCESSED]:.3f}"
    truths = dict(zip(split.truth.samples, split.truth, strict=True))
    both = [
        (measure(truths[sample], experiment.labels, spacing), measure(cleaned[sample], experiment.labels, spacing))
        for sample, spacing in zip(split.truth.samples, split.truth.spacings, strict=True)
    ]
    assert evidence.measured.found == Measured.between(both).found


def table(dice):
    rows = [(f"{patient}-{n}", patient, "ensemble", one) for n, (patient, one) in enumerate(dice)]
    return pd.DataFrame(rows, columns=["sample", "patient", "name", "dice_foreground"])


def test_shown_images_are_typical_and_worst_one_a_patient():
    images = table([("a", 0.1), ("a", 0.2), ("b", 0.3), ("c", 0.4), ("d", 0.8), ("e", 0.9), ("f", 0.7), ("g", np.nan)])
    # The median of 0.1 .. 0.9 is 0.4, of a patient that is among the worst; 0.7 and 0.8 are the nearest others.
    assert choose(images) == {"typical": ["f-6", "d-4"], "worst": ["a-0", "b-2", "c-3"]}
    assert worst(images, 3) == ["a-0", "a-1", "b-2"]


def test_few_patients_are_shown_once_each():
    assert choose(table([("a", 0.5)])) == {"typical": [], "worst": ["a-0"]}


def test_a_class_keeps_its_colour_and_the_anatomy_shines_through():
    grey = np.full((40, 40), 200, np.uint8)
    grey[:, 20:] = 60
    mask = np.zeros((20, 20), np.uint8)
    mask[5:15, 2:18] = 2
    drawn = pixels.overlay(grey, mask, 4)
    assert (drawn[0, 0] == 200).all()
    inside, colour = drawn[20, 10].astype(float), tint.rgb(tint.class_colour(2))
    assert inside == pytest.approx((1 - pixels.FILL) * 200 + pixels.FILL * colour, abs=1)
    assert (drawn[20, 10] > drawn[20, 30]).all()
    assert len(set(tint.CLASS_COLOURS)) == len(tint.CLASS_COLOURS)


def test_disagreement_glows_where_members_differ():
    shares = np.zeros((10, 10))
    shares[4:6, 4:6] = 0.5
    drawn = pixels.heat(np.full((10, 10), 80, np.uint8), shares)
    assert drawn[0, 0].tolist() == [60, 60, 60]
    assert drawn[5, 5].tolist() == pixels.HEAT[0].tolist()


def test_the_documents_beside_it_are_valid_and_linked(written):
    experiment, _, page = written
    assert_valid(experiment.directory)
    linked = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert linked == list(DOCUMENTS)
    assert all((experiment.directory / file).exists() for file in linked)


def test_a_test_split_of_background_alone_has_a_page(tmp_path):
    def background(truth):
        height, width = truth.sizes[0]
        return (np.tile([0.9, 0.1, 0.0], (height, width, 1)).astype(np.float32) for _ in truth.samples)

    pictures, masks, patient_of, splits = {}, {}, {}, []
    for split in ("train", "validation", "test"):
        for number in range(3):
            sample = f"{split}{number}"
            pictures[sample], masks[sample] = picture_and_mask(40, 40, seed=len(pictures))
            masks[sample][:] *= split != "test"
            patient_of[sample] = sample
            splits.append({"sample": sample, "split": split, "fold": ""})
    write_dataset(tmp_path / "data", pictures, masks, splits=splits, mask_labels=LABELS[1:], patient=patient_of)
    raw = {
        "name": "empty",
        "task": "segmentation",
        "data": tmp_path / "data",
        "labels": LABELS,
        "runs": tmp_path / "runs",
        "members": {name: {"foreign": True} for name in "ab"},
        "search": {"resamples": 0},
        **FAST,
    }
    experiment = validate_experiment(raw, "the experiment of empty masks")
    for member in "ab":
        said = {split: background(read_samples(experiment, split)) for split in ("validation", "test")}
        write_foreign(experiment, member, said, trained=read_samples(experiment, "train").patients)
    search.run(experiment)
    evaluate.run(experiment)
    text = Page(import_module("ensemble.report").run(experiment)[0].read_text()).text
    assert "No test image has a foreground, and none is found." in text
    assert "There is none: no test image has a foreground" in text
