"""One strict YAML experiment file -> frozen models; `key=value` overrides; a resolved copy is written with the run.

Unknown keys are errors that list the known ones. `${NAME}` and `${NAME:-default}` in text are replaced from the
environment. Paths are relative to the working directory, but that of `extends` to the file (`extends.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import yaml
from pydantic import BaseModel, Field, ValidationInfo, field_serializer, field_validator, model_validator

from spine.core.files import atomic_file, fingerprint
from spine.core.near_names import did_you_mean
from spine.core.problems import SpineError, within
from spine.core.strict import Seed, Strict, validate, validate_alone, without_password
from spine.core.yaml_files import parse_yaml, read_yaml
from spine.experiment.extends import merge_files, read_files
from spine.experiment.postprocess import PostprocessSettings
from spine.experiment.seeds import member_of_seed, with_seeds
from spine.experiment.snapshots import members_of
from spine.experiment.targets import experiments_of_targets, is_of_targets, settings_of_file

if TYPE_CHECKING:
    from spine.tasks import Task

__all__ = [
    "REFIT",
    "RULELESS",
    "STORAGES",
    "BatchingSettings",
    "DecideSettings",
    "Experiment",
    "ExportSettings",
    "Foreign",
    "Head",
    "SearchSettings",
    "SettingsOf",
    "Strict",
    "Study",
    "TaskSettings",
    "apply_override",
    "load_experiment",
    "load_experiments",
    "load_other_datasets",
    "steps_of",
    "validate",
    "validate_experiment",
    "without_password",
]

REFIT = "refit"
MOST = 10**6  # resamples or trials: more are days of work, and a slip of the pen
RULELESS = ("equal", "best")  # methods that decide the weights by themselves, whatever the rule
FINEST = 10_000  # steps of weights from 0 to 1
STORAGES = "sqlite:///, journal:/// or postgresql://"  # how the URL of a search's record begins
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
_WHAT_LABELS_ARE = {
    1: "the one or more different classes that boxes have; the background is none of them",
    2: "two or more different classes, background first where there is one",
}


class TaskSettings(Protocol):
    """`<task>.config.Settings`: the pydantic model of one member of that task; importing it must be cheap."""

    model_validate: Any

    def check(self, train: Any) -> None:
        """SpineError where the training rows lack what these settings need, or a file is missing; cheap."""
        ...

    @property
    def initial_weights(self) -> tuple[str | int | float, ...]:
        """What tells the weights that it starts from, published or a file's, and for what; empty where it has none."""
        ...

    @property
    def doubts(self) -> tuple[str, ...]:
        """What is allowed and likely a slip, a sentence each."""
        ...


SettingsOf = Callable[[str], type[BaseModel]]  # a task's name -> its TaskSettings; SpineError where it is not known


