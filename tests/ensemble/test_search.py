"""The exact search against a plain brute force, and what it refuses."""

import itertools
import tracemalloc

import numpy as np
import pytest

from ensemble.weight_search import METHODS, search_weights
from spine.core.problems import SpineError
from spine.metrics.classification import METRICS

FIVE = ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc", "log_loss")


def brute_force(members, truth, metric, steps):
    """Score of every integer vector that sums to `steps`: {vector: score}, by plain loops in float64."""
    scores = {}
    for vector in itertools.product(range(steps + 1), repeat=len(members)):
        if sum(vector) != steps:
            continue
        total = np.zeros(next(iter(members.values())).shape)
        for whole, probabilities in zip(vector, members.values(), strict=True):
            if whole:
                total += whole / steps * probabilities.astype(np.float64)
        scores[vector] = METRICS[metric].function(truth, total)
    return scores


def preferred(scores, metric):
    """The vectors that reach the optimum, in the order of preference that the search promises."""
    pick = max if METRICS[metric].higher_is_better else min
    optimum = pick(scores.values())
    tied = [vector for vector, score in scores.items() if abs(score - optimum) < 1e-12]
    rank = {v: (sum(k > 0 for k in v), sum(k * k for k in v), [-k for k in v]) for v in tied}
    return optimum, sorted(tied, key=rank.get)


def random_members(random, count, samples, classes, dtype=np.float64, levels=None):
    """Members with errors in common and of their own; `levels` rounds logits, which makes ties and equal rows."""
    truth = random.integers(0, classes, samples)
    shared = np.eye(classes)[truth] + random.normal(0, 0.7, (samples, classes))
    members = {}
    for index in range(count):
        logits = 2 * (shared + random.normal(0, 0.8, (samples, classes)))
        powers = np.exp(logits.round() * np.log(2) if levels else logits)
        members[f"m{index}"] = (powers / powers.sum(axis=1, keepdims=True)).astype(dtype)
    return members, truth


def require_equals_brute_force(members, truth, metric, steps):
    scores = brute_force(members, truth, metric, steps)
    optimum, tied = preferred(scores, metric)
    found = search_weights(members, truth, metric=metric, step=1 / steps)
    assert found.score == pytest.approx(optimum, abs=1e-12)
    assert found.ties == len(tied)
    assert list(found.weights.values()) == [whole / steps for whole in tied[0]]
    assert found.evaluated == found.scored == len(scores)
    assert [point.score for point in found.best] == pytest.approx(
        sorted(scores.values(), reverse=METRICS[metric].higher_is_better)[:100], abs=1e-11
    )


@pytest.mark.parametrize("metric", FIVE)
@pytest.mark.parametrize("seed", range(12))
def test_grid_equals_brute_force(metric, seed):
    random = np.random.default_rng(seed)
    members, truth = random_members(
        random,
        count=2 + seed % 5,
        samples=int(random.integers(8, 40)),
        classes=2 + seed % 4,
        dtype=(np.float64, np.float16, np.float32)[seed % 3],
        levels=seed % 2,
    )
    require_equals_brute_force(members, truth, metric, steps=(10, 10, 6, 5, 4)[len(members) - 2])


@pytest.mark.parametrize("metric", [name for name in METRICS if name not in FIVE])
def test_every_other_metric_works_too(metric):
    members, truth = random_members(np.random.default_rng(3), count=3, samples=30, classes=2)
    require_equals_brute_force(members, truth, metric, steps=5)


@pytest.mark.parametrize("metric", FIVE)
def test_a_class_absent_from_the_truth(metric):
    members, truth = random_members(np.random.default_rng(4), count=3, samples=30, classes=4)
    require_equals_brute_force(members, np.where(truth == 2, 0, truth), metric, steps=5)


def test_a_lead_of_the_last_digit_can_be_lost_in_rounding():
    # Both members rank class 1 first by one unit in the last place. Weighted and summed, the two classes may tie, and
    # a tie goes to class 0: agreement of the members does not settle this sample.
    random = np.random.default_rng(0)
    low = random.uniform(0.4, 0.45, (400, 2))
    values = np.stack([low, np.nextafter(low, 1), 1 - 2 * low], axis=2)
    members = {"a": values[:, 0], "b": values[:, 1]}
    truth = np.ones(400, dtype=int)
    assert all((array.argmax(axis=1) == 1).all() for array in members.values())
    scores = brute_force(members, truth, "accuracy", 10)
    assert min(scores.values()) < 1
    require_equals_brute_force(members, truth, "accuracy", 10)
    worst = {whole / 10: score for (whole, _), score in scores.items()}
    found = search_weights(members, truth, step=0.1)
    assert {point.weights["a"]: point.score for point in found.best} == worst


