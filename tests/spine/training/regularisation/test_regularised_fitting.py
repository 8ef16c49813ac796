"""A network of one weight is fitted with each option, so that a few steps can be counted by hand.

Its one picture is 1, its truth 0, its loss w^2 / 2: a step of SGD at rate r gives w (1 - r). Validation gives w^2 / 2.
"""

from dataclasses import dataclass, replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from spine.training.fit_settings import FitSettings
from spine.training.history import History
from spine.training.keras_fitting import KerasFitting
from spine.training.regularisation.weight_average import decay_at
from spine.training.schedule import Phase

STEPS = 2  # an epoch


class Settings(FitSettings):
    batch: int = 2
    learning_rate: float = 0.5
    lengths: tuple[int, ...] = (3,)

    @property
    def tunes_base(self):
        return True

    @property
    def phases(self):
        return tuple(Phase(f"phase{n}", epochs, self.learning_rate) for n, epochs in enumerate(self.lengths))


@dataclass(frozen=True)
class Data:
    settings: Settings
    validated: bool = True
    steps: int = STEPS
    fewest: int = 1

    def shared_by(self, replicas):
        return self

    def training(self, first_epoch):
        return tf.data.Dataset.from_tensors((np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32))).repeat()

    def validation_batches(self):
        return self.training(0).take(1) if self.validated else None


class OneWeight(KerasFitting):
    def build(self, *, pretrained):
        one = keras.initializers.Ones()
        layer = keras.layers.Dense(1, use_bias=False, kernel_initializer=one if pretrained else "zeros", name="only")
        inputs = keras.Input((1,))
        return keras.Model(inputs, layer(inputs))

    def set_trainable(self, network, phase):
        pass

    def base_of(self, network):
        return keras.Model(network.inputs, network.outputs)

    def objective(self):
        return {"loss": lambda truth, answer: keras.ops.mean((answer - truth) ** 2, axis=-1) / 2}

    def export(self, network):
        raise NotImplementedError

    def signature(self):
        raise NotImplementedError


def fitting(folder, validated=True, **settings) -> OneWeight:
    own = Settings(**{"optimizer": "sgd", "momentum": 0.0, **settings})
    return OneWeight("one", own, Data(own, validated), 1, folder)


def weight_of(fitting) -> float:
    return float(fitting.best_network().get_weights()[0][0, 0])


def column(history: History, name: str) -> list[float]:
    return [float(row[name]) for row in history.rows]


def averages(weights, decay, start=1.0):
    """The average after each step, by hand."""
    found = [start]
    for step, weight in enumerate(weights, start=1):
        kept = decay_at(step, decay)
        found.append(kept * found[-1] + (1 - kept) * weight)
    return found[1:]


def killed_after(epochs, monkeypatch):
    """Let the checkpoint of an epoch be the last thing that a process does."""
    write = History.write

    def dying(self, path):
        if len(self) == epochs and path.parent.name != f"epoch-{epochs:04d}" and not path.parent.name.startswith("."):
            raise KeyboardInterrupt
        write(self, path)

    monkeypatch.setattr(History, "write", dying)


def test_a_young_average_forgets_soon():
    assert [decay_at(step, 0.9) for step in (1, 2, 80, 81, 1000)] == pytest.approx([2 / 11, 3 / 12, 0.9, 0.9, 0.9])


def test_averages_are_validated_and_kept_while_the_weights_go_on_from_where_they_were(tmp_path):
    averaged = fitting(tmp_path, ema=0.4)
    history = averaged.run()
    weights = [0.5**step for step in range(1, 7)]  # never touched by the averages
    shown = averages(weights, 0.4)
    assert column(history, "loss") == pytest.approx([(1 + 0.25) / 4, (0.25**2 + 0.125**2) / 4, (0.5**8 + 0.5**10) / 4])
    assert column(history, "val_loss") == pytest.approx([average**2 / 2 for average in shown[1::2]])
    assert weight_of(averaged) == pytest.approx(shown[-1])


