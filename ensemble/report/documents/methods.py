"""What a run knows of the items of CLAIM 2024 up to its results; those that are missing here are for people alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ensemble.report.documents import words
from ensemble.report.documents.answer import CARD, METRICS, REPORT, SETTINGS, WEIGHTS, Answer, counted
from ensemble.report.documents.atlas import BLANK
from ensemble.report.documents.dataset_card import re_identification, splitting
from ensemble.report.documents.facts import Facts
from ensemble.report.documents.training import initial_weights, training
from ensemble.results.few_patients import caution_of_width
from spine.member.serving import package_versions

__all__ = ["METHODS"]


def _kind(facts: Facts) -> Answer:
    count, measured = len(facts.members), _measured(facts)
    networks = f"an ensemble of {count} models" if count > 1 else "one model"
    how = "Machine learning on measurements" if len(measured) == count else "Deep learning"
    by = f", {len(measured)} of them by measurements" if 0 < len(measured) < count else ""
    return Answer(
        f"{how} for {facts.experiment.task} of spine images: {networks}{by}.", (SETTINGS,), "title and abstract"
    )


def _use(facts: Facts) -> Answer:
    about = facts.about
    told = " ".join(filter(None, [", ".join(about.intended_use), about.indications]))
    return Answer(told, (f"{SETTINGS}, about",), "background" if told else "")


def _sources(facts: Facts) -> Answer:
    images = facts.data.manifest.images
    counts = images.groupby(images["source"].fillna("").astype(str)).size()
    told = ", ".join(f"{name or 'source without a name'} ({count} images)" for name, count in counts.items())
    left = "" if facts.data.are_generated else "institutions, dates and links"
    return Answer(f"Dataset {facts.data.name}: {told}. {facts.data.origin}".strip(), ("images.csv",), left)


def _included(facts: Facts) -> Answer:
    return Answer(facts.about.sampling, (f"{SETTINGS}, about",))


def _preprocessing(facts: Facts) -> Answer:
    stored = "Grey levels are stored as measured, at 16 bits."
    return Answer(f"{stored} {words.inputs(facts)}", ("member.json", "dataset.json"))


def _subsets(facts: Facts) -> Answer:
    cropped = [one for one in facts.data.populations if one.pictures is not None]
    if not cropped:
        return Answer(
            "Whole pictures; notes.csv of the dataset tells why a slice was chosen.", ("notes.csv",), BLANK[:-1]
        )
    told = ", ".join(f"{one.images} of {one.pictures} pictures of {one.split}" for one in cropped)
    return Answer(f"Crops: {told}.", ("images.csv",), "how pictures and slices were chosen")


def _de_identified(facts: Facts) -> Answer:
    data = facts.data
    burned = f"Burned-in text by the headers: {data.privacy.burned_in_answer.lower()}."
    left = "" if data.are_generated else "what was done before the data came here"
    return Answer(f"{re_identification(data)} {burned}", (CARD,), left)


def _missing(facts: Facts) -> Answer:
    experiment, left_out = facts.experiment, facts.data.left_out
    listed = (f"{facts.data.name}.build/problems.csv",) if left_out else ()
    if experiment.task != "classification":
        return Answer(left_out, listed, "images and annotations that were missing")
    labels = facts.data.manifest.labels
    labelled = labels[(labels["target"] == experiment.target) & (labels["box"] == "")]["sample"].nunique()
    count = len(facts.data.manifest.images)
    told = f"{count - labelled} of {count} images have no value of {experiment.target} and were not used."
    told = f"{told} {left_out}".strip()
    return Answer(told, ("labels.csv", *listed), "why they are missing" if labelled < count else "other missing data")


def _acquired(facts: Facts) -> Answer:
    spacing = facts.data.manifest.images["spacing_y"]
    known = spacing[spacing.notna() & (spacing != "")].astype(float)
    told = [f"modality {', '.join(facts.data.modalities)}"] if facts.data.modalities else []
    if len(known):
        told.append(f"pixel spacing {known.min():.3g} to {known.max():.3g} mm")
    told += [
        f"scanners of {one.split} by patients: {counted(one.makers)}"
        for one in facts.data.populations
        if one.makers.is_kept
    ]
    return Answer(f"By the headers: {'; '.join(told)}." if told else "", ("images.csv",), "protocol")


def _reference(facts: Facts) -> Answer:
    return Answer(facts.about.reference_standard, (f"{SETTINGS}, about",))


def _partitions(facts: Facts) -> Answer:
    counts = ", ".join(f"{one.split} {one.patients} patients, {one.images} images" for one in facts.data.populations)
    told = f"{splitting(facts, facts.data)} {counts[:1].upper()}{counts[1:]}."
    if not facts.data.split_rule:
        return Answer(told, ("splits.csv",), "by which rule patients were assigned")
    return Answer(told, ("splits.csv", f"{facts.data.name}.build/config.yaml"))


def _disjoint(facts: Facts) -> Answer:
    overlap = facts.evaluation.overlap
    seen = f"{overlap.patients} test patients were seen before." if overlap.seen else "No test patient was seen before."
    unchecked = f" It is not known of {', '.join(overlap.unchecked)}." if overlap.unchecked else ""
    return Answer(f"The patient. Checked by hashes: {seen}{unchecked}", (f"{METRICS}, overlap",))


def _sample_size(facts: Facts) -> Answer:
    counts = facts.evaluation.counts
    told = f"Tested on {counts.patients} patients, {counts.units} {facts.evaluation.units}. {facts.evaluation.caution}"
    return Answer(told.strip(), (f"{METRICS}, counts",), "the size that was intended, and how it was determined")


def _model(facts: Facts) -> Answer:
    told = f"{words.architecture(facts)} Input: {words.inputs(facts)} Output: {words.outputs(facts)}"
    return Answer(told, ("model_card.json", "member.json"))


def _software(facts: Facts) -> Answer:
    told = {**package_versions()}
    for member in facts.members.values():
        told.update({name: version for name, version in member.card.versions.items() if name not in told})
    return Answer(", ".join(f"{name} {version}" for name, version in told.items()) + ".", ("member.json",))


def _initial(facts: Facts) -> Answer:
    starts = {name: initial_weights(settings) for name, settings in facts.settings.items()}
    told = "; ".join(f"{name}: {start}" for name, start in starts.items() if start)
    drawn = f"Random numbers are drawn by the experiment's seed, {facts.experiment.seed}, and the member's name."
    unknown = [name for name, member in facts.members.items() if member.card.kind == "foreign"]
    return Answer(f"Weights at the start: {told}. {drawn}" if told else "", (SETTINGS,), ", ".join(unknown))


def _training(facts: Facts) -> Answer:
    task = facts.experiment.task
    told = "; ".join(f"{name}: {told}" for name, one in facts.settings.items() if (told := training(task, one)))
    folds = f" Each in {facts.experiment.folds} folds." if facts.experiment.folds else ""
    unknown = [name for name, member in facts.members.items() if member.card.kind == "foreign"]
    sources = ("config.yaml of each member", f"{REPORT}, Training")
    return Answer(f"{told}.{folds}" if told else "", sources, ", ".join(unknown))


def _selected(facts: Facts) -> Answer:
    kept = {name: member.card.details.get("best_epoch") for name, member in facts.members.items()}
    epochs = ", ".join(f"{name} {epoch}" for name, epoch in kept.items() if epoch is not None)
    best = f"Of each member the epoch that was best on those it stopped on: {epochs}. " if epochs else ""
    return Answer(f"{best}{words.selection(facts)} Test was not looked at.", (WEIGHTS, "member.json"))


def _combined(facts: Facts) -> Answer:
    return Answer(f"{words.architecture(facts)} {words.selection(facts)}", (WEIGHTS, f"{REPORT}, Weights"))


def _metrics(facts: Facts) -> Answer:
    evaluation = facts.evaluation
    told = "; ".join(evaluation.names[name] for name in evaluation.rows[0].metrics)  # some names hold a comma
    return Answer(f"{told}.", (METRICS,), "why these")


def _statistics(facts: Facts) -> Answer:
    evaluation = facts.evaluation
    names = {"delong": "DeLong", "mcnemar": "exact McNemar", "wilcoxon": "Wilcoxon's signed ranks"}
    used = [name for key, name in names.items() if any(getattr(one, key) for one in evaluation.comparisons)]
    tests = f" Tests: {' and '.join(used)}." if used else ""
    told = words.intervals(evaluation)
    return Answer(f"{told[:1].upper()}{told[1:]}{tests}", (f"{METRICS}, bootstrap and comparisons",))


def _robustness(facts: Facts) -> Answer:
    evaluation, parts = facts.evaluation, []
    if evaluation.without:
        parts.append("the ensemble without each member")
    if evaluation.alternatives:
        parts.append("the same members by other rules of weights")
    if evaluation.search.nested and evaluation.search.nested.resamples:
        parts.append(f"the search again on {evaluation.search.nested.resamples} resamples of patients")
    told = f"Sensitivity to the choice of members and weights: {'; '.join(parts)}." if parts else ""
    return Answer(told, (METRICS, f"{REPORT}, What each member adds"), "robustness to images of other kinds")


def _explained(facts: Facts) -> Answer:
    measured = _measured(facts)
    told = f"Importance of each measurement to {', '.join(measured)}." if measured else ""
    left = "what was explained and how that was validated; spine demo draws Grad-CAM and occlusion maps"
    return Answer(told, (f"{REPORT}, What is measured, and how much it matters",), left)


def _internal(facts: Facts) -> Answer:
    evaluation = facts.evaluation
    score = words.scores(evaluation, evaluation.ensemble, [evaluation.headline])
    told = f"On {evaluation.counts.patients} patients of the test split: ensemble {score}."
    cautions = (evaluation.caution, caution_of_width([evaluation.ensemble.metrics[evaluation.headline]]))
    return Answer(" ".join(filter(None, (told, *cautions))), (METRICS, f"{REPORT}, Leaderboard"))


def _external(facts: Facts) -> Answer:
    same = [one.dataset for one in facts.elsewhere if one not in facts.elsewhere_external]
    apart = f" {', '.join(same)} is of the same patients." if same else ""
    if not facts.elsewhere_external:
        return Answer(f"None by this run.{apart}", (METRICS,), "external testing, or why there is none")
    told = " ".join(words.performance(one) for one in facts.elsewhere_external)
    sources = tuple(f"evaluation-{one.dataset}/metrics.json" for one in facts.elsewhere_external)
    return Answer(told, sources, "whether these patients and scanners are others")


def _measured(facts: Facts) -> list[str]:
    """The members that decide by measurements, and are no networks."""
    return [name for name, settings in facts.settings.items() if settings.get("network") == "measurements"]


METHODS: Mapping[int, Callable[[Facts], Answer]] = {
    1: _kind,
    3: _use,
    7: _sources,
    8: _included,
    9: _preprocessing,
    10: _subsets,
    11: _de_identified,
    12: _missing,
    13: _acquired,
    14: _reference,
    19: _partitions,
    20: _disjoint,
    21: _sample_size,
    22: _model,
    23: _software,
    24: _initial,
    25: _training,
    26: _selected,
    27: _combined,
    28: _metrics,
    29: _statistics,
    30: _robustness,
    31: _explained,
    32: _internal,
    33: _external,
}
