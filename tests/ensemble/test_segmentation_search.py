"""The exact search over images against a plain brute force, and what it refuses."""

import itertools

import numpy as np
import pandas as pd
import pytest

from ensemble.weight_search import METHODS, search_weights
from spine.core.problems import SpineError
from spine.metrics.segmentation import METRICS
from spine.predictions.predictions import Predictions


def rate(name, truth, called, label):
    """Dice or IoU of one class over pixels, None where it occurs in neither."""
    both, either = np.sum((truth == label) & (called == label)), np.sum((truth == label) | (called == label))
    if not either:
        return None
    return 2 * both / (either + both) if name == "dice" else both / either


def mean_rate(name, truth, called, labels):
    rates = [value for label in labels if (value := rate(name, truth, called, label)) is not None]
    return sum(rates) / len(rates) if rates else None


def score(metric, truths, calleds, classes):
    """The metric by its words, without counts: lists of flat masks, one an image."""
    pooled = np.concatenate(truths), np.concatenate(calleds)
    if metric == "pixel_accuracy":
        return np.mean(pooled[0] == pooled[1])
    name, which = metric.split("_")[:2]
    labels = range(1 if which == "foreground" else 0, classes)
    if not metric.endswith("per_image"):
        return mean_rate(name, *pooled, labels)
    values = [mean_rate(name, truth, called, labels) for truth, called in zip(truths, calleds, strict=True)]
    values = [value for value in values if value is not None]
    return sum(values) / len(values)


def brute_force(members, truth, metric, steps):
    """Score of every integer vector that sums to `steps`; members as lists of (H, W, C), truth of (H, W)."""
    scores, classes = {}, next(iter(members.values()))[0].shape[-1]
    for vector in itertools.product(range(steps + 1), repeat=len(members)):
        if sum(vector) == steps:
            calleds = []
            for images in zip(*members.values(), strict=True):
                total = np.zeros(images[0].shape)
                for whole, image in zip(vector, images, strict=True):
                    total += whole / steps * image.astype(np.float64)
                calleds.append(total.argmax(axis=-1).ravel())
            scores[vector] = score(metric, [mask.ravel() for mask in truth], calleds, classes)
    return scores


def random_images(seed, count=3, classes=3, sizes=((5, 4), (5, 4), (5, 4)), dtype=np.float32, coarse=False, absent=()):
    """Members that see soft versions of the masks; `coarse` rounds logits, which makes ties and equal pixels."""
    random = np.random.default_rng(seed)
    truth = [random.choice([c for c in range(classes) if c not in absent], size) for size in sizes]
    shared = [np.eye(classes)[mask] + random.normal(0, 0.7, (*mask.shape, classes)) for mask in truth]

    def soften(logits):
        powers = np.exp((2 * logits).round() * np.log(2) if coarse else 2 * logits)
        return (powers / powers.sum(axis=-1, keepdims=True)).astype(dtype)

    noisy = {f"m{m}": [soften(one + random.normal(0, 0.8, one.shape)) for one in shared] for m in range(count)}
    return noisy, truth


def stored(images, directory, name, samples=None):
    """Write a member's images as the contract's flat file."""
    sizes = [image.shape[:2] for image in images]
    index = pd.DataFrame({"sample": samples or [f"s{i}" for i in range(len(images))], "patient": "p"})
    index[["height", "width"]] = sizes
    index["offset"] = np.cumsum([0, *(h * w for h, w in sizes[:-1])])
    return Predictions.write(
        directory / name,
        np.concatenate([image.reshape(-1, image.shape[-1]) for image in images]),
        index,
        task="segmentation",
        labels=tuple("abcde"[: images[0].shape[-1]]),
        split="validation",
        model_hash=name,
        truth_hash="truth",
    )