class SearchSettings(Strict):
    """How the weights are chosen, on validation predictions only."""

    name: str = Field(default="weighted", pattern=NAME)  # the ensemble's directory
    metric: str = ""  # empty: accuracy, of segmentation dice_foreground, of detection map50
    method: Literal["grid", "line", "equal", "best", "greedy", "optuna-grid", "tpe", "cmaes"] = "grid"
    step: float = 0.1
    trials: int = Field(default=200, ge=1, le=MOST)  # of tpe and cmaes
    # Of detection, thresholds of weighted boxes fusion to try: boxes above the IoU become one, boxes below the score
    # are left out.
    iou_thresholds: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(default=(0.4, 0.5, 0.6, 0.7), min_length=1)
    score_thresholds: tuple[Annotated[float, Field(ge=0, lt=1)], ...] = Field(default=(0.0, 0.05), min_length=1)
    resamples: int = Field(default=200, ge=0, le=MOST)  # bootstrap resamples for the nested estimate; 0 disables it
    # What is made of the gains on patients and resamples; null: exponential, or optimum where the method decides
    # (equal, best, greedy), with class weights, and without resamples.
    rule: Literal["exponential", "shrunk", "optimum", "equal", "bagged", "dropped", "penalised"] | None = None
    prune: bool = True  # leave out members of small weight where that costs nothing on patients not chosen on
    max_latency_ms: float | None = Field(default=None, gt=0)  # an image: the sum over the members of weight above 0
    max_megabytes: float | None = Field(default=None, gt=0)  # the sum of those members' SavedModels
    temperature: bool = False  # first scale each member by a temperature of its own
    per_class: bool = False  # give the chosen members a weight for each class: more to choose, more to overfit
    allow_overlap: bool = False  # allow a search on patients that members were trained on; the report says so
    storage: str = ""  # URL of sqlite, journal or postgresql; empty: study.db beside weights.json

    @field_validator("step")
    @classmethod
    def _divides_one(cls, step: float) -> float:
        steps_of(step)
        return step

    @model_validator(mode="after")
    def _budget_has_a_method(self) -> SearchSettings:
        if self.method == "line" and (self.max_latency_ms or self.max_megabytes):
            raise ValueError("method 'line' does not support a budget; use grid, best, greedy, tpe or cmaes")
        return self

    @model_validator(mode="after")
    def _has_what_its_rule_needs(self) -> SearchSettings:
        if self.rule in (None, "optimum"):
            return self
        if self.per_class:
            raise ValueError(
                f"per_class starts from the optimum; rule {self.rule!r} does not support it: leave one out"
            )
        if self.method in RULELESS:
            raise ValueError(f"method {self.method!r} decides the weights by itself; leave rule {self.rule!r} out")
        if not self.resamples:
            raise ValueError(f"rule {self.rule!r} needs resamples of the patients; give resamples, or rule: optimum")
        return self

    @property
    def served_rule(self) -> str:
        """The rule whose weights are served."""
        decided = self.method in (*RULELESS, "greedy") or self.per_class or not self.resamples
        return self.rule or ("optimum" if decided else "exponential")

    @field_validator("storage")
    @classmethod
    def _is_kept_somewhere_known(cls, url: str) -> str:
        if url and not re.match(r"journal:///|(sqlite|postgresql)(\+\w+)?://", url):
            raise ValueError(f"give a URL that begins with {STORAGES}, or leave it out for study.db")
        return url

    @field_serializer("storage")
    def _hide_password(self, url: str) -> str:
        """What is written, into the resolved copy and the report, holds no password."""
        return without_password(url)


class EvaluateSettings(Strict):
    """How the test split is judged."""

    resamples: int = Field(default=2000, ge=100, le=MOST)  # bootstrap resamples of patients
    confidence: float = Field(default=0.95, gt=0, lt=1)
    allow_overlap: bool = False  # allow test patients that were trained or searched on; the report says so


class DecideSettings(Strict):
    """What is made of the ensemble's probabilities: calibrated ones, a decision, sets of labels; nothing unless asked.

    All of it is fitted on the patients that the weights are searched on.
    """

    calibration: Literal["none", "temperature", "isotonic"] = "none"
    sensitivity: float | None = Field(default=None, gt=0, lt=1)  # an operating point with at least that
    cost: float | None = Field(default=None, gt=0, le=MOST)  # or the cheapest one, a missed positive costing so many
    youden: bool = False  # false alarms; or the one of highest sensitivity + specificity
    confidence: float = Field(default=0.95, gt=0, lt=1)  # of the lower bound of that point's sensitivity
    coverage: float | None = Field(default=None, gt=0, lt=1)  # how often sets of classes hold the true one
    coverage_per_class: bool = False  # of every class, rather than of all together

    @model_validator(mode="after")
    def _fits_together(self) -> DecideSettings:
        if len(self.operating_points) > 1:
            raise ValueError(f"{' and '.join(self.operating_points)} each ask for an operating point; give one of them")
        if self.coverage_per_class and self.coverage is None:
            raise ValueError("coverage_per_class needs a coverage; set it, such as coverage: 0.9")
        return self

    @property
    def operating_points(self) -> list[str]:
        """By which of the three an operating point is asked for."""
        asked = {"sensitivity": self.sensitivity is not None, "cost": self.cost is not None, "youden": self.youden}
        return [name for name, is_asked in asked.items() if is_asked]

    @property
    def operating_point(self) -> tuple[Literal["sensitivity", "cost", "youden"], float | None] | None:
        """By what it is chosen and with which number; None where none is asked for."""
        if self.sensitivity is not None:
            return "sensitivity", self.sensitivity
        if self.cost is not None:
            return "cost", self.cost
        return ("youden", None) if self.youden else None

    @property
    def asks_for_nothing(self) -> bool:
        """Whether the ensemble gives its probabilities and no more."""
        return self.calibration == "none" and not self.operating_points and self.coverage is None


