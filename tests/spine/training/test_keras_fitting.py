"""What every task's training is made of."""

from types import SimpleNamespace

import pytest

from spine.training.keras_fitting import optimizer
from spine.training.schedule import Phase

PHASE = Phase("frozen", epochs=5, learning_rate=0.1)


@pytest.mark.parametrize("name", ["adam", "sgd", "rmsprop"])
def test_each_optimizer_takes_the_phase_s_rate(name):
    made = optimizer(PHASE, SimpleNamespace(optimizer=name, momentum=0.8))
    assert type(made).__name__.lower() == name
    assert float(made.learning_rate) == pytest.approx(0.1)
    assert getattr(made, "momentum", 0.8) == 0.8
