"""The search as an Optuna study: searched by Optuna's samplers, or only recorded there for optuna-dashboard.

A trial's parameters are the members' weights before they are normalised to sum 1; the normalised ones are its user
attribute `weights`. The study's user attributes tell metric, method, step and what it was searched on.

Processes that search one study, on one machine or on several, share its trials; each draws points of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ensemble.engine.grid.choice import Choice
from ensemble.engine.scoring.objective_by_threshold import FusionThresholds, ObjectiveByThreshold
from ensemble.names import weight_names
from ensemble.record.opened import open_study, quiet
from spine.core.problems import SpineError
from spine.core.progress import bar

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

    from ensemble.record.storage import Storage

__all__ = ["SAMPLERS", "Record"]

SAMPLERS = ("optuna-grid", "tpe", "cmaes")
LARGEST = 50_000  # points that Optuna's GridSampler, which holds the whole cube, is asked for


@dataclass(frozen=True)
class Record:
    """One study: `names` of the members, the objectives, what the study is of (`facts`), and where it is stored.

    `storage` is a URL or object as `open_storage` takes it, None for memory; a study of that name is continued, and
    SpineError says so where it belongs to other predictions or settings.
    """

    names: tuple[str, ...]
    by_threshold: ObjectiveByThreshold
    facts: Mapping[str, Any]
    storage: Storage
    study_name: str

    def write(self, choice: Choice) -> None:
        """Add the best points, the single members and equal weights as completed trials; nothing is added twice.

        Members and equal weights are fused as the chosen ones are.
        """
        with quiet():
            study = self._open()
            others = np.concatenate([np.eye(len(self.names)), self._equal])
            objective = self.by_threshold.at(choice.thresholds[0])
            values = np.concatenate([objective.score_of(choice.gains), objective.scores(others)])
            points = np.concatenate([choice.weights, others])
            settings = [*choice.thresholds, *[choice.thresholds[0]] * len(others)]
            known = zip(points, settings, values, strict=True)
            trials = [self._completed(*point) for point in known if np.isfinite(point[-1])]  # the others break a budget
            study.add_trials(trials[len(study.trials) :])

    def note_rules(self, rule: str, rules: Mapping[str, Any]) -> None:
        """Keep as attributes of the study which rule serves, and the weights of every rule."""
        with quiet():
            study = self._open()
            study.set_user_attr("rule", rule)
            study.set_user_attr("rules", dict(rules))

    def search(self, method: str, *, steps: int, trials: int, seed: int, progress: bool = False) -> Choice:
        """Search with one of SAMPLERS; an interrupted study goes on where it stopped.

        `trials` are those of all processes together; of several that end at once each may finish one more.
        """
        with quiet():
            study = self._open()
            if method == "optuna-grid":
                self._search_cube(study, steps, progress)
            else:
                self._enqueue_known(study)
                self._take_part(study, method, steps, max(trials, len(self.names) + 1), seed, progress)
            return self._choice(_finished(study))

    def _search_cube(self, study: Study, steps: int, progress: bool) -> None:
        study.sampler = self._sampler("optuna-grid", steps, 0)
        points, done = self._points(steps), len(_finished(study))
        if done < points:
            numbers = itertools.count(done + 1)
            with bar("weight search", points, shown=progress) as show:
                study.optimize(
                    lambda trial: self._try(trial, steps, "optuna-grid"),
                    points - done,
                    callbacks=[lambda *_: show(next(numbers))],
                )

    def _take_part(self, study: Study, method: str, steps: int, trials: int, seed: int, progress: bool) -> None:
        """Try points until the study has as many as asked for, whoever tried them."""
        sampler = None
        with bar("weight search", trials, shown=progress) as show:
            while (done := len(_finished(study))) < trials:
                show(done)
                trial = study.ask()
                if sampler is None:  # seeded by a number that no other process has, nor this one when it goes on
                    sampler = study.sampler = self._sampler(method, steps, seed + trial.number)
                self._finish(study, trial, steps, method)

    def _finish(self, study: Study, trial: Trial, steps: int, method: str) -> None:
        from optuna import TrialPruned
        from optuna.trial import TrialState

        try:
            study.tell(trial, self._try(trial, steps, method))
        except TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
        except BaseException:
            study.tell(trial, state=TrialState.FAIL)  # not one of those that are asked for
            raise

    def _try(self, trial: Trial, steps: int, method: str) -> float:
        raw = np.array([trial.suggest_float(name, 0.0, 1.0) for name in self._weights])
        if method == "optuna-grid":
            raw = np.rint(raw * steps)  # whole steps, so that a vector that sums to 1 has the grid's own floats
        if not raw.sum() > 0:
            from optuna import TrialPruned

            raise TrialPruned("all weights are zero")
        weights = raw / raw.sum()
        trial.set_user_attr("weights", weights.tolist())
        ranges = {name: (min(values), max(values)) for name, values in self.by_threshold.values.items()}
        fusion = {name: trial.suggest_float(name, *range_) for name, range_ in ranges.items()}
        score = float(self.by_threshold.at(fusion).scores(weights[None])[0])
        if not np.isfinite(score):
            from optuna import TrialPruned

            raise TrialPruned("the weights break the budget")
        return score

    def _choice(self, finished: list[FrozenTrial]) -> Choice:
        by_fusion: dict[tuple[float, ...], list[FrozenTrial]] = {}
        for trial in finished:
            if trial.value is not None and self._is_whole(trial):
                by_fusion.setdefault(tuple(trial.params[name] for name in self.by_threshold.values), []).append(trial)
        choices = [self._choice_under_one(trials) for trials in by_fusion.values()]
        return Choice.over(choices, [dict(zip(self.by_threshold.values, key, strict=True)) for key in by_fusion])

    def _is_whole(self, trial: FrozenTrial) -> bool:
        """Whether all is known of a trial: records of it may have been cut off."""
        weights = trial.user_attrs.get("weights", ())
        return len(weights) == len(self.names) and set(self.by_threshold.values) <= set(trial.params)

    def _choice_under_one(self, trials: list[FrozenTrial]) -> Choice:
        weights = np.array([trial.user_attrs["weights"] for trial in trials])
        return Choice.of(weights, self.by_threshold.first.score_of(np.array([trial.value for trial in trials])))

    def _open(self) -> Study:
        study = open_study(
            self.storage, self.study_name, maximise=self.by_threshold.first.higher_is_better, stage="search"
        )
        stored = study.user_attrs.get("inputs_hash", self.facts["inputs_hash"])
        if stored != self.facts["inputs_hash"]:
            raise SpineError(
                f"study {self.study_name!r} was searched on other predictions or with other settings "
                f"({stored[:8]}, now {self.facts['inputs_hash'][:8]}); give another study_name"
            )
        for key, value in {**self.facts, "members": list(self.names)}.items():
            study.set_user_attr(key, value)
        return study

    def _sampler(self, method: str, steps: int, seed: int) -> BaseSampler:
        from optuna import samplers

        if method == "tpe":
            return samplers.TPESampler(seed=seed, constant_liar=True)  # keeps away from what others are trying now
        if method == "cmaes":
            return samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
        points = self._points(steps)
        if points > LARGEST:
            raise SpineError(
                f"optuna-grid over {len(self.names)} members at step 1/{steps} has {points:,} points, more than "
                f"{LARGEST:,}; take method grid, which is exact and faster, or a larger step"
            )
        levels = [step / steps for step in range(steps + 1)]
        return samplers.GridSampler({**dict.fromkeys(self._weights, levels), **self.by_threshold.values}, seed=0)

    def _points(self, steps: int) -> int:
        """How many points Optuna's grid has."""
        return (steps + 1) ** len(self.names) * len(self.by_threshold.thresholds)

    def _enqueue_known(self, study: Study) -> None:
        """Begin with equal weights and each single member, so that no sampler ends below them."""
        if not study.trials:
            for weights in [*self._equal, *np.eye(len(self.names))]:
                study.enqueue_trial(
                    {**dict(zip(self._weights, weights.tolist(), strict=True)), **self.by_threshold.thresholds[0]}
                )

    def _completed(self, weights: np.ndarray, fusion: FusionThresholds, value: float) -> FrozenTrial:
        from optuna.distributions import FloatDistribution
        from optuna.trial import create_trial

        return create_trial(
            value=float(value),
            params={**dict(zip(self._weights, weights.tolist(), strict=True)), **fusion},
            distributions={name: FloatDistribution(0.0, 1.0) for name in (*self._weights, *fusion)},
            user_attrs={"weights": weights.tolist()},
        )

    @property
    def _weights(self) -> list[str]:
        """The trials' parameters that are weights, beside those of the fusion."""
        return weight_names(self.names, self.by_threshold.values)

    @property
    def _equal(self) -> np.ndarray:
        return np.full((1, len(self.names)), 1 / len(self.names))


def _finished(study: Study) -> list[FrozenTrial]:
    from optuna.trial import TrialState

    return study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))