def require_equals(found, scores, members):
    optimum = max(scores.values())
    tied = [vector for vector, value in scores.items() if abs(value - optimum) < 1e-12]
    steps = sum(tied[0])
    tied.sort(key=lambda v: (sum(k > 0 for k in v), sum(k * k for k in v), [-k for k in v]))
    assert found.score == pytest.approx(optimum, abs=1e-12)
    assert found.ties == len(tied)
    assert list(found.weights.values()) == [whole / steps for whole in tied[0]]
    assert found.evaluated == found.scored == len(scores)
    assert [point.score for point in found.best] == pytest.approx(sorted(scores.values(), reverse=True)[:100])
    for point in found.best:
        vector = tuple(round(weight * steps) for weight in point.weights.values())
        assert point.score == pytest.approx(scores[vector], abs=1e-12)
    alone = [tuple(steps * (one == name) for one in members) for name in members]
    assert list(found.singles.values()) == pytest.approx([scores[vector] for vector in alone])


@pytest.fixture(params=["numpy", "compiled"])
def engine(request, monkeypatch):
    """Both ways of counting, whatever the size of the problem."""
    if request.param == "compiled":
        monkeypatch.setattr("ensemble.engine.scoring.presolve.WORTH_COMPILING", -1)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("seed", range(6))
def test_grid_equals_brute_force(metric, seed, engine):
    members, truth = random_images(
        seed,
        count=2 + seed % 4,
        classes=2 + seed % 3,
        dtype=(np.float16, np.float32, np.float64)[seed % 3],
        coarse=seed % 2,
        absent=(1,) if seed == 5 else (),
    )
    steps = (10, 8, 5, 4)[len(members) - 2]
    found = search_weights(
        {name: np.stack(images) for name, images in members.items()},
        np.stack(truth),
        task="segmentation",
        metric=metric,
        step=1 / steps,
    )
    require_equals(found, brute_force(members, truth, metric, steps), members)


@pytest.mark.parametrize("metric", ["dice_foreground", "iou_all_per_image"])
@pytest.mark.parametrize("seed", range(6))
def test_stored_images_of_different_sizes(metric, seed, engine, tmp_path):
    sizes = ((4, 6), (7, 3), (1, 5), (6, 4), (2, 2))
    members, truth = random_images(seed, count=3, classes=4, sizes=sizes, dtype=np.float16, coarse=seed % 2)
    predictions = {name: stored(images, tmp_path, name) for name, images in members.items()}
    found = search_weights(predictions, iter(truth), task="segmentation", metric=metric, step=1 / 6)
    require_equals(found, brute_force(members, truth, metric, 6), members)


def test_a_lead_of_the_last_digit_can_be_lost_in_rounding(engine):
    # Both members rank class 1 first by one unit in the last place; weighted and summed, the two classes may tie, and
    # a tie goes to class 0.
    low = np.random.default_rng(0).uniform(0.4, 0.45, (1, 20, 20, 2))
    values = np.stack([low, np.nextafter(low, 1), 1 - 2 * low], axis=-1)
    members = {"a": [*values[..., 0, :]], "b": [*values[..., 1, :]]}
    truth = np.ones((1, 20, 20), int)
    scores = brute_force(members, truth, "dice_foreground", 10)
    assert min(scores.values()) < 1
    arrays = {name: np.stack(images) for name, images in members.items()}
    require_equals(search_weights(arrays, truth, "segmentation"), scores, members)


def test_equal_members_tie_and_the_fewest_are_chosen(engine):
    members, truth = random_images(0, count=1)
    same = {name: np.stack(members["m0"]) for name in ("first", "second", "third")}
    found = search_weights(same, np.stack(truth), "segmentation")
    assert found.ties == found.evaluated == 66
    assert found.weights == {"first": 1.0, "second": 0.0, "third": 0.0}


def test_float16_gives_the_answer_of_the_same_values_in_float32_and_float64():
    members, truth = random_images(3, count=4, classes=4, dtype=np.float16)
    found = [
        search_weights({n: np.stack(i).astype(dtype) for n, i in members.items()}, np.stack(truth), "segmentation")
        for dtype in (np.float16, np.float32, np.float64)
    ]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("metric", ["dice_foreground", "dice_foreground_per_image"])