class BatchingSettings(Strict):
    """How TF Serving answers requests together that wait at the same time; its guide's values for CPUs."""

    enabled: bool | None = None  # null: of classification and detection, whose pictures may have any size
    max_batch_size: int = Field(default=16, ge=1, le=4096)  # pictures, and the most that one request may have
    batch_timeout_micros: int = Field(default=0, ge=0, le=10**7)  # how long a thread that is free waits for more
    max_enqueued_batches: int = Field(default=64, ge=1, le=MOST)  # more requests are refused as unavailable
    num_batch_threads: int = Field(default=4, ge=1, le=1024)  # the serving machine's cores


class ExportSettings(Strict):
    """How the fused SavedModel is published, and how TF Serving is told to serve it."""

    name: str = Field(default="", pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]*)?$")  # empty: the experiment's name
    stable: Literal["newest", "previous"] | int = "newest"  # the version labelled so
    versions: int = Field(default=2, ge=1, le=100)  # how many of the newest stay loaded
    batching: BatchingSettings = BatchingSettings()
    frozen: bool = False  # weights as constants: faster on CPUs, by rounding of its own apart from the members

    @field_validator("stable", mode="before")
    @classmethod
    def _names_a_version(cls, stable: Any) -> Any:
        if stable in ("newest", "previous") or (type(stable) is int and stable > 0):
            return stable
        raise ValueError("it is newest, previous, or the number of a version")


class Foreign(Strict):
    """A member that nothing here trains: its predictions come from elsewhere."""

    foreign: Literal[True]

    def check(self, train: Any) -> None:
        """SpineError: what is asked for before a training is its predictions."""
        raise SpineError(
            "is an external member (foreign: true) without predictions; write them with "
            "spine.experiment.foreign.write_foreign (docs/foreign_members.md), or publish a two-stage detector there "
            "with `spine two-stage`"
        )

    @property
    def initial_weights(self) -> tuple[()]:
        """Nothing."""
        return ()

    @property
    def doubts(self) -> tuple[()]:
        """None."""
        return ()


class Head(Strict):
    """A target that a network has a head for, and the experiment that the head's members belong to."""

    name: str = Field(pattern=NAME)  # the experiment's
    target: str
    labels: tuple[str, ...]
    ordinal: bool = False


