"""The members' trainings: each a job of its own, here or on a cluster, what is up to date left as it is."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import registry
from pipeline.fetch import Weights, fetch_missing
from pipeline.jobs.engines import engine_of, records_of
from pipeline.jobs.job import Away, Ended, Job
from pipeline.jobs.run import run_jobs
from spine.core.problems import SpineError, within
from spine.core.processes import holder_of
from spine.experiment.config import REFIT, Experiment

if TYPE_CHECKING:
    from spine.dataset.manifest import Manifest

__all__ = [
    *("Training", "chosen_members", "members_to_train", "name_of_training", "require_trainings", "train_members"),
    "trainings_of",
]

Show = Callable[[str], None]
EXPERIMENT, DATA, RUNS, TAKEN = "its.yaml", "its-data", "its-runs", "its-rehearsal"  # places of a job that is away


@dataclass(frozen=True, eq=False)
class Training:
    """What one process trains: a member of an experiment, or of one of its folds, on the dataset as that sees it."""

    member: str
    experiment: Experiment
    dataset: Manifest

    def __str__(self) -> str:
        return name_of_training(self.experiment, self.member).removeprefix("train ")

    def job(self, file: Path) -> Job:
        """What trains it, of the experiment's resolved file."""
        from spine.experiment.outcomes import outcomes

        experiment = self.experiment
        given = [outcome.directory for outcome in outcomes(experiment, self.member)]
        gives = {f"{RUNS}/{own.relative_to(experiment.runs).as_posix()}": own for own in given}
        job = self._asked(name_of_training(experiment, self.member), file, records_of(experiment), gives)
        return replace(job, with_less=self._with_less)

    def rehearsal(self, file: Path, result: Path, records: Path) -> Job:
        """What trains a few batches of it alike, and writes what that took: `result`, the only file of its folder."""
        folder = Path(TAKEN) if self.is_away else result.parent
        gives = {TAKEN: result.parent}
        return self._asked(f"rehearse {self.member}", file, records, gives, "--rehearse", str(folder / result.name))

    @property
    def is_away(self) -> bool:
        """Whether it runs on a machine without this disk."""
        return self.experiment.executor.kind == "ray" and bool(self.experiment.executor.store)

    def _asked(self, name: str, file: Path, records: Path, gives: Mapping[str, Path], *options: str) -> Job:
        """The command of its task, asked for the member, and of which fold; what it `gives`, place -> directory here,
        comes back from a machine without this disk. There travel the dataset, and files that the settings name.
        """
        experiment = self.experiment
        fold = [] if experiment.fold is None else [f"fold={experiment.fold}"]
        asked = ("--member", self.member, *fold, *options)
        module = f"{registry.package_of(experiment.task)}.train"
        if not self.is_away:
            return Job(name, module, (str(file), *asked), records)
        named = {str(path): path for path in _files_of(experiment.members[self.member].model_dump())}
        brings = {EXPERIMENT: file, DATA: experiment.data, **named}
        places = (f"data={DATA}", f"runs={RUNS}")
        away = Away(experiment.executor.store, brings, gives)
        return Job(name, module, (EXPERIMENT, *asked, *places), records, away=away)

    @property
    def _with_less(self) -> tuple[str, ...]:
        """What halves its batch; nothing where it has none, or one of a picture."""
        settings = self.experiment.members[self.member]
        batch = settings.batch if "batch" in type(settings).model_fields else 1
        return ("--batch", str(batch // 2)) if batch > 1 else ()

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


def _files_of(settings: Any) -> Iterator[Path]:
    """The files and directories below the working directory that settings name, such as weights."""
    if isinstance(settings, Mapping):
        for value in settings.values():
            yield from _files_of(value)
    elif isinstance(settings, str | Path) and _is_below(path := Path(settings)):
        yield path


def _is_below(path: Path) -> bool:
    """Whether it names something below the working directory, by a relative path: the same on every machine.

    A lone word without an ending is a choice, such as of a network, even where a folder is called so.
    """
    is_path = len(path.parts) > 1 or bool(path.suffix)
    return is_path and not path.is_absolute() and ".." not in path.parts and path.exists()


def name_of_training(part: Experiment, member: str) -> str:
    """What the training of a member of an experiment, or of one of its folds, is called."""
    fold = "" if part.fold is None else f" {part.fold}" if part.fold == REFIT else f" fold {part.fold}"
    return f"train {member}{fold}"


def chosen_members(experiment: Experiment, only: Iterable[str] = ()) -> list[str]:
    """The members of these names, or all seeds and snapshots of such; without any, all members.

    SpineError where one is unknown.
    """
    from spine.experiment.seeds import standing_for

    chosen = [each for name in only for each in standing_for(name, experiment.members)] or list(experiment.members)
    for name in chosen:
        if name not in experiment.members:
            known = ", ".join(experiment.members)
            raise SpineError(f"member {name!r} is not in {experiment.name}; its members: {known}")
    return chosen


def trainings_of(experiment: Experiment, manifest: Manifest, names: Iterable[str]) -> list[list[Training]]:
    """All trainings of those members that are its own: stages that begin when the one before has ended, refits last."""
    from spine.experiment.folds import stages

    own = [name for name in names if not _is_external(experiment, name)]
    return [_each_once(_trainings(manifest, stage, own)) for stage in stages(experiment)]


def require_trainings(
    experiments: Sequence[Experiment],
    only: Iterable[str] = (),
    fold: int | None = None,
    awaited: Collection[Path] = (),
) -> None:
    """Tell, before the first of several experiments trains, what would end a training of any of them, by its name.

    Of each whose dataset is there, all that `train_members` asks before it trains, but its members' weights, which
    `pipeline.fetch_ahead` asks for. Members whose directories are `awaited` are published before their experiment's
    turn, and not asked for.
    """
    only = list(only)
    for experiment in experiments:
        if not (experiment.data / "dataset.json").exists():
            continue  # it is built later, of what an earlier experiment gives
        with within(f"experiment {experiment.name}"):
            _require(experiment, only, fold, awaited)


def _require(experiment: Experiment, only: Sequence[str], fold: int | None, awaited: Collection[Path]) -> None:
    """What would end a training, as SpineError. Warnings wait until it is their turn."""
    from spine.experiment.dataset import read_dataset
    from spine.experiment.folds import parts
    from spine.experiment.foreign import require_predictions
    from spine.experiment.foresight import require_metric, require_strangers

    chosen = [name for name in chosen_members(experiment, only) if experiment.member_directory(name) not in awaited]
    external = [name for name in chosen if _is_external(experiment, name)]
    require_predictions(experiment, external)
    if not (own := [name for name in chosen if name not in external]):
        return
    manifest = read_dataset(experiment)
    require_metric(experiment, manifest)
    require_strangers(experiment, manifest, own)
    trained = parts(experiment) if fold is None else [_part(experiment, fold)]
    outdated = _each_once([one for one in _trainings(manifest, trained, own) if not one.is_done])
    _require_trainable(trained, outdated, lambda line: None)


def members_to_train(
    experiment: Experiment, dataset: Manifest | None, only: Iterable[str] = (), fold: int | None = None
) -> list[str]:
    """Members that `train_members` would train: its own that are not up to date, all where there is no dataset yet."""
    from spine.experiment.folds import stages

    own = [name for name in chosen_members(experiment, only) if not _is_external(experiment, name)]
    if dataset is None:
        return own
    parts = [[_part(experiment, fold)]] if fold is not None else stages(experiment)
    trainings = [one for stage in parts for one in _trainings(dataset, stage, own)]
    return list(dict.fromkeys(training.member for training in trainings if not training.is_done))


def train_members(
    experiment: Experiment,
    show: Show,
    only: Iterable[str] = (),
    fold: int | None = None,
    fetched: Collection[Weights] = (),
) -> list[Path]:
    """Train the members that are not up to date, each in a process of its own; gives their directories.

    Weights that were `fetched` just before are not fetched again.

    With folds, a process for each fold of a member, or for `fold` alone; then the members are made of their folds. A
    crash costs one training: the others are run first, then SpineError names those that failed. External members are
    not trained, but have to bring their predictions before others are.
    """
    from spine.experiment.dataset import read_dataset
    from spine.experiment.folds import stages
    from spine.experiment.foreign import require_predictions
    from spine.experiment.foresight import require_metric, require_strangers
    from spine.experiment.trained import under_another_salt

    chosen = chosen_members(experiment, only)
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
        require_strangers(experiment, manifest, own)
    if fold is not None:
        part = _part(experiment, fold)
        _train(experiment, manifest, [part], own, show, fetched)
        return [part.member_directory(name) for name in own]
    for stage in stages(experiment):
        _train(experiment, manifest, stage, own, show, fetched)
    if experiment.folds:
        show("join folds")
        registry.join_folds(experiment, chosen)
    return [experiment.member_directory(name) for name in chosen]


def _part(experiment: Experiment, fold: int) -> Experiment:
    """The experiment of one fold; SpineError where it has no such."""
    from spine.experiment.folds import parts

    if not 0 <= fold < experiment.folds:
        have = f"folds 0 to {experiment.folds - 1}" if experiment.folds else "no folds; set `folds`, such as folds=5"
        raise SpineError(f"fold {fold} was asked for, and {experiment.name} has {have}")
    return parts(experiment)[fold]


def _is_external(experiment: Experiment, name: str) -> bool:
    """Whether what no experiment trains lies there, whole: a foreign member, or a two-stage one with its SavedModel."""
    from spine.member.member import Member

    directory = experiment.member_directory(name)
    return Member.is_external(directory) and Member.is_complete(directory, "")


def _train(
    experiment: Experiment,
    manifest: Manifest,
    parts: Sequence[Experiment],
    names: Sequence[str],
    show: Show,
    fetched: Collection[Weights],
) -> None:
    from spine.experiment.foresight import warn_of_doubts

    trainings = _trainings(manifest, parts, names)
    outdated = [training for training in trainings if not training.is_done]
    for training in trainings:
        if training not in outdated:
            show(f"train {training}: up to date")
            training.tidy()
    outdated = _each_once(outdated)
    _require_trainable(parts, outdated, show)
    to_train = list(dict.fromkeys(training.member for training in outdated))
    warn_of_doubts(experiment, to_train, show)
    file = experiment.write(experiment.directory / "experiment.yaml")
    fetch_missing(experiment, file, to_train, show, fetched)
    engine = engine_of(experiment)
    ends = run_jobs(engine, [training.job(file) for training in outdated], experiment.executor, show)
    _require_all(outdated, ends)


def _require_all(trainings: Sequence[Training], ends: Sequence[Ended]) -> None:
    """SpineError of the trainings that failed, and of those that another command is still at."""
    failed, elsewhere = [], dict[str, list[str]]()
    for training, end in zip(trainings, ends, strict=True):
        if not end.status:
            continue
        if not (by := end.by or holder_of(training.directory)):
            failed.append(f"{training} ({end.why})")
        elif not training.is_done:  # it may have ended while others were trained here
            elsewhere.setdefault(by, []).append(str(training))
    told = []
    if failed:
        told.append(
            f"training failed for {', '.join(failed)}. Fix the cause and run the same command again: "
            "finished members are skipped, killed ones resume"
        )
    if elsewhere:
        them = "; ".join(f"{', '.join(names)} by {process}" for process, names in elsewhere.items())
        told.append(f"being trained by another command: {them}. When that has ended, the same command goes on")
    if told:
        raise SpineError(". ".join(told))


def _require_trainable(parts: Sequence[Experiment], outdated: Sequence[Training], show: Show) -> None:
    from spine.experiment.foresight import require_trainable

    for part in parts:
        if own := [training for training in outdated if training.experiment is part]:
            require_trainable(part, own[0].dataset, [training.member for training in own], show)


def _trainings(manifest: Manifest, parts: Sequence[Experiment], names: Sequence[str]) -> list[Training]:
    """Member by member, each on the dataset as its part of the experiment sees it."""
    from spine.experiment.folds import view

    seen = [(part, view(part, manifest)) for part in parts]
    return [Training(name, part, dataset) for name in names for part, dataset in seen]


def _each_once(trainings: Sequence[Training]) -> list[Training]:
    """Of members that one training gives, such as snapshots, the first that is asked for."""
    return list({training.directory: training for training in reversed(trainings)}.values())[::-1]
