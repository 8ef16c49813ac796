"""The optimizer of a phase and its learning rate, step by step, from Model Garden's own."""

from __future__ import annotations

from typing import Any

import tf_keras
from official.modeling.optimization import OptimizationConfig, OptimizerFactory

from detection.config import Phase, Settings
from spine.training.schedule import warm_up_of

__all__ = ["optimizer_of"]


def optimizer_of(phase: Phase, settings: Settings, steps: int) -> tf_keras.optimizers.Optimizer:
    """The optimizer of a phase of so many steps an epoch; its count of iterations is all that its rate depends on."""
    factory = OptimizerFactory(
        OptimizationConfig(
            {
                "optimizer": _optimizer(settings),
                "learning_rate": _learning_rate(phase, settings, steps),
                "warmup": _warmup(phase, settings, steps),
            }
        )
    )
    return factory.build_optimizer(factory.build_learning_rate(), use_legacy_optimizer=False)


def _optimizer(settings: Settings) -> dict[str, Any]:
    own = {
        "sgd": ("sgd_experimental", {"momentum": settings.momentum}),
        "adam": ("adam_experimental", {}),
        "rmsprop": ("rmsprop", {"momentum": settings.momentum}),
    }
    name, values = own[settings.optimizer]
    return {"type": name, name: {**values, "global_clipnorm": settings.global_clipnorm}}


def _learning_rate(phase: Phase, settings: Settings, steps: int) -> dict[str, Any]:
    rate = phase.learning_rate
    if settings.schedule == "constant":
        return {"type": "constant", "constant": {"learning_rate": rate}}
    if settings.schedule == "cosine":
        return {
            "type": "cosine",
            "cosine": {"initial_learning_rate": rate, "decay_steps": phase.epochs * steps},
        }
    falls = range(settings.step, phase.epochs, settings.step)
    if not falls:
        return {"type": "constant", "constant": {"learning_rate": rate}}
    values = [rate * settings.gamma**number for number in range(len(falls) + 1)]
    return {"type": "stepwise", "stepwise": {"boundaries": [epoch * steps for epoch in falls], "values": values}}


def _warmup(phase: Phase, settings: Settings, steps: int) -> dict[str, Any]:
    wanted = round(warm_up_of(phase, settings.warmup) * steps)
    if not wanted:
        return {}
    return {"type": "linear", "linear": {"warmup_steps": wanted, "warmup_learning_rate": phase.learning_rate / 10}}