class Experiment(Strict):
    """One experiment: a task, a dataset, members and the stages' settings."""

    extends: None = Field(default=None, exclude=True)  # the file that a file starts from, merged before it is validated
    name: str = Field(pattern=NAME)
    task: str
    data: Path  # the dataset's directory
    build: Path | None = None  # the data config that builds it where it is missing or changed
    target: str = ""
    labels: tuple[str, ...]  # index is the class; of two, the last is the positive one; of boxes class 1 comes first
    ordinal: bool = False  # of classification: the labels are grades in order, learned by cumulative logits
    targets: None = Field(default=None, exclude=True)  # in place of target and labels: an experiment each (targets.py)
    heads: tuple[Head, ...] = ()  # of all targets that are trained together; made of `targets`
    seed: Seed = 0
    runs: Path = Path("runs")
    jobs: int = Field(default=1, ge=1, le=1024)  # members trained at the same time, each on its share of the cores
    folds: int = Field(default=0, ge=0, le=1000)  # one model of each member for every fold; 0: one model, on `train`
    stop_on: Literal["fold", "inner"] = "fold"  # who stops a fold's training: the fold's patients, or others
    served: Literal["mean", "refit"] = "mean"  # of folds: all their models, or one more of all their patients
    fold: int | Literal["refit"] | None = None  # what one training process trains; `spine train` sets it
    shared: Mapping[str, Any] = Field(default_factory=dict)  # what every member starts from
    members: Mapping[str, Any]
    search: SearchSettings = SearchSettings()
    decide: DecideSettings = DecideSettings()
    postprocess: PostprocessSettings = PostprocessSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    export: ExportSettings = ExportSettings()

    @field_validator("extends", mode="before")
    @classmethod
    def _is_of_a_file(cls, extends: Any) -> None:
        if extends is not None:
            raise ValueError("only an experiment file extends another; write it there, not as an override")

    @field_validator("targets", mode="before")
    @classmethod
    def _are_of_a_file(cls, targets: Any) -> None:
        if targets is not None:
            raise ValueError("stand for an experiment each; name one of them by `target`")

    @model_validator(mode="before")
    @classmethod
    def _settle_members(cls, raw: Any, info: ValidationInfo) -> Any:
        """Replace each member's mapping by the task's validated settings."""
        if not isinstance(raw, Mapping) or not isinstance(raw.get("members"), Mapping):
            return raw
        assert info.context, "validate an experiment by validate_experiment, which is handed the tasks' settings"
        settings = info.context["settings_of"](str(raw.get("task")))
        shared = raw.get("shared") or {}
        _require_settings(shared, "shared")
        named, shared = with_seeds(raw["members"], shared, _others(settings))
        validate_alone(settings, shared, "shared")  # a value that every member replaces is in none of them
        members = {}
        _require_apart(named)
        for name, own in named.items():
            if isinstance(own, (settings, *_others(settings).values(), Foreign)):
                members.update(members_of(name, own))
                continue
            if not isinstance(name, str):
                raise SpineError(f'the member name {name} is a number to YAML; write "{name}", in quotes')
            if not re.fullmatch(NAME, name):
                raise SpineError(f"member name {name!r} holds more than letters, digits, '.', '_' and '-'")
            own = {} if own is None else own
            _require_settings(own, f"members.{name}")
            if "foreign" in own:
                members[name] = validate(Foreign, own, f"members.{name}")
                continue
            found = members_of(name, _member(settings, shared, own, f"members.{name}"))
            if taken := [other for other in found if other != name and other in {*members, *named}]:
                raise SpineError(f"members.{name} has a snapshot {taken[0]!r}, as another member is called; rename one")
            members.update(found)
        return {**raw, "shared": shared, "members": members}

    @model_validator(mode="after")
    def _is_complete(self) -> Experiment:
        if not self.members:
            raise ValueError("members is empty; name at least one")
        least = self._of_task.fewest_labels
        if len(self.labels) < least or len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels is {self.labels}; name {_WHAT_LABELS_ARE[least]}")
        return self

    @model_validator(mode="after")
    def _learns_targets_of_classes(self) -> Experiment:
        if (self.ordinal or self.heads) and not self._of_task.classifies:
            told = "ordinal is" if self.ordinal else "several targets are"
            raise ValueError(f"{told} for classification, and the task is {self.task}; leave it out")
        own = Head(name=self.name, target=self.target, labels=self.labels, ordinal=self.ordinal)
        if self.heads and own not in self.heads:
            raise ValueError(
                f"name, target, labels and ordinal are {own}, which is none of the heads; leave heads out, or change "
                "the file with `targets` that they are of"
            )
        return self

    @model_validator(mode="after")
    def _folds_fit_together(self) -> Experiment:
        if self.folds == 1:
            raise ValueError("folds is 1; give 2 or more, or 0 for none")
        if not self.folds and (self.stop_on, self.served, self.fold) != ("fold", "mean", None):
            raise ValueError("stop_on, served and fold need folds; set `folds`, such as folds: 5")
        if self.served == REFIT and any(getattr(own, "snapshots", 1) > 1 for own in self.members.values()):
            raise ValueError(
                "served is refit, which trains to a member's best epoch and so takes no snapshots; use mean"
            )
        if isinstance(self.fold, int) and not 0 <= self.fold < self.folds:
            raise ValueError(f"fold is {self.fold}; with {self.folds} folds it is 0 to {self.folds - 1}, or refit")
        return self

    @model_validator(mode="after")
    def _knows_its_metric(self) -> Experiment:
        """Before hours of training rather than after them."""
        task = self._of_task
        if not task.has_probabilities and self.search.method == "line":
            raise ValueError(f"search.method is 'line'; for {task.name} it is grid, equal, best, greedy, tpe or cmaes")
        if not task.has_probabilities and (self.search.temperature or self.search.per_class):
            raise ValueError(
                f"search.temperature and search.per_class need class probabilities, which {task.name} does not have; "
                "leave them out"
            )
        if self.search.per_class and self.search.metric == "roc_auc":
            raise ValueError("search.per_class does not support roc_auc; use another metric")
        if self.search.metric and self.search.metric not in task.metrics:
            raise ValueError(
                f"search.metric is {self.search.metric!r}; for {task.name} it is one of {', '.join(task.metrics)}"
                f"{did_you_mean(self.search.metric, task.metrics)}"
            )
        return self

    @model_validator(mode="after")
    def _decides_of_classes(self) -> Experiment:
        if self.decide.asks_for_nothing:
            return self
        if not self._of_task.classifies:
            raise ValueError(f"decide is for classification, and the task is {self.task}; leave it out")
        if (asked := self.decide.operating_points) and len(self.labels) != 2:
            raise ValueError(
                f"decide.{asked[0]} is of two labels, a negative and a positive one, and labels is {self.labels}; "
                "leave it out, or ask for sets of labels by decide.coverage"
            )
        return self

    @model_validator(mode="after")
    def _cleans_masks(self) -> Experiment:
        if not self.postprocess.asks_for_nothing and self.task != "segmentation":
            raise ValueError(f"postprocess is for segmentation, and the task is {self.task}; leave it out")
        self.postprocess.rules(self.labels)
        return self

    @property
    def _of_task(self) -> Task:
        """The task's row of the table, which is slow to import."""
        from spine.tasks import TASKS

        return TASKS[self.task]

    @property
    def siblings(self) -> tuple[Experiment, ...]:
        """The experiments whose members are trained together: one for each head, in order, or this one alone."""
        changes = [{name: getattr(head, name) for name in Head.model_fields} for head in self.heads]
        return tuple(self.model_copy(update=update) for update in changes) or (self,)

    @property
    def directory(self) -> Path:
        """`runs/<experiment>/`."""
        return self.runs / self.name

    def member_directory(self, name: str) -> Path:
        """`runs/<experiment>/members/<member>/`, and of a fold's training `fold-<k>/` or `refit/` below it."""
        whole = self.directory / "members" / name
        if self.fold is None:
            return whole
        return whole / (REFIT if self.fold == REFIT else f"fold-{self.fold}")

    @property
    def search_split(self) -> str:
        """Whose predictions the weights are searched on: test belongs to evaluate."""
        return "out-of-fold" if self.folds else "validation"

    @property
    def ensemble_directory(self) -> Path:
        """`runs/<experiment>/ensembles/<ensemble>/`."""
        return self.directory / "ensembles" / self.search.name

    @property
    def evaluation_directory(self) -> Path:
        """`runs/<experiment>/evaluation/`: metrics.json, leaderboard.csv and report pictures."""
        return self.directory / "evaluation"

    def member_hash(self, name: str, data_hash: str, splits_hash: str) -> str:
        """Fingerprint of all that training depends on: the member's settings, task, data, splits and seed."""
        settings = self.members[name].model_dump(mode="json")
        heads = [head.model_dump(mode="json", exclude={"name"}) for head in self.heads]
        more: list[Any] = [[self.ordinal, heads]] if self.ordinal or heads else []  # older runs know neither
        if made_of := getattr(self.members[name], "made_of", ""):  # another member's SavedModel, now a part of this one
            more.append(made_of)
        return fingerprint([settings, self.task, self.target, self.labels, self.seed, data_hash, splits_hash, *more])

    def write(self, path: Path) -> Path:
        """Write the resolved experiment as YAML that loads to an equal one; the path is returned.

        A file that has just this is left as it is.
        """
        content = self.model_dump(mode="json", exclude={"shared"})
        content["members"] = {name: member.model_dump(mode="json") for name, member in self.members.items()}
        text = yaml.safe_dump(content, sort_keys=False)
        if path.exists() and path.read_text() == text:
            return path
        with atomic_file(path) as temporary:
            temporary.write_text(text)
        return path


