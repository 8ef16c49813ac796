"""metrics.json: what `spine evaluate` writes, and what the leaderboard and the report ask of it.

What has no value is null and says `why`. A key that was not set is not written, so that a file that is read and written
again stays as it was, whatever version wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, StrictBool, StrictInt, StrictStr

from ensemble.names import POSTPROCESSED
from ensemble.results.decisions_on_test import DecisionsOnTest
from ensemble.results.estimate import Estimate
from ensemble.results.few_patients import Bounded, caution, caution_of_width
from ensemble.results.overlap import Overlap
from ensemble.results.scores import Number
from ensemble.results.searched import Searched
from ensemble.results.written import Written
from spine.core.files import fingerprint, read_json, with_nulls, write_json
from spine.core.json_models import of_shape
from spine.core.problems import SpineError
from spine.core.words import enumerated
from spine.experiment.config import Experiment
from spine.metrics.statistics import DeLong, McNemar, Wilcoxon
from spine.tasks import TASKS

__all__ = [
    *(
        "Alternative",
        "Bootstrap",
        "ClassificationCounts",
        "ClassificationEvaluation",
        "ClassificationRow",
        "Comparison",
        "Counts",
    ),
    *("DeLongTest", "DetectionCounts", "DetectionEvaluation", "DetectionRow", "ErrorPairs", "Estimate", "Evaluation"),
    *("LeftOut", "McNemarTest", "Pair", "PairedTestResult", "Postprocessed", "Row", "RowCost", "RowKind"),
    *("SegmentationCounts", "SegmentationEvaluation", "SegmentationRow", "WilcoxonTest"),
    "settings_of_judging",
]

NO_VARIANCE = "the difference has no variance"
AGAIN = "run `spine evaluate EXPERIMENT` again"

RowKind = Literal["member", "equal", "given", "ensemble", "reduced", "alternative", "postprocessed"]


def settings_of_judging(experiment: Experiment) -> str:
    """A fingerprint of what an experiment says of how its test split is judged, and of what is served of it."""
    said = experiment.model_dump(mode="json", include={"evaluate", "postprocess", "seed"})
    del said["evaluate"]["also"]  # weights by hand, which rows tell
    return fingerprint(said)


class Row(Written):
    """One row of the leaderboard; `weight` is a member's in the ensemble, else None."""

    name: StrictStr
    kind: RowKind
    weight: Number | None
    metrics: dict[str, Estimate]

    @property
    def reasons(self) -> str:
        """Each metric without a value and why, such as "precision: no box has the score ..."."""
        lacking = {name: one.why or "" for name, one in self.metrics.items() if one.value is None}
        return "; ".join(f"{name}: {why}" for name, why in lacking.items())


class ClassificationRow(Row):
    """`confusion` counts units: rows true, columns predicted classes."""

    confusion: tuple[tuple[StrictInt, ...], ...]


class SegmentationRow(Row):
    """`missing_outlines`: class -> images on which exactly one of truth and prediction holds it, of those with a
    spacing where any have one.
    """

    missing_outlines: dict[str, StrictInt]


class DetectionRow(Row):
    """The confidence from which its boxes count, and how many are right, wrong and missed with it."""

    confidence: Number
    right: StrictInt
    wrong: StrictInt
    missed: StrictInt


class McNemarTest(Written):
    """`spine.metrics.statistics.McNemar`, as written."""

    only_first: StrictInt
    only_second: StrictInt
    p: Number | None

    @classmethod
    def of(cls, result: McNemar) -> McNemarTest:
        """As the test gave it."""
        return cls(**with_nulls(asdict(result)))


class DeLongTest(Written):
    """`spine.metrics.statistics.DeLong`, as written; `why` is there where p is None."""

    first: Number | None
    second: Number | None
    difference: Number | None
    z: Number | None
    p: Number | None
    why: StrictStr | None = None

    @classmethod
    def of(cls, result: DeLong) -> DeLongTest:
        """As the test gave it, with the reason where it has no p."""
        known = with_nulls(asdict(result))
        return cls(**known, why=NO_VARIANCE) if known["p"] is None else cls(**known)


class WilcoxonTest(Written):
    """`spine.metrics.statistics.Wilcoxon`, as written."""

    differing: StrictInt
    higher: StrictInt
    p: Number | None

    @classmethod
    def of(cls, result: Wilcoxon) -> WilcoxonTest:
        """As the test gave it."""
        return cls(**with_nulls(asdict(result)))


PairedTestResult = McNemarTest | DeLongTest | WilcoxonTest


class Comparison(Written):
    """The ensemble against another row; `role` says who that is.

    `differences` are those that the verdict tells of, `all_differences` those of every metric. The tests are the
    task's; one that does not apply is None.
    """

    against: StrictStr
    role: StrictStr
    identical: StrictBool
    differences: dict[str, Estimate]
    all_differences: dict[str, Estimate]
    mcnemar: McNemarTest | None = None
    delong: DeLongTest | None = None
    wilcoxon: WilcoxonTest | None = None
    verdict: StrictStr


