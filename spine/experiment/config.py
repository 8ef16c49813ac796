"""An experiment as frozen models: its task, data, members and stages; a resolved copy is written with the run.

Unknown keys are errors that list the known ones. `loading.py` reads it from a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import yaml
from pydantic import BaseModel, Field, ValidationInfo, field_validator, model_validator

from spine.core.files import atomic_file, fingerprint
from spine.core.near_names import did_you_mean
from spine.core.problems import SpineError
from spine.core.refusals import as_yaml
from spine.core.strict import Seed, Strict, validate, validate_alone
from spine.core.words import enumerated
from spine.experiment.about import AboutSettings
from spine.experiment.executor import ExecutorSettings
from spine.experiment.given_weights import normalised_weights
from spine.experiment.postprocess import PostprocessSettings
from spine.experiment.seeds import with_seeds
from spine.experiment.snapshots import members_of
from spine.experiment.stages import NAME, DecideSettings, EvaluateSettings, ExportSettings, SearchSettings
from spine.experiment.tuning import TuneSettings

if TYPE_CHECKING:
    from spine.tasks import Task

__all__ = ["REFIT", "Experiment", "Foreign", "Head", "NoNetwork", "SettingsOf", "TaskSettings"]

REFIT = "refit"
_WHAT_LABELS_ARE = {
    1: "the one or more different classes that boxes have; the background is none of them",
    2: "two or more different classes, background first where there is one",
}


class TaskSettings(Protocol):
    """`<task>.config.Settings`: the pydantic model of one member of that task; importing it must be cheap."""

    model_validate: Any

    def check(self, train: Any) -> None:
        """SpineError where the training rows lack what these settings need; cheap. Weights are asked for apart."""
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


class NoNetwork(Strict):
    """Settings of a member that is no network: it starts from no weights, and no setting is likely a slip."""

    @property
    def initial_weights(self) -> tuple[()]:
        """Nothing."""
        return ()

    @property
    def doubts(self) -> tuple[()]:
        """None."""
        return ()


class Foreign(NoNetwork):
    """A member that nothing here trains: its predictions come from elsewhere."""

    foreign: Literal[True]

    def check(self, train: Any) -> None:
        """SpineError: what is asked for before a training is its predictions."""
        raise SpineError(
            "is an external member (foreign: true) without predictions; write them with "
            "spine.experiment.foreign.write_foreign (docs/foreign_members.md), or publish a two-stage detector there "
            "with `spine two-stage`"
        )


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
    jobs: int = Field(default=1, ge=1, le=1024)  # trainings at once on this machine, each on its share of the cores
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
    about: AboutSettings = AboutSettings()
    executor: ExecutorSettings = ExecutorSettings()
    tune: TuneSettings | None = None  # of `spine tune`, which alone reads it

    @model_validator(mode="before")
    @classmethod
    def _without_null_sections(cls, raw: Any) -> Any:
        """A section that is null has its defaults: so a file takes back what the one that it extends has there."""
        if not isinstance(raw, Mapping):
            return raw
        sections = cls.sections()
        return {name: value for name, value in raw.items() if value is not None or name not in sections}

    @classmethod
    def sections(cls) -> dict[str, type[Strict]]:
        """Key -> settings, of each key that holds settings of its own, all of which have defaults."""
        fields = cls.model_fields.items()
        return {name: type(field.default) for name, field in fields if isinstance(field.default, Strict)}

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
        settings_of = info.context["settings_of"]
        settings = settings_of(str(raw.get("task")))
        shared = raw.get("shared") or {}
        _require_settings(shared, "shared")
        named, shared = with_seeds(raw["members"], shared, _settings_by_network(settings))
        with _told_whose(settings, settings, settings_of):
            validate_alone(settings, shared, "shared")  # a value that every member replaces is in none of them
        members = {}
        _require_apart(named)
        for name, own in named.items():
            if isinstance(own, (settings, *_settings_by_network(settings).values(), Foreign)):
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
            kind = _settings_by_network(settings).get(str(own.get("network"))) or settings
            with _told_whose(settings, kind, settings_of):
                found = members_of(name, _member(settings, shared, own, f"members.{name}"))
            if taken := [other for other in found if other != name and other in {*members, *named}]:
                raise SpineError(f"members.{name} has a snapshot {taken[0]!r}, as another member is called; rename one")
            members.update(found)
        _require_apart(members)  # snapshots too
        return {**raw, "shared": shared, "members": members}

    @model_validator(mode="after")
    def _is_complete(self) -> Experiment:
        if not self.members:
            raise ValueError("members is empty; name at least one")
        least = self._of_task.fewest_labels
        if len(self.labels) < least or len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels is {as_yaml(self.labels)}; name {_WHAT_LABELS_ARE[least]}")
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
        if self.served == REFIT and self.executor.kind == "ray" and self.executor.store:
            raise ValueError(
                "served is refit, which reads what the folds' trainings left, and executor.store brings that to no "
                "machine; use mean, or a disk that all machines see in place of executor.store"
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
        searchable = ", ".join(task.metrics.searchable)
        if self.search.metric and self.search.metric not in task.metrics:
            raise ValueError(
                f"search.metric is {self.search.metric!r}; for {task.name} it is one of {searchable}"
                f"{did_you_mean(self.search.metric, task.metrics)}"
            )
        if why := task.metrics.unsearched.get(self.search.metric):
            raise ValueError(f"search.metric {self.search.metric!r} {why}; for {task.name} use one of {searchable}")
        return self

    @model_validator(mode="after")
    def _gives_weights_to_its_members(self) -> Experiment:
        if self.search.weights:
            normalised_weights(self.search.weights, self.members, "search.weights")
        for name in self.given_weights:
            if name in self.members:
                raise ValueError(f"evaluate.also names weights {name!r}, as a member is called; rename them")
        return self

    @model_validator(mode="after")
    def _decides_of_classes(self) -> Experiment:
        if self.decide.asks_for_nothing:
            return self
        if not self._of_task.classifies:
            raise ValueError(f"decide is for classification, and the task is {self.task}; leave it out")
        if (asked := self.decide.operating_points) and len(self.labels) != 2:
            raise ValueError(
                f"decide.{asked[0]} is of two labels, a negative and a positive one, and labels is "
                f"{as_yaml(self.labels)}; leave it out, or ask for sets of labels by decide.coverage"
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
    def given_weights(self) -> dict[str, dict[str, float]]:
        """Name -> member -> weight of `evaluate.also`, each normalised; SpineError where members differ."""
        return {
            name: normalised_weights(weights, self.members, f"evaluate.also.{name}")
            for name, weights in self.evaluate.also.items()
        }

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
    def measurements_directory(self) -> Path:
        """`runs/<experiment>/measurements/`, of several targets the first one's: what is measured is for all."""
        return self.siblings[0].directory / "measurements"

    @property
    def search_split(self) -> str:
        """Whose predictions the weights are searched on: test belongs to evaluate."""
        return "out-of-fold" if self.folds else "validation"

    @property
    def exported_name(self) -> str:
        """What the exported model is called in requests."""
        return self.export.name or self.name

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