@pytest.mark.parametrize("metric", FIVE)
def test_equal_members_tie_and_the_fewest_are_chosen(metric):
    members, truth = random_members(np.random.default_rng(5), count=1, samples=20, classes=3)
    same = {name: members["m0"] for name in ("first", "second", "third")}
    found = search_weights(same, truth, metric=metric, step=0.1)
    assert found.ties == found.evaluated == 66
    assert found.weights == {"first": 1.0, "second": 0.0, "third": 0.0}
    assert "66 of 66" in found.why
    assert "it is the first" in found.why


def test_the_sentence_of_one_vector_and_of_thousands():
    members, truth = random_members(np.random.default_rng(5), count=1, samples=20, classes=2)
    assert search_weights(members, truth).why == "There was one weight vector only, and nothing to choose."
    same = {name: members["m0"] for name in ("first", "second", "third")}
    assert search_weights(same, truth, step=0.02).why == (
        "1,326 of 1,326 weight vectors have this score, 3 of them with the fewest members (1); of the 3 nearest to "
        "equal weights it is the first."
    )


def test_line_tells_ties_of_what_it_tried_too():
    truth = np.array([0, 1, 1])
    members = {"a": np.eye(2)[truth], "b": np.eye(2)[truth]}
    found = search_weights(members, truth, method="line")
    assert found.ties > 1
    assert f" Of starts and ends, {found.ties} of {found.ties} weight vectors have this score, 2 of them" in found.why
    truth = np.array([0, 1])
    alone = {"a": np.array([[0.9, 0.1], [0.1, 0.9]]), "b": np.array([[0.2, 0.8], [0.8, 0.2]])}
    assert "Of starts and ends" not in search_weights(alone, truth, metric="log_loss", method="line").why


def test_among_as_few_members_the_nearest_to_equal_weights_is_chosen():
    truth = np.array([0, 1])
    members = {"a": np.array([[0.88, 0.12], [0.58, 0.42]]), "b": np.array([[0.42, 0.58], [0.12, 0.88]])}
    found = search_weights(members, truth, step=0.1)
    # With w on a, row 0 is right where 0.42 + 0.46 w > 0.5 and row 1 where 0.88 - 0.46 w > 0.5: w = 0.2, 0.3 ... 0.8.
    assert found.score == 1
    assert found.ties == 7
    assert found.weights == {"a": 0.5, "b": 0.5}
    assert (
        found.why == "7 of 11 weight vectors have this score, all with the fewest members (2); of these it is the "
        "nearest to equal weights."
    )


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "roc_auc"])
def test_large_problems_take_the_compiled_loops_to_the_same_answer(metric, monkeypatch):
    members, truth = random_members(np.random.default_rng(6), count=4, samples=60, classes=3, levels=1)
    plain = search_weights(members, truth, metric=metric, step=0.1)
    monkeypatch.setattr("ensemble.engine.scoring.presolve.WORTH_COMPILING", 0)
    monkeypatch.setattr("ensemble.engine.scoring.roc_auc.WORTH_COMPILING", 0)
    assert search_weights(members, truth, metric=metric, step=0.1) == plain
    require_equals_brute_force(members, truth, metric, steps=6)


def test_the_number_of_threads_does_not_matter(monkeypatch):
    members, truth = random_members(np.random.default_rng(7), count=4, samples=40, classes=3)
    found = []
    for cores, chunk in ((1, 7), (3, 10), (2, 100_000)):
        monkeypatch.setattr("ensemble.engine.grid.grid_search.usable_cores", lambda cores=cores: cores)
        monkeypatch.setattr("ensemble.engine.grid.grid_search.CHUNK", chunk)
        found.append(search_weights(members, truth, metric="log_loss", step=0.1))
    assert found[0] == found[1] == found[2]


def test_methods_by_their_bounds():
    members, truth = random_members(np.random.default_rng(8), count=3, samples=60, classes=3)
    found = {m: search_weights(members, truth, metric="log_loss", method=m, step=0.25, trials=30) for m in METHODS}
    grid = found["grid"]
    assert found["best"].score == min(grid.singles.values()) == min(found["best"].singles.values())
    assert found["equal"].score == grid.equal
    assert list(found["equal"].weights.values()) == pytest.approx([1 / 3] * 3)
    assert grid.score <= found["best"].score
    assert found["greedy"].score <= found["best"].score
    for method in ("tpe", "cmaes"):
        assert found[method].score <= min(found["best"].score, grid.equal)
        assert found[method].evaluated <= 30
    for result in found.values():
        assert sum(result.weights.values()) == pytest.approx(1)
        assert result.best[0].weights == result.weights
        assert result.best[0].score == pytest.approx(result.score, abs=1e-12)