class LeftOut(Written):
    """The ensemble without one member: its headline, and what the ensemble with the member is ahead of that."""

    name: StrictStr
    weight: Number
    score: Estimate
    difference: Estimate


class Alternative(Written):
    """The same members with other weights, by the rule of that `name`: the headline, and what the ensemble is ahead.

    `one_split` are weights of the validation split alone. They are told, and nothing is chosen by them. Of detection,
    `fusion` holds the thresholds that go with them.
    """

    name: StrictStr
    weights: dict[str, Number]
    fusion: dict[str, Number] = Field(default_factory=dict)
    score: Estimate
    difference: Estimate


class Pair(Written):
    """How often two members differ, and how often both are wrong."""

    members: tuple[StrictStr, StrictStr]
    disagreement: Estimate
    double_fault: Estimate


class ErrorPairs(Written):
    """Every pair of members; `of` tells what is counted."""

    of: StrictStr
    pairs: tuple[Pair, ...]


class RowCost(Written):
    """Seconds an image, None where they are not known, and megabytes; `summed` over the members that the row runs."""

    seconds: Number | None
    megabytes: Number
    summed: StrictBool

    @property
    def ms(self) -> float | None:
        """Milliseconds an image."""
        return None if self.seconds is None else 1000 * self.seconds


class Counts(Written):
    """Patients, units that are scored once, and rows (images) of the split."""

    patients: StrictInt
    units: StrictInt
    rows: StrictInt


class ClassificationCounts(Counts):
    """And the units of each class."""

    units_per_class: dict[str, StrictInt]


class SegmentationCounts(Counts):
    """And the images of a known pixel spacing."""

    with_spacing: StrictInt


class DetectionCounts(Counts):
    """And the images without a box, and the true boxes of each class and size."""

    without_boxes: StrictInt
    boxes: StrictInt
    boxes_per_class: dict[str, StrictInt]
    boxes_per_size: dict[str, StrictInt]


class Bootstrap(Written):
    """How patients were drawn."""

    resamples: StrictInt
    confidence: Number
    seed: StrictInt


