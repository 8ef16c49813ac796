"""Rates, phases and losses of a training; who waits for whom when several machines share one."""

import json

import numpy as np
import pytest
import tensorflow as tf

from detection import workers
from detection.config import PARTS, Settings
from detection.fit import DetectorFitting, State
from detection.optimizer import optimizer_of
from detection.workers import Workers
from spine.core.problems import SpineError
from spine.training.regularisation.weight_average import WeightAverage

STEPS = 10  # an epoch


def rates(**changes):
    """The learning rate after each epoch, of six."""
    settings = Settings(epochs=6, learning_rate=0.1, **changes)
    (phase,) = settings.phases
    optimizer = optimizer_of(phase, settings, STEPS)
    found = []
    for epoch in range(phase.epochs):
        optimizer.iterations.assign((epoch + 1) * STEPS - 1)
        rate = optimizer._learning_rate
        found.append(float(rate(optimizer.iterations)) if callable(rate) else float(rate))
    return found


def test_the_rate_falls_by_steps_along_a_cosine_or_not():
    assert rates(schedule="constant", warmup=0) == pytest.approx([0.1] * 6)
    assert rates(schedule="step", step=2, gamma=0.1, warmup=0) == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    halfway = 0.1 * (1 + np.cos(np.pi * 29 / 60)) / 2
    assert rates(schedule="cosine")[2] == pytest.approx(halfway, rel=1e-5)


def test_it_rises_from_a_tenth_over_the_warm_up():
    settings = Settings(epochs=6, learning_rate=0.1, schedule="constant", warmup=2)
    rate = optimizer_of(settings.phases[0], settings, STEPS)._learning_rate
    assert [float(rate(step)) for step in (0, 10, 20, 30)] == pytest.approx([0.01, 0.055, 0.1, 0.1])


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop"])
def test_gradients_are_clipped_by_the_norm_of_all(name):
    settings = Settings(
        optimizer=name, momentum=0.0, global_clipnorm=5.0, schedule="constant", warmup=0, learning_rate=1
    )
    optimizer = optimizer_of(settings.phases[0], settings, STEPS)
    variables = [tf.Variable(0.0), tf.Variable(0.0)]
    optimizer.build(variables)
    optimizer.apply_gradients(zip([tf.constant(30.0), tf.constant(40.0)], variables, strict=True))
    if name == "sgd":
        assert [float(variable) for variable in variables] == pytest.approx([-3.0, -4.0])  # 5 / 50 of each
    assert optimizer.global_clipnorm == 5.0


def test_alternating_training_has_four_steps_and_the_joint_one_may_begin_with_a_frozen_backbone():
    four = Settings(scheme="alternating", epochs=10).phases
    assert [(phase.name, phase.epochs) for phase in four] == [
        ("rpn", 2),
        ("detector", 2),
        ("rpn_shared", 2),
        ("detector_shared", 4),
    ]
    assert [PARTS[0] in phase.learns for phase in four] == [True, True, False, False]
    frozen, whole = Settings(freeze_backbone=3, epochs=10).phases
    assert whole.learns - frozen.learns == {"backbone"}
    assert (frozen.epochs, whole.epochs) == (3, 7)
    for wrong in ({"epochs": 3}, {"freeze_backbone": 1}):
        with pytest.raises(ValueError, match="phases"):
            Settings(scheme="alternating", **wrong)


def cluster(task, **of_kind):
    return json.dumps({"cluster": of_kind, "task": task})


def test_the_first_worker_is_the_chief_unless_the_cluster_names_one():
    two = ["one:1", "two:2"]
    assert workers._read("") == (0, 0)
    assert workers._read(cluster({"type": "worker", "index": 1}, worker=two)) == (1, 2)
    assert workers._read(cluster({"type": "chief", "index": 0}, worker=two, chief=["three:3"])) == (0, 3)
    assert workers._read(cluster({"type": "worker", "index": 1}, worker=two, chief=["three:3"])) == (2, 3)


@pytest.mark.parametrize(
    "text", ["{", "[]", cluster({"type": "worker", "index": 2}, worker=["a:1", "b:1"]), cluster({}, ps=["a:1"])]
)
def test_a_wrong_tf_config_is_told(text):
    with pytest.raises(SpineError, match="index counts the workers"):
        workers._read(text)


def test_alone_a_machine_is_the_chief_and_hears_itself():
    alone = Workers(strategy=tf.distribute.get_strategy())
    assert alone.is_chief
    assert alone.broadcast([0.25, np.nan]).tolist()[0] == 0.25


def test_the_epoch_that_is_kept_is_the_highest_of_what_is_monitored(tmp_path):
    kept = {}
    for monitor in ("map50", "map50_95"):
        settings = Settings(monitor=monitor, epochs=2)
        fitting = DetectorFitting("one", settings, data=None, seed=0, directory=tmp_path / monitor, workers=Workers())
        history = fitting.checkpoints.history()
        for loose, tight in ((1.0, 0.3), (0.9, 0.5)):
            history = history.with_epoch("whole", {"loss": 1, "val_map50": loose, "val_map50_95": tight}, 0.1)
            fitting.checkpoints.save(State(step=tf.Variable(0)), history)
        kept[monitor] = fitting.best_epoch()
    assert kept == {"map50": 1, "map50_95": 2}


def test_a_checkpoint_of_a_moving_average_has_the_average_and_goes_on_from_what_was_learned(tmp_path):
    weight, other = tf.Variable([0.0]), tf.Variable([9.0])
    average = WeightAverage([weight], 0.5)
    weight.assign([1.1])
    average.update()  # keeps 2 / 11 of 0
    State(average, weight=weight).save_weights(tmp_path / "state")
    State(weight=other).load_weights(tmp_path / "state")  # as what is published is read
    assert float(other[0]) == pytest.approx(0.9)
    resumed = WeightAverage([other], 0.5)
    State(resumed, weight=other).load_weights(tmp_path / "state")
    assert float(other[0]) == pytest.approx(0.9)
    for each, variable in ((average, weight), (resumed, other)):
        each.hide()
        assert float(variable[0]) == pytest.approx(1.1)
        each.update()  # keeps 3 / 12
        each.show()
        assert float(variable[0]) == pytest.approx(0.25 * 0.9 + 0.75 * 1.1)


def test_a_moving_average_on_several_devices_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(Workers, "replicas", 2)
    fitting = DetectorFitting("one", Settings(ema=0.9), None, 1, tmp_path, workers=Workers())
    with pytest.raises(SpineError, match=r"ema is 0.9, and 2 devices train together.* leave ema out"):
        fitting.run()