def _settings_by_network(settings: Any) -> Mapping[str, type[BaseModel]]:
    """A task's further settings of members, by what is named as the network."""
    return getattr(settings, "OF_NETWORKS", {})


@contextmanager
def _told_whose(settings: Any, kind: Any, settings_of: SettingsOf) -> Iterator[None]:
    """Say of an unknown key of a member, of this `kind`, whose setting it is: of networks, or of another task."""
    try:
        yield
    except SpineError as error:
        lines = [_of_others(line, settings, kind, settings_of) for line in str(error).splitlines()]
        raise SpineError("\n".join(lines)) from None


def _of_others(line: str, settings: Any, kind: Any, settings_of: SettingsOf) -> str:
    key, unknown, _ = line.strip().partition(": unknown key; ")
    if not unknown or "." in key:
        return line
    if kind is not settings and key in settings.model_fields:
        network = kind.model_fields["network"].default
        return (
            f"  {key}: is a setting of networks that are trained, and the member's network is {network}; leave it out"
        )
    from spine.tasks import TASKS

    having = []
    for task in TASKS:
        with suppress(SpineError):  # a training's process knows its own task alone
            having += [task] if key in settings_of(task).model_fields else []
    return (
        f"  {key}: is a setting of {enumerated(having)} members, not of this task's; leave it out" if having else line
    )


def _member(settings: Any, shared: Mapping[str, Any], own: Mapping[str, Any], where: str) -> Any:
    """A member's validated settings; of what is shared, another kind of member takes what it has too."""
    other = _settings_by_network(settings).get(str(own.get("network")))
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
