"""Jobs without processes: what a test gives runs in their place, and its exit status is theirs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.jobs import run, work


def train_here(monkeypatch: pytest.MonkeyPatch, train: Callable[..., int]) -> None:
    """Have `train(member, experiment file, *overrides)` in place of each process that trains a member."""

    def run_child(command, environment, **_) -> int:
        _, _, _, module, file, _, name, *overrides = command
        assert module.endswith(".train")
        return train(name, Path(file), *overrides)

    monkeypatch.setattr(work, "run_child", run_child)
    monkeypatch.setattr(run, "LOOK_EVERY", 0.005)


def train_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test where a training is started."""
    train_here(monkeypatch, lambda *given: pytest.fail(f"a training was started: {given}"))
