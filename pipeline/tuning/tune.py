"""`spine tune`: trials of a member's settings, one after another, until the budget is spent; then what they found."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from ensemble.record.tuning_study import Asked, TunedTrial, TuningStudy
from pipeline.data import warn_if_config_changed
from pipeline.fetch import Weights, fetch_missing, weights_of
from pipeline.tuning.found import Found, write_trials
from pipeline.tuning.judged import Judged
from pipeline.tuning.lines import Progress, line_of, opening
from pipeline.tuning.space import TunedFile
from pipeline.tuning.trial import Ended, run_trial, watched_value
from spine.core.files import fingerprint
from spine.core.problems import SpineError
from spine.core.processes import exclusive_lock
from spine.core.strict import without_password
from spine.dataset.manifest import Manifest
from spine.experiment.config import Experiment
from spine.experiment.dataset import read_dataset
from spine.experiment.folds import parts, view
from spine.experiment.foresight import require_trainable

__all__ = ["search_settings", "tune"]

Show = Callable[[str], None]
REFUSED = 100  # combinations one after another that the member cannot have: there is no other
FAILED = 3  # trainings one after another: what is wrong is no matter of their settings


def tune(path: Path, overrides: Sequence[str], show: Show) -> list[Path]:
    """Search for the settings of the experiment's `tune`; gives the paths that it wrote, the best settings' first."""
    return search_settings(path, overrides, show).write()


def search_settings(path: Path, overrides: Sequence[str], show: Show) -> Found:
    """What the search for the settings of the experiment's `tune` finds, not yet written.

    A study that was killed goes on, and one with a larger budget too. Nothing reads test. SpineError where a name or
    value of the space is wrong, before anything trains, or where trials fail one after another.
    """
    file = TunedFile.read(path, overrides)
    for line in file.doubtful():
        show(f"warning: tune.space: {line}")
    warn_if_config_changed(file.experiment, show)
    if file.experiment.executor.kind != "local":
        kind = file.experiment.executor.kind
        show(f"warning: executor.kind is {kind}, which trials do not use: they train on this machine, one by one")
    tuning = Tuning.of(file, show)
    tuning.run()
    return tuning.finish()


@dataclass
class Tuning:
    """A study at work: the file, what it is judged on, and the trials' record."""

    file: TunedFile
    judged: Judged
    study: TuningStudy
    common: str  # fingerprint of what all members of the experiment are tuned on
    show: Show
    fetched: set[Weights] = field(default_factory=set)

    @classmethod
    def of(cls, file: TunedFile, show: Show) -> Tuning:
        """Open the study, after all was asked of the data that would end every trial."""
        part = parts(file.experiment)[0]
        manifest = read_dataset(file.experiment)
        seen = view(part, manifest)
        judged = Judged.of(part, seen)
        require_trainable(part, seen, [file.trained], show)
        one = file.experiment
        targets = [head.target for head in one.heads] or one.target
        common = fingerprint([one.task, targets, one.labels, one.seed, manifest.data_hash, manifest.splits_hash])
        return cls(file, judged, _opened(file, manifest, judged), common, show)

    @property
    def directory(self) -> Path:
        """`runs/<experiment>/tune/<member>/`."""
        return _directory(self.file)

    def run(self) -> None:
        """Run trials until the budget is spent or all was tried."""
        settings = self.file.settings
        self.show(opening(settings, self.judged, len(self.study.trials())))
        own = self.file.own_values
        if settings.holds(own):
            self.study.begin_with(own)
        refused = 0
        while refused < REFUSED:
            with ExitStack() as stack:
                asked = self._resumed(stack) or self._next(stack)
                if asked is None:
                    return
                refused = 0 if self._run(asked) else refused + 1
        if self.study.best() is None:
            raise SpineError(
                f"{REFUSED} combinations of tune.space one after another were none that the member can have; the last "
                f"one: {self.study.last_refusal()}"
            )

    def finish(self) -> Found:
        """What was found, told."""
        trials, best = self.study.trials(), self.study.best()
        if best is None:
            member, table = self.file.settings.member, self.directory / "trials.csv"
            raise SpineError(f"none of {len(trials)} trials of {member} was completed; see {table}")
        found = Found(self.file, self.judged, self.study, best, self.directory, self.common)
        self.show(found.told)
        return found

    def _resumed(self, stack: ExitStack) -> Asked | None:
        """A trial that was interrupted on this machine, to go on with."""
        for number in self.study.unfinished():
            if self._trial(number).exists() and self._is_free(number, stack):
                return self.study.resumed(number)
        return None

    def _next(self, stack: ExitStack) -> Asked | None:
        """A new trial, while the budget lasts."""
        settings, trials = self.file.settings, self.study.trials()
        minutes = sum(trial.seconds for trial in trials) / 60
        if len(trials) >= settings.trials or (settings.minutes is not None and minutes >= settings.minutes):
            return None
        self._require_some_success(trials)
        asked = self.study.ask()
        if asked is not None:
            self._is_free(asked.number, stack)
            shutil.rmtree(self._trial(asked.number), ignore_errors=True)  # of a study that was removed
            self._trial(asked.number).mkdir(parents=True)
        return asked

    def _is_free(self, number: int, stack: ExitStack) -> bool:
        """Hold a trial's directory for this process; whether it could."""
        try:
            stack.enter_context(exclusive_lock(self._trial(number)))
        except SpineError:
            return False
        return True

    def _run(self, asked: Asked) -> bool:
        """Run one trial to its end; whether it was one that the member can have."""
        try:
            experiment = self.file.with_settings(asked.settings)
        except SpineError as error:
            self.study.refuse(asked, str(error))
            return False
        started = monotonic()
        try:
            ended = self._train(asked, experiment)
        except BaseException:
            self.study.note_seconds(asked, monotonic() - started)
            raise
        self.study.tell(asked, ended.state, score=ended.score, seconds=monotonic() - started, note=ended.note)
        trials = self.study.trials()
        trial = next(trial for trial in trials if trial.number == asked.number)
        self.show(line_of(trial, self.study.best(), len(trials), self.file.settings, self.judged))
        write_trials(trials, self.judged, self.directory / "trials.csv")
        return True

    def _train(self, asked: Asked, experiment: Experiment) -> Ended:
        self._fetch(experiment, self._trial(asked.number) / "experiment.yaml")
        watch = self.file.settings.watch
        with Progress(asked.number, self.study.best()) as progress:

            def is_hopeless(row: Mapping[str, Any]) -> bool:
                value = watched_value(row, watch)
                if value is not None:
                    self.study.note_watched(value[0])
                progress.tell(int(row["epoch"]), value)
                if value is None:
                    return False
                return self.study.is_hopeless(
                    asked, int(row["epoch"]), value[1], higher_is_better=not value[0].endswith("loss")
                )

            return run_trial(experiment, self.file.trained, self._trial(asked.number), is_hopeless)

    def _fetch(self, experiment: Experiment, file: Path) -> None:
        fetch_missing(experiment, experiment.write(file), [self.file.trained], self.show, self.fetched)
        self.fetched.add(weights_of(experiment, self.file.trained))

    def _require_some_success(self, trials: Sequence[TunedTrial]) -> None:
        last = trials[-FAILED:]
        if len(last) == FAILED and all(trial.state == "failed" for trial in last):
            raise SpineError(
                f"{FAILED} trainings one after another failed, the last one with: {last[-1].note}. See "
                f"{self._trial(last[-1].number)}/log.txt, fix the cause, remove {self.directory}, and run it again"
            )

    def _trial(self, number: int) -> Path:
        return self.directory / "trials" / f"{number:04d}"


def _directory(file: TunedFile) -> Path:
    return file.experiment.directory / "tune" / file.settings.member


def _opened(file: TunedFile, manifest: Manifest, judged: Judged) -> TuningStudy:
    """The study in its storage, with the fingerprint of all that its trials have in common."""
    experiment, settings, directory = file.experiment, file.settings, _directory(file)
    asked = settings.model_dump(mode="json", exclude={"trials", "minutes", "storage"})
    folds = [experiment.folds, experiment.stop_on]
    hashed = experiment.member_hash(file.trained, manifest.data_hash, manifest.splits_hash)
    directory.mkdir(parents=True, exist_ok=True)
    return TuningStudy.opened(
        settings,
        file.whole,
        storage=settings.storage or f"sqlite:///{directory / 'study.db'}",
        name=f"{experiment.name}-tune-{settings.member}",
        maximise=judged.higher_is_better,
        seed=experiment.seed,
        facts={"inputs_hash": fingerprint([asked, folds, hashed, judged.metric]), "metric": judged.metric},
        place=f"the study from {without_password(settings.storage)}" if settings.storage else str(directory),
    )
