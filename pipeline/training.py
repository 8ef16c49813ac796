"""The members' trainings: each in a process of its own, several at a time, what is up to date left as it is."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import registry
from spine.core.cores import usable_cores
from spine.core.disk import is_short
from spine.core.problems import SpineError
from spine.core.processes import as_child, end_children, run_child
from spine.experiment.config import REFIT, Experiment

if TYPE_CHECKING:
    from spine.dataset.manifest import Manifest

__all__ = ["Training", "command_of", "share_of_cores", "train_members"]

Show = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Training:
    """What one process trains: a member of an experiment, or of one of its folds, on the dataset as that sees it."""

    member: str
    experiment: Experiment
    dataset: Manifest

    def __str__(self) -> str:
        fold = self.experiment.fold
        return self.member if fold is None else f"{self.member} {f'fold {fold}' if fold != REFIT else fold}"

    @property
    def overrides(self) -> list[str]:
        """What its command adds to the experiment file."""
        return [] if self.experiment.fold is None else [f"fold={self.experiment.fold}"]

    @property
    def is_done(self) -> bool:
        """Whether its directory, and that of each member that the same training gives, holds just this."""
        from spine.experiment.outcomes import is_trained

        return is_trained(self.experiment, self.member, self.dataset)

    @property
    def directory(self) -> Path:
        """Where it runs: of several members that one training gives, the first one's."""
        from spine.experiment.outcomes import outcomes

        return outcomes(self.experiment, self.member)[0].directory

    def tidy(self) -> None:
        """Remove what a training that was killed at its very end had no time to remove."""
        shutil.rmtree(self.directory / "checkpoints", ignore_errors=True)


def train_members(experiment: Experiment, show: Show, only: Iterable[str] = ()) -> list[Path]:
    """Train the members that are not up to date, each in a process of its own; gives their directories.

    With folds, a process for each fold of a member; then the members are made of their folds. A crash costs one
    training: the others are run first, then SpineError names those that failed. External members are not trained,
    but have to bring their predictions before others are.
    """
    from spine.experiment.dataset import read_dataset
    from spine.experiment.folds import parts, refit
    from spine.experiment.foreign import require_predictions
    from spine.experiment.foresight import require_metric
    from spine.experiment.seeds import seeds_of
    from spine.experiment.trained import under_another_salt

    chosen = [each for name in only for each in seeds_of(name, experiment.members)] or list(experiment.members)
    _require_known(experiment, chosen)
    for line in under_another_salt(experiment):
        show(f"warning: {line}")
    external = [name for name in chosen if _is_external(experiment, name)]
    require_predictions(experiment, external)
    for name in external:
        show(f"train {name}: external, up to date")
    own = [name for name in chosen if name not in external]
    manifest = read_dataset(experiment)
    if own:
        require_metric(experiment, manifest)
    _train(experiment, manifest, parts(experiment), own, show)
    if experiment.folds:
        if experiment.served == REFIT:
            _train(experiment, manifest, [refit(experiment)], own, show)
        show("join folds")
        registry.join_folds(experiment, chosen)
    return [experiment.member_directory(name) for name in chosen]


def _is_external(experiment: Experiment, name: str) -> bool:
    """Whether what no experiment trains lies there, whole: a foreign member, or a two-stage one with its SavedModel."""
    from spine.member.member import Member

    directory = experiment.member_directory(name)
    return Member.is_external(directory) and Member.is_complete(directory, "")


def _train(
    experiment: Experiment, manifest: Manifest, parts: Sequence[Experiment], names: Sequence[str], show: Show
) -> None:
    from spine.experiment.folds import view
    from spine.experiment.foresight import require_trainable, warn_of_doubts

    seen = [(part, view(part, manifest)) for part in parts]
    trainings = [Training(name, part, dataset) for name in names for part, dataset in seen]
    outdated = [training for training in trainings if not training.is_done]
    for training in trainings:
        if training not in outdated:
            show(f"train {training}: up to date")
            training.tidy()
    # Of members that one training gives, such as snapshots, the first is asked for.
    outdated = list({training.directory: training for training in reversed(outdated)}.values())[::-1]
    for part, dataset in seen:
        require_trainable(
            part, dataset, [training.member for training in outdated if training.experiment is part], show
        )
    to_train = list(dict.fromkeys(training.member for training in outdated))
    warn_of_doubts(experiment, to_train, show)
    file = experiment.write(experiment.directory / "experiment.yaml")
    _fetch(experiment, file, to_train, show)

    package = registry.package_of(experiment.task)

    def train(training: Training) -> int:
        show(f"train {training}")
        name, overrides = training.member, training.overrides
        return _train_in_own_process(package, file, name, experiment.jobs, *overrides)

    with ThreadPoolExecutor(experiment.jobs) as pool:
        try:
            statuses = list(pool.map(train, outdated))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # after Ctrl-C no further member starts
            end_children()
            raise
    failed = [
        f"{training} ({_why(status, experiment.directory)})"
        for training, status in zip(outdated, statuses, strict=True)
        if status
    ]
    if failed:
        raise SpineError(
            f"training failed for {', '.join(failed)}. Fix the cause and run the same command again: "
            "finished members are skipped, killed ones resume"
        )


def _why(status: int, directory: Path) -> str:
    """Why a training ended with that exit status; a process that was killed had no last word of its own."""
    if status > 0:
        return "see above"
    full = f"; the disk of {directory} is full" if is_short(directory) else ""
    return f"was killed by signal {-status}{full or ('; out of memory?' if -status == signal.SIGKILL else '')}"


def _require_known(experiment: Experiment, names: Iterable[str]) -> None:
    for name in names:
        if name not in experiment.members:
            known = ", ".join(experiment.members)
            raise SpineError(f"member {name!r} is not in {experiment.name}; its members: {known}")


def _fetch(experiment: Experiment, file: Path, names: Sequence[str], show: Show) -> None:
    """Have the weights that members start from on this machine, and files of them opened, before the first trains."""
    from pipeline.fetch import fetch_in_own_process

    if pretrained := [name for name in names if experiment.members[name].initial_weights]:
        show("fetch weights")
        fetch_in_own_process(file, pretrained)


def command_of(package: str, file: Path, name: str, *overrides: str) -> list[str]:
    """What trains a member of an experiment file in a process of its own."""
    # -m puts the working directory first on the path; an installed package must win over a stray folder there.
    return [sys.executable, "-P", "-m", f"{package}.train", str(file), "--member", name, *overrides]


def _train_in_own_process(package: str, file: Path, name: str, jobs: int, *overrides: str) -> int:
    command = command_of(package, file, name, *overrides)
    # Its output is news of the work (stderr, 2), not the result of this command.
    environment = {**as_child(), "PYTHONUNBUFFERED": "1"}
    if jobs == 1:
        return run_child(command, environment)
    # Several at once share the terminal line by line: bars would overwrite each other, and are not drawn into a pipe.
    return run_child(command, environment | share_of_cores(jobs), line_by_line=True)


def share_of_cores(jobs: int) -> dict[str, str]:
    """TensorFlow's threads for one of several trainings, so that they do not fight for the cores."""
    threads = str(max(1, usable_cores() // jobs))
    return {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads, "OMP_NUM_THREADS": threads}
