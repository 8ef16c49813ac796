import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from ensemble import evaluate
from ensemble.engine.scoring.images import Images
from ensemble.evaluators import segmentation
from ensemble.evaluators.rows import EQUAL
from ensemble.experiment_run import ExperimentRun
from ensemble.fusion.pieces import postprocess
from ensemble.names import POSTPROCESSED
from ensemble.results.evaluation import Estimate
from spine.core.files import read_json
from spine.dataset.manifest import Manifest
from spine.experiment.postprocess import PieceRule
from spine.metrics.segmentation import count, mean_over_pixels
from spine.metrics.surface import surface_scores
from tests.bootstrap import bootstrap_interval
from tests.csv_rows import csv_rows
from tests.experiment_on_disk import MASK_LABELS, write_segmentation_experiment
from tests.found_weights import found_weights

FAST = {"evaluate": {"resamples": 200}}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINE_SALT", "salt of the tests")
        weights = {"unet": 0.6, "fpn": 0.4, "linknet": 0.0}
        experiment = write_segmentation_experiment(tmp_path_factory.mktemp("masks"), weights=weights, **FAST)
        evaluate.run(experiment)
    return experiment


@pytest.fixture
def found(experiment):
    return read_json(experiment.evaluation_directory / "metrics.json")


def row_of(found, name):
    return next(row for row in found["rows"] if row["name"] == name)


def called_by_hand(experiment):
    """Row -> the classes of every test image, fused in float64 without any code of the judge."""
    split = ExperimentRun(experiment).predictions("test")
    weights = {
        "unet": (1, 0, 0),
        "fpn": (0, 1, 0),
        "linknet": (0, 0, 1),
        EQUAL: (1 / 3,) * 3,
        "ensemble": (0.6, 0.4, 0),
    }
    predicted = {name: [] for name in weights}
    for height, width, offset in split.stored["unet"].index[["height", "width", "offset"]].to_numpy():
        said = [one.values[offset : offset + height * width].astype(np.float64) for one in split.stored.values()]
        for name, parts in weights.items():
            fused = sum(part * one for part, one in zip(parts, said, strict=True))
            predicted[name].append(fused.argmax(axis=1).reshape(height, width))
    return predicted, list(split.truth)


def test_rows_and_dice_are_those_of_masks_fused_by_hand(experiment, found):
    predicted, masks = called_by_hand(experiment)
    assert [row["name"] for row in found["rows"]] == list(predicted)
    truth = np.concatenate([mask.ravel() for mask in masks])
    for name, images in predicted.items():
        flat = np.concatenate([image.ravel() for image in images])
        dice = [2 * ((flat == c) & (truth == c)).sum() / ((flat == c).sum() + (truth == c).sum()) for c in range(4)]
        values = {key: one["value"] for key, one in row_of(found, name)["metrics"].items()}
        assert [values[f"dice.{label}"] for label in MASK_LABELS] == pytest.approx(dice)
        assert values["dice_foreground"] == pytest.approx(np.mean(dice[1:]))
        assert values["dice_all"] == pytest.approx(np.mean(dice))
        assert values["iou.disc"] == pytest.approx(dice[2] / (2 - dice[2]))
        assert values["pixel_accuracy"] == pytest.approx((flat == truth).mean())
        recall = ((flat == 3) & (truth == 3)).sum() / (truth == 3).sum()
        assert values["recall.canal"] == pytest.approx(recall)


def test_intervals_draw_patients(experiment, found):
    test = ExperimentRun(experiment).evaluator("test")
    expected = bootstrap_interval(
        lambda w: test.score(test.members[1], "dice_foreground", w), test.patients, 200, 0.95, experiment.seed
    )
    one = row_of(found, "fpn")["metrics"]["dice_foreground"]
    assert (one["value"], one["low"], one["high"]) == (expected.value, expected.low, expected.high)
    assert one["low"] < one["value"] < one["high"]
    for row in found["rows"]:
        assert all(value["value"] is not None for value in row["metrics"].values())


def test_weighted_scores_are_scores_of_repeated_images(experiment):
    test = ExperimentRun(experiment).evaluator("test")
    draw = np.arange(len(test.patients)) % 3
    for name in test.reported:
        repeated = segmentation.SegmentedRow(
            "twice", "member", None, test.ensemble.counts.repeat(draw, 0), test.ensemble.surfaces.repeat(draw, 0)
        )
        assert test.score(test.ensemble, name, draw[None])[0] == pytest.approx(test.score(repeated, name)), name


def test_surfaces_are_means_over_images_in_mm(experiment, found):
    predicted, masks = called_by_hand(experiment)
    spacings = ExperimentRun(experiment).predictions("test").truth.spacings
    assert set(spacings) == {(0.5, 0.5), (1.0, 1.0)}
    scores = [surface_scores(*three, 4) for three in zip(masks, predicted["ensemble"], spacings, strict=True)]
    values = row_of(found, "ensemble")["metrics"]
    assert values["hausdorff_95_mm.vertebra"]["value"] == pytest.approx(np.mean([one[0, 0] for one in scores]))
    assert values["surface_dice.canal"]["value"] == pytest.approx(np.mean([one[2, 1] for one in scores]))
    of_classes = np.mean(scores, axis=0)  # of each class over images, then over classes
    for number, name in enumerate(("hausdorff_95_mm_foreground", "surface_dice_foreground")):
        assert values[name]["value"] == pytest.approx(of_classes[:, number].mean())


