"""Tuning as an Optuna study: a trial is a member's settings, its value their score on validation.

What is drawn depends on the seed, the trial's number and the trials that have ended, on nothing else: a study that was
killed goes on as if it had not been. Processes that share a storage share the trials.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ensemble.record.opened import open_study, quiet
from spine.core.problems import SpineError
from spine.experiment.tuning import Dimension, Range, TuneSettings, label_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial, Trial

    from ensemble.record.storage import Storage

__all__ = ["Asked", "State", "TunedTrial", "TuningStudy"]

State = Literal["complete", "pruned", "failed"]
REPEATS = 100  # settings that were tried before, one after another, after which nothing new is expected
NEVER_PRUNED = 5  # trials that end before the median of others says anything
SAME_AS, REFUSED = "same_as", "refused"  # attributes of trials that were not trained


@dataclass(frozen=True)
class TunedTrial:
    """A trial that has ended: its settings, its score (None but of a complete one), the watched value by epoch."""

    number: int
    state: State
    settings: Mapping[str, Any]
    score: float | None
    epochs: Mapping[int, float]
    seconds: float
    note: str = ""


@dataclass(frozen=True)
class Asked:
    """A trial that is under way: its number, and the settings to be tried."""

    number: int
    settings: Mapping[str, Any]
    seconds: float  # that it took before it was interrupted
    _trial: Trial


@dataclass(frozen=True)
class TuningStudy:
    """The study of a space; `whole` are the settings that are whole numbers. Open it by `opened`."""

    settings: TuneSettings
    whole: frozenset[str]
    maximise: bool
    seed: int
    study: Study

    @classmethod
    def opened(
        cls,
        settings: TuneSettings,
        whole: frozenset[str],
        *,
        storage: Storage,
        name: str,
        maximise: bool,
        seed: int,
        facts: Mapping[str, Any],
        place: str,
    ) -> TuningStudy:
        """The study of that name in a storage; `facts` say what it is of, `inputs_hash` among them.

        SpineError where the study is of other facts, or cannot be opened; `place` is what to remove then.
        """
        with quiet():
            study = open_study(storage, name, maximise=maximise, stage="tune")
            stored = study.user_attrs.get("inputs_hash", facts["inputs_hash"])
            if stored != facts["inputs_hash"]:
                raise SpineError(
                    f"study {name!r} was tuned on other data, another space or other settings ({stored[:8]}, now "
                    f"{facts['inputs_hash'][:8]}), so its trials do not compare; remove {place}, move it "
                    "away, or give the experiment another name"
                )
            for key, value in facts.items():
                if study.user_attrs.get(key) != value:
                    study.set_user_attr(key, value)
            study.pruner = _pruner(settings)
        return cls(settings, whole, maximise, seed, study)

    def begin_with(self, own: Mapping[str, Any]) -> None:
        """Let the first trial of all be these settings, such as those that the member has already."""
        with quiet():
            if not self.study.trials:
                self.study.enqueue_trial(self._as_params(own))

    def ask(self) -> Asked | None:
        """The next settings to try; None where all were tried, or nothing new is found."""
        with quiet():
            for _ in range(REPEATS):
                known = {_key(trial.settings): trial for trial in self.trials()}
                if len(known) >= self.settings.size:
                    return None
                if self.settings.sampler == "grid" and not self._enqueue_of_grid():
                    return None
                trial = self.study.ask()
                asked = self._asked(trial)
                if (before := known.get(_key(asked.settings))) is None:
                    return asked
                self._tell_again(trial, before)
        return None

    def unfinished(self) -> list[int]:
        """The numbers of trials that are under way, in this process, another, or one that was killed."""
        return [trial.number for trial in self._of_states("RUNNING")]

    def resumed(self, number: int) -> Asked:
        """A trial that was under way, to go on with."""
        from optuna.trial import Trial

        with quiet():
            (frozen,) = [trial for trial in self._of_states("RUNNING") if trial.number == number]
            return self._asked(Trial(self.study, frozen._trial_id))  # the one way to a trial that was asked before

    def is_hopeless(self, asked: Asked, epoch: int, value: float, *, higher_is_better: bool) -> bool:
        """Note the watched value after an epoch (1-based); gives whether the trial is to be cut short there."""
        with quiet():
            known = self.study.get_trials(deepcopy=False)[asked.number].intermediate_values
            if epoch not in known:
                asked._trial.report(value if higher_is_better == self.maximise else -value, epoch)
            elif epoch < max(known):
                return False  # it was asked before the interruption, and went on
            return asked._trial.should_prune()

    def tell(self, asked: Asked, state: State, *, score: float | None = None, seconds: float, note: str = "") -> None:
        """End a trial: its score where it is complete, a note on what happened where it is not."""
        from optuna.trial import TrialState

        states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        with quiet():
            asked._trial.set_user_attr("seconds", round(asked.seconds + seconds, 1))
            if note:
                asked._trial.set_user_attr("note", note)
            self.study.tell(asked._trial, score, state=states[state])

    def refuse(self, asked: Asked, why: str) -> None:
        """End a trial whose settings do not fit together, before it began."""
        with quiet():
            asked._trial.set_user_attr(REFUSED, why)
        self.tell(asked, "failed", seconds=0.0)

    def last_refusal(self) -> str:
        """Why the settings of the newest trial did not fit together; empty where they did."""
        return str(self.study.trials[-1].user_attrs.get(REFUSED, ""))

    def note_seconds(self, asked: Asked, seconds: float) -> None:
        """Keep what an interrupted trial has taken until now."""
        with quiet():
            asked._trial.set_user_attr("seconds", round(asked.seconds + seconds, 1))

    def note_watched(self, column: str) -> None:
        """Keep what the watched value is called."""
        if self.watched != column:
            with quiet():
                self.study.set_user_attr("watched", column)

    @property
    def watched(self) -> str:
        """The column of the epochs that pruning goes by; empty before the first one."""
        return str(self.study.user_attrs.get("watched", ""))

    def trials(self) -> list[TunedTrial]:
        """The trials that were trained and have ended, in the order of their numbers.

        Settings that came up again, or do not fit together, are left out.
        """
        found = self._of_states("COMPLETE", "PRUNED", "FAIL")
        return [self._tuned(trial) for trial in found if self._was_trained(trial)]

    def best(self) -> TunedTrial | None:
        """The complete trial of the best score, the first of several; None where there is none."""
        sign = 1 if self.maximise else -1
        complete = [trial for trial in self.trials() if trial.score is not None]
        return max(complete, key=lambda trial: sign * (trial.score or 0), default=None)

    def importances(self) -> dict[str, float]:
        """Setting -> its share of how the score varies (functional ANOVA), the largest first; {} where it cannot be
        told: of fewer than four complete trials, of scores that are all alike.

        Hutter et al. 2014, An efficient approach for assessing hyperparameter importance.
        """
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances

        scores = [trial.score for trial in self.trials() if trial.score is not None]
        if len(scores) < 4 or len(set(scores)) < 2:
            return {}
        with quiet():
            return dict(get_param_importances(self.study, evaluator=FanovaImportanceEvaluator(seed=self.seed)))

    def _asked(self, trial: Trial) -> Asked:
        self.study.sampler = self._sampler(self.seed + trial.number)
        names = self.settings.space
        settings = {name: self._value(name, self._drawn(trial, name)) for name in names}
        trial.set_user_attr("settings", settings)
        return Asked(trial.number, settings, float(trial.user_attrs.get("seconds", 0)), trial)

    def _tell_again(self, trial: Trial, before: TunedTrial) -> None:
        """End a trial of settings that were tried before as that one ended."""
        trial.set_user_attr(SAME_AS, before.number)
        self.tell(Asked(trial.number, before.settings, 0.0, trial), before.state, score=before.score, seconds=0.0)

    def _enqueue_of_grid(self) -> bool:
        """Let the next trial be a combination that no trial has; whether there is one. They come in a drawn order."""
        if self._of_states("WAITING"):
            return True
        space = self.settings.space
        values = [[self._as_set(name, value) for value in _values_of(dimension)] for name, dimension in space.items()]
        combinations = list(itertools.product(*values))
        taken = {_key(trial.user_attrs["settings"]) for trial in self.study.trials if "settings" in trial.user_attrs}
        for place in np.random.default_rng(self.seed).permutation(len(combinations)):
            settings = dict(zip(space, combinations[place], strict=True))
            if _key(settings) not in taken:
                self.study.enqueue_trial(self._as_params(settings))
                return True
        return False

    def _of_states(self, *names: str) -> list[FrozenTrial]:
        from optuna.trial import TrialState

        return self.study.get_trials(deepcopy=False, states=tuple(TrialState[name] for name in names))

    def _was_trained(self, trial: FrozenTrial) -> bool:
        """Of a trial that has ended; of some not all is known, since records may have been cut off."""
        return set(self.settings.space) <= set(trial.params) and not {SAME_AS, REFUSED} & set(trial.user_attrs)

    def _tuned(self, trial: FrozenTrial) -> TunedTrial:
        states: dict[str, State] = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
        state = states[trial.state.name]
        return TunedTrial(
            trial.number,
            state,
            {name: self._value(name, trial.params[name]) for name in self.settings.space},
            trial.value if state == "complete" else None,
            dict(sorted(trial.intermediate_values.items())),
            float(trial.user_attrs.get("seconds", 0)),
            str(trial.user_attrs.get("note", "")),
        )

    def _drawn(self, trial: Trial, name: str) -> Any:
        dimension = self.settings.space[name]
        if not isinstance(dimension, Range):
            return trial.suggest_categorical(name, [label_of(value) for value in dimension])
        if name in self.whole:
            low, high, step = (int(number) for number in (dimension.low, dimension.high, dimension.step or 1))
            return trial.suggest_int(name, low, high, step=step, log=dimension.log)
        return trial.suggest_float(
            name, float(dimension.low), float(dimension.high), step=dimension.step, log=dimension.log
        )

    def _value(self, name: str, param: Any) -> Any:
        """What the member's setting is set to."""
        dimension = self.settings.space[name]
        if isinstance(dimension, Range):
            return self._as_set(name, dimension.tidy(param))
        return next(value for value in dimension if label_of(value) == param)

    def _as_set(self, name: str, value: Any) -> Any:
        return int(value) if name in self.whole else value

    def _as_params(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        space = self.settings.space
        return {name: v if isinstance(space[name], Range) else label_of(v) for name, v in settings.items()}

    def _sampler(self, seed: int) -> BaseSampler:
        from optuna import samplers

        if self.settings.sampler == "tpe":
            return samplers.TPESampler(seed=seed % 2**32, constant_liar=True)  # keeps away from what others try now
        return samplers.RandomSampler(seed=seed % 2**32)


def _pruner(settings: TuneSettings) -> BasePruner:
    from optuna import pruners

    if settings.pruner == "median":
        return pruners.MedianPruner(n_startup_trials=NEVER_PRUNED, n_warmup_steps=settings.grace)
    if settings.pruner == "hyperband":
        return pruners.HyperbandPruner(min_resource=settings.grace)
    return pruners.NopPruner()


def _values_of(dimension: Dimension) -> list[Any]:
    if not isinstance(dimension, Range):
        return list(dimension)
    assert dimension.step is not None  # a grid has no endless ranges
    return [dimension.tidy(dimension.low + k * dimension.step) for k in range(int(dimension.size))]


def _key(settings: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(f"{name}={label_of(settings[name])}" for name in sorted(settings))
