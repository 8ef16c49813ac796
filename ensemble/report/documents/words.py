"""What the model card and the checklist say of a run, each sentence made in one place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ensemble.report.documents.facts import Facts
from ensemble.report.member_facts import options_of
from ensemble.results.estimate import Estimate
from ensemble.results.evaluation import Evaluation, Row
from ensemble.results.few_patients import caution_of_width
from ensemble.serving.exported import not_exportable_reason
from ensemble.tasks import ENSEMBLE_TASKS
from spine.answers.description import NOT_FOR_DIAGNOSIS
from spine.experiment.trained import trained_otherwise

__all__ = [
    *("architecture", "columns", "costs", "inputs", "intervals", "limitations", "outputs"),
    *("crops_wanted", "performance", "scores", "selection", "threshold", "what_members_are"),
]


def what_members_are(facts: Facts) -> list[str]:
    """A line a member: network, parameters, weight in the ensemble, what it was trained with and answers by."""
    return [f"{name}: {', '.join(_of_member(facts, name))}" for name in facts.members]


def _of_member(facts: Facts, name: str) -> Iterable[str]:
    card = facts.members[name].card
    if card.kind == "foreign":
        yield "trained elsewhere, its network is not told"
    else:
        yield str(card.details.get("network") or facts.settings[name].get("network") or card.kind)
    if isinstance(count := card.details.get("parameters"), int):
        yield f"{count:,} parameters"
    if card.folds:
        yield f"{len(card.folds)} folds"
    weight = facts.weights.weights[name]
    yield f"weight {weight:.3f}" if weight else "weight 0, left out"
    if told := list(options_of(facts.settings[name])):
        yield f"with {', '.join(told)}"


def architecture(facts: Facts) -> str:
    """Members, weights and the rule that fuses them."""
    members = "; ".join(what_members_are(facts))
    if len(facts.members) == 1:
        return f"One member, no ensemble. {members}."
    fused = "Weighted boxes fusion of detections" if ENSEMBLE_TASKS[facts.experiment.task].fuses_boxes else ""
    heads = [head.target for head in facts.experiment.heads]
    together = f" Each network learns {len(heads)} targets together: {', '.join(heads)}." if heads else ""
    return f"{fused or 'Weighted mean of probabilities'} of {len(facts.weights.kept)} members. {members}.{together}"


def inputs(facts: Facts) -> str:
    """What a model takes, and what it does to it."""
    if reason := not_exportable_reason(facts.members, facts.weights):
        return f"There is no SavedModel to serve: {reason}."
    if facts.served is None:
        return "The ensemble was not exported with these weights, so there is no SavedModel to serve yet."
    networks = [facts.members[name].card.input.get("network") or {} for name in facts.weights.kept]
    seen = dict.fromkeys(
        f"{one.get('height')} x {one.get('width')} pixels, grey levels by {one.get('normalisation')}"
        for one in networks
        if one
    )
    takes = "Grey or colour pictures of the spine as PNG or JPEG, of any size, 8 or 16 bits a sample"
    told = f"{takes}; the SavedModel resizes and normalises them itself ({'; '.join(seen) or 'each member its way'})."
    return f"{told} {crops_wanted(facts)}".strip()


def crops_wanted(facts: Facts) -> str:
    """What has to be cut out before such a model is asked; "" of one that looks at whole pictures."""
    if facts.experiment.task != "classification" or facts.data.manifest.images["parent"].fillna("").eq("").all():
        return ""
    crop = facts.data.built.crop if facts.data.built else None
    what = f"boxes of the label {crop.label}" if crop else "boxes"
    return (
        f"It learned from crops ({what}): send whole pictures with their boxes to the signature regions, or slices "
        "where it has that. serving_default takes what it is sent for such a crop, a whole picture too, and members "
        "that see more than the crop then see less than they learned from."
    )


def outputs(facts: Facts) -> str:
    """What the numbers of a model stand for."""
    experiment = facts.experiment
    labels = ", ".join(experiment.labels)
    if experiment.task == "classification":
        grades = ", grades in order" if experiment.ordinal else ""
        return f"A probability for each label of {experiment.target or 'the picture'}{grades}: {labels}."
    if experiment.task == "segmentation":
        return f"A probability for each class of every pixel, and the mask of the likeliest: {labels}."
    if experiment.task == "detection":
        return f"Boxes with a class and a score each: {labels}."
    return f"Outputs of the task {experiment.task}: {labels}."


def threshold(facts: Facts) -> str:
    """From which number on a decision is made, and where it was chosen."""
    evaluation, weights = facts.evaluation, facts.weights
    decisions = weights.decisions
    if decisions and decisions.operating_point:
        return " ".join(decisions.describe(evaluation.labels))
    confidence = getattr(evaluation.ensemble, "confidence", None)
    if confidence is not None:
        return f"Boxes count from a score of {confidence:.2f} on, where F1 is highest on validation."
    if evaluation.task == "segmentation":
        pieces = facts.experiment.postprocess
        cleaned = "" if pieces.asks_for_nothing else " Its pieces are treated as postprocess in experiment.yaml says."
        return f"None: each pixel gets its likeliest class.{cleaned}"
    return "None was chosen: the likeliest label is the answer." + (
        f" {' '.join(decisions.describe(evaluation.labels))}" if decisions else ""
    )


def columns(evaluation: Evaluation) -> list[str]:
    """The metrics of the printed leaderboard, those that the evaluation has."""
    named = ENSEMBLE_TASKS[evaluation.task].evaluator.columns(evaluation.labels)
    return [column.metric for column in named if column.metric in evaluation.rows[0].metrics]


def scores(evaluation: Evaluation, row: Row, metrics: Iterable[str] = ()) -> str:
    """Such as `AUC 0.912 (0.871 to 0.944); accuracy 0.83 (0.79 to 0.88)`."""
    chosen = list(metrics) or columns(evaluation)
    return "; ".join(f"{evaluation.names[name]} {row.metrics[name].describe()}" for name in chosen)


def intervals(evaluation: Evaluation) -> str:
    """How the intervals were made, and the caution where patients are few."""
    drawn = evaluation.bootstrap
    told = f"{100 * drawn.confidence:g} % intervals from {drawn.resamples} resamples of patients"
    return f"{told}. {evaluation.caution}".strip() if evaluation.caution else f"{told}."


def performance(evaluation: Evaluation) -> str:
    """The ensemble, equal weights and the member that was best on validation, on one test split."""
    counts = evaluation.counts
    where = f"Test split of {evaluation.dataset or 'the dataset'}: {counts.patients} patients, {counts.units} "
    told = [f"{where}{evaluation.units}.", *(evaluation.notes if evaluation.is_of_other_dataset else ())]
    told += [f"{row.name}: {scores(evaluation, row)}." for row in _shown(evaluation)]
    told += [f"In brackets: {intervals(evaluation)}", *evaluation.verdicts]
    return " ".join(filter(None, [*told, caution_of_width(_of_table(evaluation))]))


def _of_table(evaluation: Evaluation) -> Iterator[Estimate]:
    """The intervals of the printed leaderboard and of the verdicts."""
    for row in evaluation.rows:
        yield from (row.metrics[name] for name in columns(evaluation))
    for one in evaluation.comparisons:
        yield from () if one.identical else one.differences.values()


def _shown(evaluation: Evaluation) -> list[Row]:
    if len(evaluation.members) == 1:
        return [evaluation.ensemble]
    best = evaluation.best_on_validation
    rows = [row for row in evaluation.rows if row.kind in ("ensemble", "equal") or row.name == best]
    return sorted(rows, key=lambda row: ("ensemble", "equal", "member").index(row.kind))


def limitations(facts: Facts) -> list[str]:
    """What the run itself knows to say against its numbers."""
    evaluation = facts.evaluation
    told = [NOT_FOR_DIAGNOSIS, *evaluation.warnings]
    if evaluation.stopped_on_searched:
        names = ", ".join(evaluation.stopped_on_searched)
        told.append(f"The training of {names} stopped on patients that the weights were chosen on, too.")
    if not facts.elsewhere_external:
        told.append("It was tested on patients of the dataset it learned from, and on no others.")
    if facts.data.are_generated:
        told.append(f"{facts.data.origin} The figures say nothing of people.")
    told.append("No score was measured apart by age, sex or scanner.")
    if facts.data.findings["targets that the source alone tells"]:
        told.append("Labels follow the source of the images, so that a model may have learned the source.")
    if changed := len(trained_otherwise(facts.experiment)):  # its lines quote settings, which may be paths
        told.append(
            f"{changed} of {len(facts.members)} members were trained with other settings than the experiment has."
        )
    return told


def selection(facts: Facts) -> str:
    """How weights were chosen, on whom, and by which rule."""
    weights = facts.weights
    metric = facts.evaluation.names.get(weights.metric, weights.metric)
    if weights.method == "fixed":
        return weights.why or "The weights were given by hand, not searched."
    return (
        f"Weights were chosen on {len(weights.patients.searched)} patients of {weights.split} by {metric}, method "
        f"{weights.method}, rule {weights.rule}."
    )


def costs(facts: Facts) -> str:
    """Latency and size of the ensemble; "" where they are not known."""
    cost = facts.evaluation.costs.get(facts.evaluation.ensemble.name)
    if cost is None:
        return ""
    seconds = "" if cost.ms is None else f"{cost.ms:.0f} ms an image alone on the machine that evaluated it, "
    return f"{seconds}{cost.megabytes:.1f} MB{', the sum of its members' if cost.summed else ''}."
