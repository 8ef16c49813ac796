"""The rows of the leaderboard of one split, as the experiment's task judges them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ensemble.judge.classification import Classifiers
from ensemble.judge.detection import Detectors
from ensemble.judge.rows import EQUAL, Contender, Contenders
from ensemble.judge.segmentation import Segmenters
from ensemble.predictions import SplitPredictions, read_split
from ensemble.written import WeightsFile
from spine.config import Experiment
from spine.files import read_json
from spine.problems import SpineError
from spine.shapes import as_written

__all__ = ["EQUAL", "JUDGES", "Contender", "Contenders", "judge", "read_contenders", "read_weights"]

JUDGES: dict[str, Any] = {  # task -> its Contenders
    "classification": Classifiers,
    "segmentation": Segmenters,
    "detection": Detectors,
}


def read_contenders(experiment: Experiment, split: str) -> Any:
    """Read the members' predictions of `split` and fuse them, equally and with the searched weights."""
    return judge(experiment, read_split(experiment, split), read_weights(experiment))


def judge(experiment: Experiment, split: SplitPredictions, weights: dict[str, Any]) -> Any:
    """The task's rows of a split that was read; `weights` is what `read_weights` gives."""
    return JUDGES[experiment.task].of(split, weights)


def read_weights(experiment: Experiment) -> dict[str, Any]:
    """What the search wrote; SpineError where it is missing, or searched other members, settings or predictions."""
    path = experiment.ensemble_directory / "weights.json"
    if not path.exists():
        raise SpineError(f"{path} does not exist; run `spine search EXPERIMENT` first")
    found = read_json(path, "run `spine search EXPERIMENT` again", as_written(WeightsFile))
    if set(found["weights"]) != set(experiment.members):
        raise SpineError(
            f"{path} weighs {', '.join(found['weights'])}, but the experiment's members are "
            f"{', '.join(experiment.members)}; run `spine search EXPERIMENT` again"
        )
    _require_asked_for(found, experiment, path)
    _require_current(found, experiment, path)
    return found


def _require_asked_for(found: dict[str, Any], experiment: Experiment, path: Path) -> None:
    """Weights that were found by other settings than the experiment now has are not those it tells of."""
    recorded = {**found.get("settings", {}), **found}  # the metric that was meant before an empty one
    asked = experiment.search.model_dump(mode="json", exclude={"name", "storage", "allow_overlap"})
    asked = {key: value for key, value in asked.items() if key in recorded and value != ""}
    asked["split"] = experiment.search_split
    differing = {key: value for key, value in asked.items() if recorded.get(key) != value}
    if other := [f"{key} {recorded.get(key)}, not {value}" for key, value in differing.items()]:
        raise SpineError(
            f"{path} was searched with {' and '.join(other)} as the experiment now asks; "
            "run `spine search EXPERIMENT` again, or put the settings back"
        )


def _require_current(found: dict[str, Any], experiment: Experiment, path: Path) -> None:
    """Weights that were found on predictions which have changed since say nothing of the members as they are now."""
    stored = read_split(experiment, found["split"]).stored
    stale = [name for name, predictions in stored.items() if found["predictions"].get(name) != predictions.hash]
    if stale:
        raise SpineError(
            f"{path} was searched on other predictions than {', '.join(stale)} holds now; "
            "run `spine search EXPERIMENT` again"
        )