def _others(settings: Any) -> Mapping[str, type[BaseModel]]:
    """A task's further settings of members, by what is named as the network."""
    return getattr(settings, "OF_NETWORKS", {})


def _member(settings: Any, shared: Mapping[str, Any], own: Mapping[str, Any], where: str) -> Any:
    """A member's validated settings; of what is shared, another kind of member takes what it has too."""
    other = _others(settings).get(str(own.get("network")))
    if other is None:
        return validate(settings, {**shared, **own}, where)
    return validate(other, {**{key: value for key, value in shared.items() if key in other.model_fields}, **own}, where)


def _require_apart(names: Iterable[Any]) -> None:
    """SpineError where two members' directories would be one on a disk that does not tell capitals from others."""
    known: dict[str, str] = {}
    for name in map(str, names):
        if (other := known.setdefault(name.casefold(), name)) != name:
            raise SpineError(f"members {other!r} and {name!r} differ only in case, which some disks ignore; rename one")


def _require_settings(value: Any, where: str) -> None:
    if not isinstance(value, Mapping):
        raise SpineError(f"{where} is {value!r}; give a mapping of settings, such as {{epochs: 30}}")


class Elsewhere(Strict):
    """An experiment whose members and weights are judged on the test split of another dataset too."""

    experiment: Path
    build: Path  # that dataset's data config