class Evaluation(Written):
    """All of metrics.json; each task has its own kind of rows and counts."""

    experiment: StrictStr
    task: StrictStr
    target: StrictStr = ""
    labels: tuple[StrictStr, ...]
    split: StrictStr = "test"
    dataset: StrictStr = ""
    headline: StrictStr
    verdict: StrictStr
    units: StrictStr = "units"
    names: dict[str, StrictStr]
    counts: Counts
    bootstrap: Bootstrap
    overlap: Overlap
    notes: tuple[StrictStr, ...]
    search: Searched
    stopped_on_searched: tuple[StrictStr, ...] = ()
    validation: dict[str, Number | None]
    best_on_validation: StrictStr = ""
    best_on_test: StrictStr = ""
    rows: tuple[Row, ...] = Field(min_length=1)
    comparisons: tuple[Comparison, ...]
    without: tuple[LeftOut, ...]
    given: dict[str, dict[str, Number]] = Field(default_factory=dict)  # row -> weights, normalised, of given ones
    alternatives: tuple[Alternative, ...] = ()
    pairs: ErrorPairs
    costs: dict[str, RowCost]
    inputs_hash: StrictStr = ""
    judged_hash: StrictStr = ""  # of the truth and predictions that were judged; none in files of older versions
    settings_hash: StrictStr = ""  # of what the experiment says of judging; none in files of older versions
    against_own_dataset: dict[str, Estimate] | None = None
    undefined: dict[str, StrictStr] = Field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read it; SpineError names the key that does not hold."""
        return read_json(path, AGAIN, of_shape(cls))

    def write(self, path: Path) -> None:
        """Write it, as a whole or not at all."""
        write_json(self.as_written(), path)

    def as_written(self) -> dict[str, Any]:
        """The file's content."""
        return self.model_dump(exclude_unset=True)

    def row(self, name: str) -> Row:
        """The row of that name."""
        return next(row for row in self.rows if row.name == name)

    @property
    def table_rows(self) -> tuple[Row, ...]:
        """The rows of tables: the leaderboard's, and where masks are post-processed the ensemble as it is served."""
        return self.rows

    @property
    def verdicts(self) -> list[str]:
        """The verdict in its sentences, one a comparison; older files have one sentence."""
        return [one.verdict for one in self.comparisons if one.verdict in self.verdict] or [self.verdict]

    @property
    def caution(self) -> str:
        """What to keep in mind of intervals over so few patients; "" where they are enough."""
        return caution(self.counts.patients)

    @property
    def shown_intervals(self) -> Iterator[Bounded]:
        """The intervals of tables, verdicts and decisions; rows that predict the same have no difference to show."""
        for row in self.table_rows:
            yield from row.metrics.values()
        for comparison in self.comparisons:
            yield from () if comparison.identical else comparison.differences.values()
        yield from self.decided_intervals

    @property
    def caution_of_width(self) -> str:
        """What to keep in mind where an interval has no width; "" where all have."""
        return caution_of_width(self.shown_intervals)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The notes, with the caution also where an older version wrote none."""
        return tuple(dict.fromkeys(filter(None, (*self.notes, self.caution))))

    @property
    def members(self) -> tuple[Row, ...]:
        """The rows that are members, in the experiment's order."""
        return tuple(row for row in self.rows if row.kind == "member")

    @property
    def ensemble(self) -> Row:
        """The row of the searched ensemble."""
        return next(row for row in self.rows if row.kind == "ensemble")

    @property
    def describe_given(self) -> str:
        """A sentence on the rows of weights that a person gave; empty where there are none."""
        told = [
            f"{name} is {', '.join(f'{member} {weight:.3g}' for member, weight in weights.items() if weight)}"
            for name, weights in self.given.items()
        ]
        return f"Weights given by hand, not searched, normalised to sum 1: {'; '.join(told)}." if told else ""

    @property
    def is_of_other_dataset(self) -> bool:
        """Whether it tells of another dataset than the experiment's own."""
        return self.against_own_dataset is not None

    @property
    def compared(self) -> tuple[str, ...]:
        """The metrics that the verdict tells of, the headline first."""
        return tuple(self.comparisons[0].differences) if self.comparisons else (self.headline,)

    @property
    def headline_name(self) -> str:
        """How people call the headline."""
        return self.names[self.headline]

    @property
    def decided(self) -> list[str]:
        """A sentence on each decision; of the task that decides."""
        return []

    @property
    def decided_intervals(self) -> Iterable[Bounded]:
        """The intervals of these sentences."""
        return ()

    @property
    def left_out(self) -> Mapping[str, LeftOut]:
        """Member -> the ensemble without it, of the members of weight above 0 where there are several."""
        return {one.name: one for one in self.without}

    def lacking(self, metric: str) -> list[Row]:
        """The rows that have no value of the metric; SpineError where it was not evaluated."""
        if metric not in self.rows[0].metrics:
            raise SpineError(f"metrics.json has no {metric}, as the experiment asked for other metrics then; {AGAIN}")
        return [row for row in self.table_rows if row.metrics[metric].value is None]

    @property
    def undefined_metrics(self) -> list[str]:
        """The metrics that some row lacks."""
        return [name for name in self.rows[0].metrics if self.lacking(name)]

    def footnotes(self, metrics: Iterable[str]) -> list[str]:
        """A sentence on each of these metrics that some row lacks, for readers of a table with dashes."""
        return [self._footnote(metric, lacking) for metric in metrics if (lacking := self.lacking(metric))]

    def _footnote(self, metric: str, lacking: list[Row]) -> str:
        whom = "any row" if len(lacking) == len(self.table_rows) else enumerated(row.name for row in lacking)
        why = lacking[0].metrics[metric].why or TASKS[self.task].metrics.why_undefined(metric)
        return f"–: {self.names[metric]} of {whom} is undefined, since {why}."


class ClassificationEvaluation(Evaluation):
    """metrics.json of classification."""

    task: Literal["classification"]
    counts: ClassificationCounts
    rows: tuple[ClassificationRow, ...] = Field(min_length=1)
    decisions: DecisionsOnTest | None = None  # of the ensemble

    @property
    def decided(self) -> list[str]:
        """Where weights.json has decisions."""
        return self.decisions.describe(self.labels) if self.decisions else []

    @property
    def decided_intervals(self) -> Iterable[Bounded]:
        """Where weights.json has decisions."""
        return self.decisions.shown_intervals if self.decisions else ()


class Postprocessed(Written):
    """The ensemble with its masks post-processed, as they are served: metrics, and what they are ahead of without."""

    metrics: dict[str, Estimate]
    differences: dict[str, Estimate]
    missing_outlines: dict[str, StrictInt]


class SegmentationEvaluation(Evaluation):
    """metrics.json of segmentation."""

    task: Literal["segmentation"]
    counts: SegmentationCounts
    rows: tuple[SegmentationRow, ...] = Field(min_length=1)
    postprocessed: Postprocessed | None = None

    @property
    def table_rows(self) -> tuple[SegmentationRow, ...]:
        """With the ensemble as it is served."""
        if not (served := self.postprocessed):
            return self.rows
        own = SegmentationRow(
            name=POSTPROCESSED,
            kind="postprocessed",
            weight=None,
            metrics=served.metrics,
            missing_outlines=served.missing_outlines,
        )
        return (*self.rows, own)


class DetectionEvaluation(Evaluation):
    """metrics.json of detection."""

    task: Literal["detection"]
    counts: DetectionCounts
    rows: tuple[DetectionRow, ...] = Field(min_length=1)
