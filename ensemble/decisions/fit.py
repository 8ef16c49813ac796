"""What an experiment asks to be made of its probabilities, fitted on the patients that the weights were searched on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ensemble.decisions.calibration import fit_calibration
from ensemble.decisions.conformal import fewest_patients, fit_conformal
from ensemble.decisions.operating_point import choose_operating_point, fewest_positives
from ensemble.results.decisions import Conformal, Decisions, OperatingPoint
from spine.core.words import enumerated
from spine.experiment.stages import DecideSettings

__all__ = ["fit_decisions"]


def fit_decisions(
    settings: DecideSettings,
    labels: Sequence[str],
    probabilities: np.ndarray,
    truth: np.ndarray,
    patients: np.ndarray,
) -> Decisions | None:
    """Fit what is asked for on probabilities (U, C) of classes `truth` (U,) and their `patients` (U,).

    What cannot be had is left out, and a note says why. None where nothing is asked for.
    """
    if settings.asks_for_nothing:
        return None
    several = len(np.unique(truth)) > 1
    fitted: dict[str, Any] = {}
    if settings.calibration != "none" and several:
        fitted["calibration"] = fit_calibration(settings.calibration, probabilities, truth, patients)
    if settings.operating_point and several:
        positive = truth == len(labels) - 1
        fitted["operating_point"] = choose_operating_point(
            *settings.operating_point, probabilities[:, -1], positive, patients, settings.confidence
        )
    if settings.coverage is not None:
        fitted["conformal"] = fit_conformal(
            probabilities, truth, patients, settings.coverage, per_class=settings.coverage_per_class
        )
    decisions = Decisions(patients=len(np.unique(patients)), units=len(truth), **fitted)
    notes = _notes(settings, decisions, labels, np.asarray(labels)[truth], patients)
    return decisions.model_copy(update={"notes": notes}) if notes else decisions


def _notes(
    settings: DecideSettings, decisions: Decisions, labels: Sequence[str], classes: np.ndarray, patients: np.ndarray
) -> list[str]:
    """What of that cannot be had of units of these classes."""
    asked = ["calibration"] * (settings.calibration != "none") + ["an operating point"] * bool(settings.operating_point)
    notes = []
    if asked and len(set(classes)) == 1:
        all_of_one = f"All {len(classes)} units of the searched patients are {classes[0]}"
        notes.append(f"{all_of_one}: {enumerated(asked)} cannot be fitted.")
    if decisions.calibration and decisions.calibration.method == "isotonic":
        absent = [label for label in labels if label not in classes]
        notes += [
            f"No unit of the searched patients is {label}: isotonic calibration gives it no chance." for label in absent
        ]
    if decisions.operating_point:
        notes += _of_point(decisions.operating_point)
    if decisions.conformal:
        notes += _of_sets(decisions.conformal, labels, classes, patients)
    return notes


def _of_point(point: OperatingPoint) -> list[str]:
    if point.reached is not False:
        return []
    needed = fewest_positives(point.asked or 0, point.confidence)
    return [
        f"A sensitivity of {point.asked:g} cannot be shown at a confidence of {point.confidence:g}: that takes "
        f"{needed} independent positive units without a miss, and the {point.positives} of the searched patients are "
        f"worth {point.worth:.1f}. The operating point misses none of them, and its bound is {point.bound:.2f}."
    ]


def _of_sets(sets: Conformal, labels: Sequence[str], classes: np.ndarray, patients: np.ndarray) -> list[str]:
    needed = fewest_patients(sets.coverage)
    takes = f"A coverage of {sets.coverage:g} takes {needed} patients"
    if not sets.per_class:
        count = len(np.unique(patients))
        return [f"{takes}, and there are {count}: every set holds every label."] if count < needed else []
    counts = {label: len(np.unique(patients[classes == label])) for label in labels}
    return [
        f"{takes} with a unit that is {label}, and there are {count}: every set holds {label}."
        for label, count in counts.items()
        if count < needed
    ]