def test_the_next_phase_starts_from_the_average_of_the_best_epoch(tmp_path):
    averaged = fitting(tmp_path, ema=0.4, lengths=(2, 1))
    history = averaged.run()
    start = averages([0.5**step for step in range(1, 5)], 0.4)[-1]
    assert column(history, "loss")[-1] == pytest.approx((start**2 + (start / 2) ** 2) / 4)
    assert weight_of(averaged) == pytest.approx(averages([start / 2, start / 4], 0.4, start)[-1])


def test_a_refit_publishes_the_averages_of_its_last_epoch(tmp_path):
    averaged = replace(fitting(tmp_path, validated=False, ema=0.4), epochs_per_phase={"phase0": 2})
    assert "val_loss" not in averaged.run().rows[-1]
    assert weight_of(averaged) == pytest.approx(averages([0.5**step for step in range(1, 5)], 0.4)[-1])


def test_a_killed_run_ends_as_one_that_was_not(tmp_path):
    options = {"lengths": (3, 4), "learning_rate": 0.1, "ema": 0.4, "warmup": 2.5, "optimizer": "adam"}
    whole = fitting(tmp_path / "whole", **options)
    expected = whole.run()
    with pytest.MonkeyPatch.context() as patch:
        killed_after(5, patch)  # two epochs into the second phase, whose warm-up goes on
        with pytest.raises(KeyboardInterrupt):
            fitting(tmp_path / "killed", **options).run()
    killed = fitting(tmp_path / "killed", **options)
    history = killed.run()
    for name in ("loss", "val_loss", "learning_rate"):
        assert column(history, name) == column(expected, name), name
    assert weight_of(killed) == weight_of(whole)


def test_a_warm_up_is_made_of_steps_and_the_schedule_goes_on_after_it(tmp_path):
    history = fitting(tmp_path, warmup=1.5, learning_rate=0.1, schedule="cosine", lengths=(4,)).run()
    second = 0.1 * (1 + np.cos(np.pi / 4)) / 2
    third = 0.1 * (1 + np.cos(np.pi / 2)) / 2
    # Steps of the first epoch at 0.1 and 0.4 of the rate, of the second at 0.7 and 1.
    assert column(history, "learning_rate")[:3] == pytest.approx([0.04, second, third], rel=1e-5)
    first = (1 - 0.01, (1 - 0.01) * (1 - 0.04))
    assert column(history, "val_loss")[0] == pytest.approx(first[1] ** 2 / 2)
    weight = first[1] * (1 - 0.7 * second) * (1 - second)
    assert column(history, "val_loss")[1] == pytest.approx(weight**2 / 2)


def test_a_refit_of_fewer_epochs_than_the_warm_up_reaches_its_rate(tmp_path):
    options = {"validated": False, "warmup": 2.0, "learning_rate": 0.1, "lengths": (6,)}
    refit = replace(fitting(tmp_path, **options), epochs_per_phase={"phase0": 1})
    assert column(refit.run(), "learning_rate") == pytest.approx([0.1])  # two steps: at a tenth, and at the whole rate
    assert weight_of(refit) == pytest.approx((1 - 0.01) * (1 - 0.1))


def test_snapshots_are_the_best_networks_of_the_cycles_and_only_their_checkpoints_stay(tmp_path):
    options = {"schedule": "cosine", "snapshots": 2, "lengths": (1, 4), "patience": 1, "learning_rate": 0.5}
    whole = fitting(tmp_path, **options)
    history = whole.run()
    # Two steps at each epoch's rate, 0.5 before the cycles and 0.5 and 0.25 within each.
    weights = np.cumprod([0.5**2, 0.5**2, 0.75**2, 0.5**2, 0.75**2])
    assert column(history, "val_loss") == pytest.approx(weights**2 / 2)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["epoch-0003", "epoch-0005"]
    for number, epoch in ((1, 3), (2, 5)):
        snapshot = fitting(tmp_path, **options, snapshot=number)
        assert snapshot.best_epoch() == epoch
        assert weight_of(snapshot) == pytest.approx(weights[epoch - 1])


def test_without_options_nothing_is_called_at_a_step(tmp_path):
    plain = fitting(tmp_path)
    model = plain._compiled(plain.build(pretrained=True), plain.phases[0])
    assert [type(each).__name__ for each in plain._callbacks(plain.phases[0], model, 0, STEPS)] == [
        *("EpochProgress", "TensorBoard", "Recorder")
    ]