def test_a_missed_class_is_counted_and_leaves_the_distance_out(tmp_path):
    experiment = write_segmentation_experiment(tmp_path, members=("unet", "fpn"), **FAST)
    test = ExperimentRun(experiment).evaluator("test")
    row = test.ensemble
    counts, surfaces = row.counts.copy(), row.surfaces.copy()
    counts[0, 2, :2] = 0  # the disc of the first image is never called
    surfaces[0, 1] = (np.inf, 0)
    missed = segmentation.SegmentedRow("missed", "member", None, counts, surfaces)
    assert test.written(missed, {}).missing_outlines == {"vertebra": 0, "disc": 1, "canal": 0}
    unknown = replace(test.truth, spacings=(None, *test.truth.spacings[1:]))  # the first image's is not measured
    assert replace(test, truth=unknown).written(missed, {}).missing_outlines["disc"] == 0
    assert test.score(missed, "hausdorff_95_mm.disc") == pytest.approx(surfaces[1:, 1, 0].mean())
    assert test.score(missed, "surface_dice.disc") == pytest.approx(surfaces[1:, 1, 1].sum() / len(surfaces))


@pytest.mark.parametrize(("spacings", "said"), [(("", ""), "left out"), ((0.5, ""), "6 of 12 images")])
def test_without_a_spacing_there_is_no_distance_and_it_says_so(tmp_path, spacings, said):
    experiment = write_segmentation_experiment(tmp_path, members=("unet",), spacings=spacings, **FAST)
    found = read_json(evaluate.run(experiment)[0])
    assert any(said in note for note in found["notes"])
    assert ("hausdorff_95_mm.disc" in row_of(found, "unet")["metrics"]) == (spacings != ("", ""))


def test_the_ensemble_is_compared_with_the_best_on_validation_and_with_equal_weights(experiment, found):
    validation = ExperimentRun(experiment).evaluator("validation")
    scores = {row.name: validation.score(row, "dice_foreground") for row in validation.members}
    equal, best = found["comparisons"]
    assert best["against"] == found["best_on_validation"] == max(scores, key=scores.__getitem__)
    assert equal["against"] == EQUAL
    for one in (best, equal):
        rows = [row_of(found, name)["metrics"]["iou_foreground"]["value"] for name in ("ensemble", one["against"])]
        assert one["differences"]["iou_foreground"]["value"] == pytest.approx(rows[0] - rows[1])
        assert one["wilcoxon"]["differing"] <= found["counts"]["patients"] == 6
    assert found["verdict"] == f"{equal['verdict']} {best['verdict']}"
    assert "Wilcoxon over patients p" in found["verdict"]


def test_wilcoxon_pairs_the_means_of_patients(experiment):
    test = ExperimentRun(experiment).evaluator("test")
    images = pd.read_csv(experiment.evaluation_directory / "images.csv")
    means = images[images["name"] == "ensemble"].groupby("patient")["dice_foreground"].mean()
    assert test.dice_of_patients(test.ensemble) == pytest.approx(means.to_numpy())
    assert len(means) == 6


def test_an_image_that_both_leave_empty_is_no_loss_to_the_patient(experiment):
    test = ExperimentRun(experiment).evaluator("test")
    right, wrong = test.ensemble.counts.copy(), test.ensemble.counts.copy()
    right[0, 1:], wrong[0, 1:] = 0, [0, 5, 0]  # nothing is there; one row finds something
    patient = sorted(set(test.patients)).index(test.patients[0])
    means = [test.dice_of_patients(replace(test.ensemble, counts=counts)) for counts in (right, wrong)]
    images = list(test.patients).count(test.patients[0])
    assert means[0][patient] - means[1][patient] == pytest.approx(1 / images)


def test_images_csv_tells_every_row_of_every_image(experiment):
    predicted, masks = called_by_hand(experiment)
    images = pd.read_csv(experiment.evaluation_directory / "images.csv")
    assert len(images) == 5 * len(masks)
    first = images[images["name"] == "fpn"].iloc[0]
    right = (predicted["fpn"][0] == 2) & (masks[0] == 2)
    assert first["dice.disc"] == pytest.approx(
        2 * right.sum() / ((predicted["fpn"][0] == 2).sum() + (masks[0] == 2).sum())
    )
    members = np.stack([predicted[name][0] for name in ("unet", "fpn", "linknet")])
    assert first["disagreement"] == pytest.approx((members.min(axis=0) != members.max(axis=0)).mean())


def test_an_image_is_fused_in_pieces(experiment, monkeypatch):
    split = ExperimentRun(experiment).predictions("test")
    sources = {name: Images.of(name, stored) for name, stored in split.stored.items()}
    weights = found_weights({"unet": 0.6, "fpn": 0.4, "linknet": 0.0})
    whole = segmentation.predict_image(sources, weights, 1)
    monkeypatch.setattr(segmentation, "CHUNK", 7)
    assert np.array_equal(segmentation.predict_image(sources, weights, 1), whole)


