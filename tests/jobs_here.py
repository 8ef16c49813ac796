"""Jobs without processes: what a test gives runs in their place, and its exit status is theirs."""

from collections.abc import Callable
from pathlib import Path
from threading import Lock

import pytest

from ensemble.validation_score import score_on_validation
from pipeline import fetch, fetch_ahead, registry
from pipeline.experiments import load_experiment
from pipeline.jobs import run, work
from pipeline.tuning import trial


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


def do_all_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have trainings, the reading of weights and the scores of tuning in this process: each spares one's imports."""
    turn = Lock()  # Keras trains one at a time

    def train(member: str, file: Path, *overrides: str) -> int:
        experiment = load_experiment(file, overrides)
        with turn:
            registry.train(experiment.task)(experiment, member)
        return 0

    def fetch_here(file: Path, members: list[str]) -> dict[str, str]:
        return fetch.fetch(load_experiment(file), members)

    def judge(file: Path, member: str, overrides: list[str], log: Path) -> float:
        return score_on_validation(load_experiment(file, overrides), member)

    train_here(monkeypatch, train)
    monkeypatch.setattr(trial, "run_child", work.run_child)
    monkeypatch.setattr(trial, "judge_in_own_process", judge)
    monkeypatch.setattr(fetch, "fetch_in_own_process", fetch_here)
    monkeypatch.setattr(fetch_ahead, "fetch_in_own_process", fetch_here)
