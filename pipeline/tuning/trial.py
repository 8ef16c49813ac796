"""One trial: a member trained in a process of its own, watched epoch by epoch, cut short or judged on validation.

trials/0007/    experiment.yaml  log.txt  history.csv  result.json     what is kept
                NAME/members/MEMBER/                                   the training, removed when it is judged
"""

from __future__ import annotations

import math
import shutil
import signal
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ensemble.record.tuning_study import State
from pipeline import registry
from pipeline.jobs.local import share_of_cores
from pipeline.jobs.work import command_of
from pipeline.tuning.judge import judge_in_own_process
from spine.core.files import fingerprint, read_if_whole, write_json
from spine.core.problems import SpineError
from spine.core.processes import as_child, end_children, run_child
from spine.experiment.config import Experiment
from spine.experiment.outcomes import outcomes
from spine.training.history import History

__all__ = ["Ended", "Watch", "run_trial", "watched_value"]

LOOK_EVERY = 0.25  # seconds
WATCHED = ("val_map50", "val_dice_foreground", "val_loss")  # the first that an epoch has, unless another is asked for

Row = Mapping[str, Any]
Watch = Callable[[Row], bool]  # told of each epoch once, in order; whether the trial is to be cut short there


@dataclass(frozen=True)
class Ended:
    """How a trial ended: its score where it is complete, what happened where it is not."""

    state: State
    score: float | None = None
    note: str = ""


def run_trial(experiment: Experiment, member: str, directory: Path, watch: Watch) -> Ended:
    """Train `member` of an experiment below `directory`, and judge it; one that was killed goes on.

    With folds, the first one is trained. SpineError where a signal ended the training, or it cannot be judged: then
    the trial may go on later.
    """
    tried = fingerprint(experiment.members[member].model_dump(mode="json"))
    kept = read_if_whole(directory / "result.json")
    if kept.pop("tried", "") == tried:
        return Ended(**kept)
    trained = _below(experiment, member, directory)
    file, overrides = trained.write(directory / "experiment.yaml"), ["fold=0"] if experiment.folds else []
    part = trained.model_copy(update={"fold": 0}) if experiment.folds else trained
    history = outcomes(part, member)[0].directory / "history.csv"
    command = command_of(f"{registry.package_of(experiment.task)}.train", [str(file), "--member", member, *overrides])
    cores = share_of_cores(experiment.jobs) if experiment.jobs > 1 else {}
    environment = {**as_child(), **cores, "PYTHONUNBUFFERED": "1"}
    status, epochs = _train(command, environment, directory / "log.txt", history, watch)
    if epochs:
        ended = Ended("pruned", note=f"after epoch {epochs}")
    elif status:
        ended = _failed(status, directory / "log.txt")
    else:
        score = judge_in_own_process(file, member, overrides, directory / "log.txt")
        ended = Ended("complete", score) if math.isfinite(score) else Ended("failed", note="the metric has no value")
    if rows := History.read(history).rows:
        History(rows[: epochs or None]).write(directory / "history.csv")
    write_json({**asdict(ended), "tried": tried}, directory / "result.json")
    for training in directory.glob("*/"):
        shutil.rmtree(training, ignore_errors=True)
    return ended


def watched_value(row: Row, asked: str) -> tuple[str, float] | None:
    """The column of an epoch that pruning goes by, and its value; None where the epoch was not validated.

    SpineError where it was, and has no such column.
    """
    columns = [name for name in row if name.startswith("val_")]
    if not columns:
        return None
    name = asked or next((name for name in WATCHED if name in row), "")
    if name not in row:
        raise SpineError(f"tune.watch is {asked!r}; the epochs of this member have {', '.join(columns)}")
    return name, float(row[name])


def _below(experiment: Experiment, member: str, directory: Path) -> Experiment:
    """The same with nothing but that member, and its runs below the trial's directory."""
    only = {member: experiment.members[member]}
    return experiment.model_copy(update={"runs": directory, "members": only, "tune": None})


def _train(
    command: list[str], environment: Mapping[str, str], log: Path, history: Path, watch: Watch
) -> tuple[int, int]:
    """Run a training to its exit status; after which epoch the watch cut it short, 0 where it did not.

    One that has ended meanwhile is cut short too, so that it does not depend on how fast anybody looked.
    """
    epochs = 0

    def is_cut() -> bool:
        nonlocal epochs
        for row in History.read(history).rows[epochs:]:
            epochs += 1
            if watch(row):
                return True
        return False

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run_child, command, environment, log=log)
        try:
            while not running.done():
                wait([running], timeout=LOOK_EVERY)
                if is_cut():
                    end_children()
                    return running.result(), epochs
        except BaseException:
            end_children()
            raise
    return running.result(), epochs if is_cut() else 0


def _failed(status: int, log: Path) -> Ended:
    """What a training that failed leaves; SpineError where a signal ended it, which is no fault of its settings."""
    if status < 0:
        why = "; perhaps out of memory" if -status == signal.SIGKILL else ""
        raise SpineError(
            f"the training of {log.parent} was killed by signal {-status}{why}. Run the same command again: it goes on"
        )
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    last = next((line for line in reversed(lines) if line.startswith("error:")), lines[-1] if lines else "no word")
    return Ended("failed", note=last.removeprefix("error:").strip()[:300])