def test_disagreement_by_hand():
    predicted = np.array([[[0, 1, 1]], [[0, 1, 2]], [[0, 2, 0]]])
    assert segmentation.disagreement(predicted)[0] == pytest.approx([0, 1 - 2 / 3, 1 - 1 / 3])


def test_files_have_the_shape_of_classification(experiment):
    rows = csv_rows(experiment.evaluation_directory / "leaderboard.csv")
    assert [row["name"] for row in rows] == ["unet", "fpn", "linknet", EQUAL, "ensemble"]
    assert {"dice_foreground_low", "dice.disc", "hausdorff_95_mm.canal_high", "iou_all"} <= set(rows[0])
    assert not any(name in ("miou", "iou", "dice") for name in rows[0])  # none without its definition


def test_what_is_unchanged_is_not_judged_again(experiment, monkeypatch):
    stamp = (experiment.evaluation_directory / "metrics.json").stat().st_mtime_ns
    monkeypatch.setattr(ExperimentRun, "evaluator_of", pytest.fail)
    assert evaluate.run(experiment)[0].stat().st_mtime_ns == stamp


def test_the_leaderboard_fits_a_terminal(experiment):
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(evaluate.leaderboard(experiment))
    text = " ".join(console.export_text().split())
    assert "6 test patients, 12 images" in text
    assert "foreground Dice IoU vertebra disc canal HD95 surface" in text
    assert "…" not in text


def test_post_processing_is_judged_beside_the_ensemble_without_it(tmp_path):
    asked = {"largest_components": {"canal": 1}, "smallest_area": {"vertebra": 0.5, "disc": 0.5}}
    experiment = write_segmentation_experiment(tmp_path, members=("unet",), noise=(1.4,), postprocess=asked, **FAST)
    found = read_json(evaluate.run(experiment)[0])
    split = ExperimentRun(experiment).predictions("test")
    rules = {1: PieceRule(share=0.5), 2: PieceRule(share=0.5), 3: PieceRule(most=1)}
    counts, plain = [], []
    values = split.stored["unet"].values
    for row, mask in zip(split.stored["unet"].index.itertuples(), split.truth, strict=True):
        said = values[row.offset : row.offset + row.height * row.width].astype(np.float64)
        said = said.reshape(row.height, row.width, -1)
        counts.append(count(mask, postprocess(said, rules), 4))
        plain.append(count(mask, said.argmax(axis=-1), 4))
    with_, without = (mean_over_pixels(np.array(one)) for one in (counts, plain))
    told = found["postprocessed"]
    assert told["metrics"]["dice_foreground"]["value"] == pytest.approx(with_)
    assert told["differences"]["dice_foreground"]["value"] == pytest.approx(with_ - without)
    assert with_ != without
    assert row_of(found, "ensemble")["metrics"]["dice_foreground"]["value"] == pytest.approx(without)
    assert any(
        f"post-processed: foreground Dice {with_:.4f}, and {without:.4f} without" in note for note in found["notes"]
    )
    board = csv_rows(experiment.evaluation_directory / "leaderboard.csv")[-1]
    assert board["name"] == POSTPROCESSED
    assert float(board["dice_foreground"]) == pytest.approx(with_)
    assert float(board["hausdorff_95_mm_foreground"]) == told["metrics"]["hausdorff_95_mm_foreground"]["value"]
    images = pd.read_csv(experiment.evaluation_directory / "images.csv").set_index("name").loc[POSTPROCESSED]
    assert images["dice_foreground"].tolist() == pytest.approx([mean_over_pixels(one[None]) for one in counts])
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(evaluate.leaderboard(experiment))
    assert f"{with_:.3f}" in console.export_text()
    evaluation = ExperimentRun(experiment).evaluation()
    nothing = {
        **evaluation.postprocessed.metrics,
        "dice.canal": Estimate(value=None, low=None, high=None, why="it is so"),
    }
    lacking = evaluation.model_copy(
        update={"postprocessed": evaluation.postprocessed.model_copy(update={"metrics": nothing})}
    )
    assert lacking.footnotes(["dice.canal"]) == ["–: Dice of canal of as served is undefined, since it is so."]


def test_another_pixel_spacing_is_measured_again(tmp_path):
    experiment = write_segmentation_experiment(tmp_path, members=("unet", "fpn"), spacings=(0.5, 0.5), **FAST)
    name = "hausdorff_95_mm_foreground"
    before = row_of(read_json(evaluate.run(experiment)[0]), "unet")["metrics"][name]["value"]
    judged = ExperimentRun(experiment).predictions("test").hash
    manifest = Manifest.read(experiment.data)
    images = manifest.images.assign(spacing_y=1.0, spacing_x=1.0)
    replace(manifest, images=images).write()
    after = row_of(read_json(evaluate.run(experiment)[0]), "unet")["metrics"][name]["value"]
    assert after == pytest.approx(2 * before)
    assert ExperimentRun(experiment).predictions("test").hash != judged  # a report would not take the old distances