def test_greedy_by_hand():
    # "a" and "b" each miss one of four; together they miss none. "c" misses all.
    truth = np.array([0, 0, 1, 1])
    right = np.eye(2)[truth]
    members = {
        "a": right * 0.6 + 0.2 + np.array([[-0.5, 0.5], [0, 0], [0, 0], [0, 0]]),
        "b": right * 0.6 + 0.2 + np.array([[0, 0], [0, 0], [0, 0], [0.5, -0.5]]),
        "c": 1 - right,
    }
    found = search_weights(members, truth, method="greedy", step=0.25)
    assert found.singles == {"a": 3 / 4, "b": 3 / 4, "c": 0}
    assert found.score == 1
    assert found.weights == {"a": 0.5, "b": 0.5, "c": 0}


@pytest.mark.parametrize("seed", range(4))
def test_greedy_equals_a_plain_greedy_loop(seed):
    members, truth = random_members(np.random.default_rng(seed), count=4, samples=30, classes=3)
    bag, losses = [], {}
    for _ in range(8):
        tried = {name: np.mean([members[picked] for picked in [*bag, name]], axis=0) for name in members}
        losses_now = {name: METRICS["log_loss"].function(truth, fused) for name, fused in tried.items()}
        losses |= {tuple(sorted([*bag, name])): loss for name, loss in losses_now.items()}
        bag.append(min(losses_now, key=losses_now.get))
    best = min(losses, key=losses.get)
    found = search_weights(members, truth, metric="log_loss", method="greedy", step=1 / 8)
    assert found.score == pytest.approx(losses[best], abs=1e-12)
    assert found.weights == pytest.approx({name: best.count(name) / len(best) for name in members})
    assert len(set(bag)) > 1


@pytest.mark.parametrize("method", METHODS)
def test_one_member_has_all_the_weight(method):
    members, truth = random_members(np.random.default_rng(9), count=1, samples=10, classes=2)
    found = search_weights(members, truth, method=method, step=0.5, trials=4)
    assert found.weights == {"m0": 1.0}
    assert found.score == found.singles["m0"] == found.equal


HALF = np.array([[0.5, 0.5], [0.1, 0.9]])


@pytest.mark.parametrize(
    ("members", "truth", "settings", "message"),
    [
        ({}, [0, 1], {}, "no members"),
        ({"a": HALF, "b": HALF[:1]}, [0, 1], {}, r"'b' is \(1, 2\), the first member is \(2, 2\)"),
        ({"a": HALF[:, :1]}, [0, 1], {}, "C >= 2"),
        ({"a": HALF[0]}, [0, 1], {}, r"give probabilities \(N, C\)"),
        ({"a": HALF.round().astype(int)}, [0, 1], {}, "holds int64"),
        ({"a": np.where(HALF == 0.9, np.nan, HALF)}, [0, 1], {}, "NaN or infinity, first in row 1"),
        ({"a": HALF * 2}, [0, 1], {}, "row 0 sums to 2"),
        ({"a": np.array([[1.5, -0.5], [0, 1]])}, [0, 1], {}, "least value -0.5"),
        ({"a": HALF}, [0], {}, "give 2 integers"),
        ({"a": HALF}, [0.0, 1.0], {}, "truth is float64"),
        ({"a": HALF}, [0, 2], {}, "values from 0 to 2; the indices of 2 classes are 0 to 1"),
        ({"a": HALF}, [-1, 0], {}, "values from -1 to 0;"),
        ({"a": HALF}, [1, 1], {"metric": "roc_auc"}, r"undefined: the truth has only the classes \[1\]"),
        ({"a": HALF}, [0, 1], {"metric": "acuracy"}, "one of roc_auc, accuracy, balanced_accuracy"),
        ({"a": HALF}, [0, 1], {"method": "gird"}, "one of grid, line, equal, best"),
        ({"a": HALF}, [0, 1], {"task": "painting"}, "one of classification, segmentation"),
        ({"a": HALF}, [0, 1], {"step": 0.3}, "does not divide 1"),
        (dict.fromkeys("abcdefghij", HALF), [0, 1], {"step": 0.02, "metric": "log_loss"}, "greedy, tpe or cmaes"),
        (dict.fromkeys("abcdef", HALF), [0, 1], {"method": "optuna-grid"}, "1,771,561 points"),
    ],
)
def test_what_does_not_hold_is_refused(members, truth, settings, message):
    with pytest.raises(SpineError, match=message):
        search_weights(members, np.array(truth), **settings)


def test_many_classes_take_little_memory():
    members, truth = random_members(np.random.default_rng(5), 2, 200, 120)
    tracemalloc.start()
    found = search_weights(members, truth)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300e6  # bytes; a dense table of cells by cells would be 1.7e9
    scores = brute_force(members, truth, "accuracy", 10)
    assert found.score == max(scores.values())


def test_a_grid_of_billions_of_equal_members_is_searched_at_once():
    found = search_weights(dict.fromkeys("abcdefghij", np.array([[0.5, 0.5], [0.1, 0.9]])), [0, 1], step=0.02)
    assert found.evaluated == found.ties == 12_565_671_261
    assert found.weights == {"a": 1.0, **dict.fromkeys("bcdefghij", 0.0)}