class Study(Strict):
    """Experiments that belong together and run one after another, such as those of the quickstart."""

    experiments: tuple[Path, ...] = Field(min_length=1)
    also: tuple[Elsewhere, ...] = ()  # judged when they have all run
    cases: tuple[Path, ...] = ()  # exported then: what chains their ensembles into one model


def steps_of(step: float) -> int:
    """n = 1/step, of the steps that weights are whole multiples of; ValueError where the step does not divide 1, or is
    finer than 1/FINEST.
    """
    steps = round(1 / step) if 0 < step <= 1 else 0
    if not steps or abs(steps * step - 1) > 1e-9:
        raise ValueError(f"step {step!r} does not divide 1; give 1/n such as 0.1, 0.05 or 0.02")
    if steps > FINEST:
        raise ValueError(
            f"step {step!r} is finer than {1 / FINEST:g}; use that, or method 'line' for continuous weights "
            "(not for detection)"
        )
    return steps


def load_experiments(path: Path | str, overrides: Sequence[str], settings_of: SettingsOf) -> tuple[Experiment, ...]:
    """The experiment of a file, one for each of its `targets`, or all of a study's; overrides apply to each."""
    raw = read_yaml(path)
    if "experiments" not in raw:
        return _experiments_of(path, overrides, settings_of)
    study = validate(Study, raw, str(path))
    with within(path):
        return tuple(one for file in study.experiments for one in _experiments_of(file, overrides, settings_of))


def load_other_datasets(
    path: Path | str, overrides: Sequence[str], settings_of: SettingsOf
) -> tuple[tuple[Experiment, Path], ...]:
    """A study's experiments to be judged on another dataset too, each with its data config; none of an experiment's."""
    raw = read_yaml(path)
    also = validate(Study, raw, str(path)).also if "experiments" in raw else ()
    with within(path):
        return tuple(
            (one, judged.build) for judged in also for one in _experiments_of(judged.experiment, overrides, settings_of)
        )


