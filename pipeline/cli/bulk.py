"""`spine predict MODEL --studies`: many studies answered by one model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.console import show, show_paths, trust_models

if TYPE_CHECKING:
    from pipeline.bulk.predict import Request

__all__ = ["model_of", "predict_studies"]


def predict_studies(request: Request, trust: bool) -> None:
    """Answer studies and print what came of it; SpineError in the end where some could not be answered."""
    from pipeline.bulk.predict import predict
    from spine.core.problems import SpineError

    if trust:
        trust_models([request.model])
    outcome = predict(request, show)
    asked = f"{outcome.studies + outcome.failed:,}"
    show(f"{outcome.studies:,} of {asked} studies answered, by {outcome.pictures:,} pictures")
    show_paths([request.output])
    if outcome.failed:
        raise SpineError(
            f"{outcome.failed:,} of {asked} studies could not be answered; {request.failed} tells why, and the same "
            "command tries them again"
        )


def model_of(path: Path, overrides: Sequence[str]) -> Path:
    """The directory of the model that a case's or an experiment's file leads to, or that is given itself."""
    from pipeline.cases import is_case, load_case
    from pipeline.experiments import load_experiments
    from spine.core.problems import SpineError

    if path.is_dir():
        return path
    if is_case(path):
        return load_case(path, overrides).directory
    experiments = load_experiments(path, overrides)
    if len(experiments) > 1:
        names = ", ".join(str(one.ensemble_directory) for one in experiments)
        raise SpineError(f"{path} has several ensembles; give the directory of one, or a case's file: {names}")
    return experiments[0].ensemble_directory
