"""The contract: a member is a directory.

    member.json                    who it is: `Card`
    model/<version>/               its SavedModel, preprocessing inside (a foreign model has none)
    predictions/<split>/           what it said: `spine.predictions.predictions`

Whatever writes this directory can join an ensemble, in any framework; an ensemble writes it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from spine.core.files import fingerprint, hash_directory, read_json, write_json
from spine.core.json_models import of_shape
from spine.core.privacy import salt_id
from spine.core.problems import SpineError
from spine.dataset.manifest import OUT_OF_FOLD
from spine.member.seals import is_sealed, put_seal, require_seal
from spine.predictions.predictions import AnyPredictions, require_of
from spine.predictions.stored_tables import PREDICT
from spine.tasks import TASKS

if TYPE_CHECKING:
    from spine.dataset.truth import AnyTruth

__all__ = ["Card", "Member", "NoModel", "Patients"]

AGAIN = "run `spine train EXPERIMENT` again, or what else wrote it, such as `spine export EXPERIMENT`"


class NoModel(SpineError):
    """There is no SavedModel to run or to fuse, as of a foreign member: what it said can be searched and judged."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Patients(_Frozen):
    """Salted hashes (`spine.core.privacy.patient_hash`) of the patients a member has seen; `salt` names their salt."""

    salt: str = ""
    trained: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    searched: tuple[str, ...] = ()

    @classmethod
    def union(cls, several: Sequence[Patients]) -> Patients:
        """All that any of several have seen; SpineError where hashes are of different salts."""
        salts = {patients.salt for patients in several}
        if len(salts) > 1:
            raise SpineError(
                f"members and weights carry patient hashes of different salts ({', '.join(sorted(salts))}; here it is "
                f"{salt_id()}), so overlaps with an evaluation could not be found. Put the .spine-salt that they were "
                "trained with back into the working directory, or set SPINE_SALT to it, and search again; or remove "
                "the members' directories and train them again"
            )
        trained, stopped, searched = (
            tuple(sorted({hashed for patients in several for hashed in getattr(patients, use)}))
            for use in ("trained", "stopped", "searched")
        )
        return cls(salt=salts.pop(), trained=trained, stopped=stopped, searched=searched)


class Card(_Frozen):
    """What `member.json` says. `config_hash` names the settings and data it came from, `model_hash` its SavedModel.

    `folds` names the SavedModels of its folds, in order, where it has some: they made its out-of-fold predictions.
    """

    name: str
    task: str
    labels: tuple[str, ...]
    kind: str = "network"  # network, folds (the mean of theirs), ensemble, two-stage or foreign
    input: dict[str, Any] = Field(default_factory=dict)
    outputs: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    config_hash: str = ""
    model_hash: str = ""
    folds: tuple[str, ...] = ()
    patients: Patients = Patients()
    details: dict[str, Any] = Field(default_factory=dict)  # parameters, epochs, weights: for the report

    @property
    def is_external(self) -> bool:
        """Whether no experiment trains this member."""
        return self.kind in ("foreign", "two-stage")

    def maker_of(self, split: str) -> str:
        """The fingerprint that its predictions of a split carry: of the SavedModel, or of all that of the folds."""
        return fingerprint(list(self.folds)) if self.folds and split == OUT_OF_FOLD else self.model_hash