def load_experiment(
    path: Path | str, overrides: Sequence[str], settings_of: SettingsOf, target: str = ""
) -> Experiment:
    """Read an experiment file and what it extends, apply `key=value` overrides (dotted keys, YAML values), validate it.

    `settings_of` gives the settings of a task's members, such as `pipeline.registry.task_settings` of all tasks. Of a
    file with `targets` the experiment of `target`; SpineError where it has several, and none is named.
    """
    files = _read_files(path)
    if target and is_of_targets(merge_files(files.values())):
        overrides = [*overrides, f"target={target}"]
    experiments = _experiments_of(path, overrides, settings_of)
    if len(experiments) > 1:
        targets = ", ".join(one.target for one in experiments)
        raise SpineError(f"{path} has several targets; add target=NAME for one of {targets}")
    return experiments[0]


def _experiments_of(path: Path | str, overrides: Sequence[str], settings_of: SettingsOf) -> tuple[Experiment, ...]:
    """The experiment of a file, or one for each of its targets."""
    files = _read_files(path)
    with within(path):
        raw = merge_files(files.values())
        if not is_of_targets(raw):
            return (_validated(raw, overrides, files, settings_of),)
        of_file, of_each = settings_of_file(overrides)
        for override in of_file:
            apply_override(raw, override)
        return tuple(_validated(one, of_each, files, settings_of) for one in experiments_of_targets(raw).values())


def _read_files(path: Path | str) -> dict[Path, dict[str, Any]]:
    files = read_files(path)
    for file, own in files.items():
        with within(path):
            _require_experiment(own, file)
    return files


def _validated(
    raw: dict[str, Any], overrides: Sequence[str], files: Iterable[Path], settings_of: SettingsOf
) -> Experiment:
    own = deepcopy(raw)
    for override in overrides:
        apply_override(own, override)
    return validate_experiment(own, _told(files), settings_of)


def _told(files: Iterable[Path]) -> str:
    """A file with those that it extends, any of which may have what is wrong."""
    own, *others = map(str, files)
    return f"{own} (extends {', '.join(others)})" if others else own


def _require_experiment(raw: Mapping[str, Any], path: Path) -> None:
    """SpineError where a file is another kind of configuration."""
    if "sources" in raw and "members" not in raw:
        raise SpineError(
            f"{path} is a data config (it has `sources`), not an experiment; build it with "
            f"`spine data build {path}`, and give an experiment's file here"
        )
    if "detector" in raw and "members" not in raw:
        raise SpineError(
            f"{path} is a case (it has a `detector`), not an experiment; export it with `spine export {path}`, "
            "and give an experiment's file here"
        )
    if "experiments" in raw and "members" not in raw:
        study = validate(Study, raw, str(path))
        raise SpineError(
            f"{path} is a study of several experiments; give the file of one of them here: "
            f"{', '.join(map(str, study.experiments))}"
        )


def validate_experiment(raw: Any, where: str, settings_of: SettingsOf) -> Experiment:
    """Validate an experiment; `settings_of` gives the settings of a task's members, `where` names it in the error."""
    return validate(Experiment, raw, where, {"settings_of": settings_of})


def apply_override(raw: dict[str, Any], text: str) -> None:
    """Set one value of a configuration by `key=value`, dotted key and YAML value; SpineError where it is none."""
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise SpineError(f"override {text!r} is not of the form key=value, such as search.step=0.05")
    *parents, last = key.split(".")
    members = raw.get("members")
    if parents[:1] == ["members"] and isinstance(members, dict) and [*parents, last][1] not in members:
        name = [*parents, last][1]
        if (whole := member_of_seed(name)) in members:
            raise SpineError(f"override {text!r}: the seeds of {whole} have one set of settings; give members.{whole}")
        raise SpineError(
            f"override {text!r}: no member has that name; the members are {', '.join(members)}"
            f"{did_you_mean(name, members)}"
        )
    place: Any = raw
    for part in parents:
        place = place.setdefault(part, {})
        if place is None or not isinstance(place, dict):
            raise SpineError(f"override {text!r}: {part!r} is no group of settings in this file")
    try:
        place[last] = parse_yaml(value)
    except ValueError as error:
        raise SpineError(f"override {text!r}: {value!r} is not a YAML value ({error}); correct it") from None