def test_neither_threads_nor_blocks_matter(metric, monkeypatch):
    members, truth = random_images(4, count=4, classes=3, sizes=((30, 30),) * 4)
    arrays = {name: np.stack(images) for name, images in members.items()}
    found = [search_weights(arrays, truth, "segmentation", metric)]
    monkeypatch.setattr("ensemble.engine.scoring.presolve.WORTH_COMPILING", -1)
    for cores, chunk, counts in ((1, 7, 100), (3, 10, 2_000_000), (2, 100_000, 500)):
        monkeypatch.setattr("ensemble.engine.grid.grid_search.usable_cores", lambda cores=cores: cores)
        monkeypatch.setattr("ensemble.engine.scoring.images.usable_cores", lambda cores=cores: cores)
        monkeypatch.setattr("ensemble.engine.grid.grid_search.CHUNK", chunk)
        monkeypatch.setattr("ensemble.engine.scoring.confusion_metric.LARGEST", counts)
        found.append(search_weights(arrays, truth, "segmentation", metric))
    assert all(result == found[0] for result in found)


def test_other_methods_by_their_bounds():
    members, truth = random_images(5, count=3)
    arrays = {name: np.stack(images) for name, images in members.items()}
    found = {m: search_weights(arrays, truth, "segmentation", method=m, step=0.25, trials=20) for m in METHODS}
    grid = found["grid"]
    assert found["best"].score == max(grid.singles.values())
    assert found["equal"].score == grid.equal
    assert grid.score >= found["best"].score
    for method in ("greedy", "tpe", "cmaes"):
        assert found[method].score >= found["best"].score


HALF = np.array([[[[0.5, 0.5], [0.1, 0.9]]]])
MASK = np.array([[[0, 1]]])


@pytest.mark.parametrize(
    ("members", "truth", "settings", "message"),
    [
        ({}, MASK, {}, "no members"),
        ({"a": HALF[0]}, MASK, {}, r"'a' is \(1, 2, 2\); give probabilities \(N, H, W, C\)"),
        ({"a": HALF[..., :1]}, MASK, {}, "C >= 2"),
        ({"a": HALF, "b": HALF[:, :, :1]}, MASK, {}, "'a' and 'b' disagree"),
        ({"a": HALF * 2}, MASK, {}, "'a, image 0' holds no probabilities"),
        ({"a": np.where(HALF == 0.9, np.nan, HALF)}, MASK, {}, "NaN or infinity, first in row 1"),
        ({"a": HALF}, MASK[:, :, :1], {}, r"mask 0 is int64 \(1, 1\); give class indices of shape \(1, 2\)"),
        ({"a": HALF}, MASK * 2, {}, r"mask 0 has values from 0 to 2; the indices of 2 classes are 0 to 1"),
        ({"a": HALF}, MASK * 1.0, {}, "mask 0 is float64"),
        ({"a": HALF}, MASK.repeat(2, axis=0), {}, r"more masks than the members have images \(1\)"),
        ({"a": HALF}, [], {}, "0 masks, the members 1 images"),
        ({"a": HALF}, MASK * 0, {}, "background only"),
        (
            {"a": HALF},
            MASK,
            {"metric": "accuracy"},
            "one of dice_foreground, iou_foreground, dice_foreground_per_image",
        ),
    ],
)
def test_what_does_not_hold_is_refused(members, truth, settings, message):
    with pytest.raises(SpineError, match=message):
        search_weights(members, truth, "segmentation", **settings)


def test_predictions_of_other_samples_are_refused(tmp_path):
    members, truth = random_images(0, count=2)
    first = stored(members["m0"], tmp_path, "m0")
    second = stored(members["m1"], tmp_path, "m1", samples=["x", "y", "z"])
    with pytest.raises(SpineError, match="'m0' and 'm1' hold different samples"):
        search_weights({"m0": first, "m1": second}, truth, "segmentation")