@dataclass(frozen=True)
class Member:
    """A member's directory; construct it with `Member.open`, which checks that `member.json` is there and valid."""

    path: Path
    card: Card

    @classmethod
    def open(cls, path: Path | str) -> Member:
        """Open a member's directory; SpineError where it has no readable `member.json`."""
        path = Path(path)
        if not (path / "member.json").exists():
            raise SpineError(f"{path} is not a member (no member.json); train it with `spine train EXPERIMENT`")
        return cls(path, read_json(path / "member.json", AGAIN, of_shape(Card)))

    @classmethod
    def open_for(cls, path: Path | str, task: str) -> Member:
        """Open a member or ensemble of that task; SpineError where the directory holds none, or one of another task."""
        member = cls.open(path)
        if member.card.task != task:
            raise SpineError(f"{member.path} is a member for {member.card.task}; give the directory of one for {task}")
        return member

    @classmethod
    def publish(cls, path: Path, card: Card) -> Member:
        """Write `member.json`, last of all: from then on the directory is a member, and its SavedModel may run here."""
        put_seal(path, card.model_hash)
        write_json(card.model_dump(mode="json"), path / "member.json")
        return cls(path, card)

    @classmethod
    def is_complete(cls, path: Path, config_hash: str) -> bool:
        """Whether `path` holds a member of that config and data, its SavedModel unharmed.

        What no experiment trains is complete as it is: a foreign member always, a two-stage one with its SavedModel.
        What cannot be read is not complete, and made again.
        """
        if (member := cls.open_if_whole(path)) is None:
            return False
        if member.card.kind == "foreign":
            return True
        return (member.card.kind == "two-stage" or member.card.config_hash == config_hash) and member._has_its_model()

    @classmethod
    def require_kind(cls, path: Path, kind: str, advice: str) -> None:
        """SpineError where `path` holds a member of another kind, which would be overwritten; `advice` ends it."""
        if (path / "member.json").exists() and (there := cls.open(path)).card.kind != kind:
            raise SpineError(f"{path} holds the {there.card.kind} {there.name!r}; {advice}")

    @classmethod
    def is_external(cls, path: Path) -> bool:
        """Whether `path` holds a member that no experiment trains."""
        return (member := cls.open_if_whole(path)) is not None and member.card.is_external

    @classmethod
    def open_if_whole(cls, path: Path) -> Member | None:
        """The member there; None where there is none, or its card cannot be read."""
        try:
            return cls.open(path)
        except SpineError:
            return None

    @property
    def has_model(self) -> bool:
        """Whether there is a SavedModel; a foreign member has none."""
        return bool(self.versions_of(self.path))

    def _has_its_model(self) -> bool:
        return self.has_model and self.hash_model(self.model) == self.card.model_hash

    @staticmethod
    def versions_of(path: Path) -> list[Path]:
        """The SavedModel versions in a member's directory, the newest last."""
        found = [entry for entry in (path / "model").glob("*") if entry.name.isdecimal()]
        return sorted(found, key=lambda entry: int(entry.name))

    @property
    def name(self) -> str:
        """The name in the experiment file."""
        return self.card.name

    @property
    def model(self) -> Path:
        """The newest SavedModel version; NoModel where there is none, as for a foreign model."""
        versions = self.versions_of(self.path)
        if not versions:
            raise NoModel(
                f"member {self.name!r} at {self.path} has no model/<version>/: it can be searched and evaluated, "
                "but not run or exported; give it a SavedModel with the contract's signatures"
            )
        return versions[-1]

    @property
    def trusted_model(self) -> Path:
        """`model`, which is going to run: SpineError where it was neither made nor trusted in this project."""
        model = self.model
        require_seal(self.path, self.hash_model(model))
        return model

    @property
    def may_run(self) -> bool:
        """Whether `model` was made or trusted in this project, and is unchanged since."""
        return is_sealed(self.path, self.hash_model(self.model))

    def seal(self) -> None:
        """Trust `model` as it is now."""
        put_seal(self.path, self.hash_model(self.model))

    def predictions(self, split: str) -> AnyPredictions:
        """Its stored predictions of one split, refused where they are of another or a re-export made them stale."""
        stored = TASKS[self.card.task].open_predictions(self.path / "predictions" / split)
        if stored.split != split:
            raise SpineError(f"{stored.path} holds predictions of the split {stored.split!r}; {PREDICT}")
        if stored.model_hash != (maker := self.card.maker_of(split)):
            raise SpineError(
                f"{stored.path} was made by model {stored.model_hash[:8]}, but {self.name!r} is now "
                f"{maker[:8]}; run `spine predict EXPERIMENT` again"
            )
        return stored

    def why_stale(self, split: str, truth: AnyTruth) -> str:
        """Why its stored predictions of a split are not of just this truth by what it is now; empty where they are."""
        try:
            stored = self.predictions(split)
            require_of(truth, self.name, stored)
        except SpineError as error:
            return str(error)
        if stored.truth_hash == truth.hash:
            return ""
        return f"{stored.path} belongs to another truth ({stored.truth_hash[:8]}) than the dataset ({truth.hash[:8]})"

    @staticmethod
    def hash_model(model: Path) -> str:
        """The fingerprint of a SavedModel directory, for `Card.model_hash`."""
        return hash_directory(model)
