"""What the source of a picture alone tells of its label: what a network may have learned in place of the finding."""

from __future__ import annotations

import numpy as np

from ensemble.evaluators.classification import ClassificationEvaluator, ClassifiedRow
from ensemble.evaluators.resampled_scores import ResampledScores
from ensemble.experiment_run import ExperimentRun
from ensemble.results.evaluation import Estimate
from spine.core.problems import SpineError
from spine.dataset.truth import ClassTruth

__all__ = ["SOURCE_ALONE", "shares_by_source", "source_alone"]

SOURCE_ALONE = "source alone"  # as a row of a pack's table


def source_alone(run: ExperimentRun) -> dict[str, Estimate]:
    """Every metric, on test patients, of one that knows of a picture only which source it is from.

    It says what share each label has among the training pictures of that source. Units, intervals and resamples are
    those of the experiment's evaluation. SpineError where the task is not classification.
    """
    train, test = run.truth("train"), run.truth("test")
    if not (isinstance(train, ClassTruth) and isinstance(test, ClassTruth)):
        raise SpineError(f"{SOURCE_ALONE} is a row of classification; {run.experiment.name} is {run.experiment.task}")
    source_of = run.manifest.images.set_index("sample")["source"]
    seen, asked = (source_of.loc[list(truth.samples)].to_numpy() for truth in (train, test))
    probabilities, values, patients = test.by_unit(shares_by_source(seen, train.one_hot, asked))
    row = ClassifiedRow(SOURCE_ALONE, "alternative", None, probabilities)
    rows = ClassificationEvaluator(rows=(row,), truth=test, values=values, patients=patients)
    scores = ResampledScores.of(rows, run.experiment.evaluate, run.experiment.seed)
    return {metric: scores.of_row(row, metric) for metric in rows.reported}


def shares_by_source(seen: np.ndarray, one_hot: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The labels' shares (N, C) among those `seen`, `one_hot` (M, C), of each source `asked` (N,).

    By Laplace's rule, as if each label had been seen there once more: a label that never was is unlikely, not
    impossible, and of a source that was not seen all are alike.
    """
    counts = np.stack([1 + one_hot[seen == source].sum(axis=0, dtype=np.float64) for source in asked])
    return counts / counts.sum(axis=1, keepdims=True)
