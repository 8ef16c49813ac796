"""The contract: a member is a directory.

    member.json                    who it is: `Card`
    model/<version>/               its SavedModel, preprocessing inside (a foreign model has none)
    predictions/<split>/           what it said: `Predictions`

Whatever writes this directory can join an ensemble, in any framework; an ensemble writes it too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from spine.files import atomic_directory, hash_directory, read_json, write_json
from spine.problems import SpineError

__all__ = ["Card", "Member", "Patients", "Predictions", "require_same"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Patients(_Frozen):
    """Salted hashes (`spine.privacy.patient_hash`) of the patients a member has seen; `salt` names their salt."""

    salt: str = ""
    trained: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    searched: tuple[str, ...] = ()


class Card(_Frozen):
    """What `member.json` says. `config_hash` names the settings and data it came from, `model_hash` its SavedModel."""

    name: str
    task: str
    labels: tuple[str, ...]
    kind: str = "network"  # network, ensemble or foreign
    input: dict[str, Any] = Field(default_factory=dict)
    outputs: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    config_hash: str = ""
    model_hash: str = ""
    patients: Patients = Patients()
    details: dict[str, Any] = Field(default_factory=dict)  # parameters, epochs, weights: for the report


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
        try:
            return cls(path, Card.model_validate(read_json(path / "member.json")))
        except ValueError as error:
            raise SpineError(f"{path / 'member.json'} does not follow the contract: {error}") from error

    @classmethod
    def publish(cls, path: Path, card: Card) -> Member:
        """Write `member.json`, last of all: from then on the directory is a member."""
        write_json(card.model_dump(mode="json"), path / "member.json")
        return cls(path, card)

    @classmethod
    def is_complete(cls, path: Path, config_hash: str) -> bool:
        """Whether `path` holds a member of that config and data, its SavedModel unharmed; a foreign one always is."""
        if not (path / "member.json").exists():
            return False
        member = cls.open(path)
        return member.card.kind == "foreign" or (member.card.config_hash == config_hash and member._has_its_model())

    def _has_its_model(self) -> bool:
        return any(self._versions()) and self.hash_model(self.model) == self.card.model_hash

    def _versions(self) -> list[Path]:
        return [entry for entry in (self.path / "model").glob("*") if entry.name.isdigit()]

    @property
    def name(self) -> str:
        """The name in the experiment file."""
        return self.card.name

    @property
    def model(self) -> Path:
        """The newest SavedModel version; SpineError where there is none, as for a foreign model."""
        versions = self._versions()
        if not versions:
            raise SpineError(
                f"member {self.name!r} at {self.path} has no model/<version>/: it can be searched and evaluated, "
                "but not run or exported; give it a SavedModel with the contract's signatures"
            )
        return max(versions, key=lambda entry: int(entry.name))

    def predictions(self, split: str) -> Predictions:
        """Its stored predictions of one split, refused where a re-export made them stale."""
        stored = Predictions.open(self.path / "predictions" / split)
        if stored.model_hash != self.card.model_hash:
            raise SpineError(
                f"{stored.path} was made by model {stored.model_hash[:8]}, but {self.name!r} is now "
                f"{self.card.model_hash[:8]}; run `spine predict EXPERIMENT` again"
            )
        return stored

    @staticmethod
    def hash_model(model: Path) -> str:
        """The fingerprint of a SavedModel directory, for `Card.model_hash`."""
        return hash_directory(model)


INDEX = ("sample", "patient", "height", "width", "offset")


@dataclass(frozen=True)
class Predictions:
    """One member's stored output for one split.

    `index` has a row a sample: sample, patient, height, width, offset. `values` is memory-mapped: (N, C) float32 for
    classification, where offset is the row; (pixels, C) float16 for segmentation, where a sample's height * width rows
    start at offset. `truth_hash` names the truth it belongs to, `model_hash` the SavedModel that made it.
    """

    path: Path
    task: str
    labels: tuple[str, ...]
    split: str
    model_hash: str
    truth_hash: str
    index: pd.DataFrame
    values: np.ndarray

    @classmethod
    def open(cls, path: Path | str) -> Predictions:
        """Map a stored directory; SpineError where it is missing, unreadable or its tables disagree in length."""
        path = Path(path)
        if not (path / "predictions.json").exists():
            raise SpineError(f"{path} holds no predictions; make them with `spine predict EXPERIMENT`")
        try:
            head = read_json(path / "predictions.json")
            index = pd.read_csv(path / "index.csv", dtype={"sample": str, "patient": str}, keep_default_na=False)
            values = np.load(path / "probabilities.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, EOFError, ValueError) as error:
            raise SpineError(f"{path} cannot be read ({error}); run `spine predict EXPERIMENT` again") from error
        rows = _rows(head["task"], index)
        if len(values) != rows or values.shape[-1] != len(head["labels"]):
            raise SpineError(
                f"{path}: probabilities.npy is {values.shape}, but index.csv and predictions.json ask for "
                f"({rows}, {len(head['labels'])}); predict again"
            )
        return cls(path, labels=tuple(head.pop("labels")), index=index, values=values, **head)

    @classmethod
    def write(
        cls,
        path: Path,
        values: np.ndarray | Iterable[np.ndarray],
        index: pd.DataFrame,
        *,
        task: str,
        labels: tuple[str, ...],
        split: str,
        model_hash: str,
        truth_hash: str,
    ) -> Predictions:
        """Store predictions atomically in the contract's layout and return them opened.

        `values` are all rows in order, (rows, C) or any shape (..., C), or successive blocks of them: those are written
        one by one, so memory holds one at a time. SpineError where they are not as many as `index` asks for.
        """
        head = {"task": task, "labels": list(labels), "split": split}
        with atomic_directory(path) as temporary:
            _write_rows(temporary / "probabilities.npy", values, task, (_rows(task, index), len(labels)))
            index[list(INDEX)].to_csv(temporary / "index.csv", index=False)
            write_json({**head, "model_hash": model_hash, "truth_hash": truth_hash}, temporary / "predictions.json")
        return cls.open(path)

    @property
    def hash(self) -> str:
        """Fingerprint of all that is stored: the values, of which samples, by which model, for which truth.

        A foreign member has no model whose hash would tell that its values changed.
        """
        return hash_directory(self.path)


def _write_rows(path: Path, values: np.ndarray | Iterable[np.ndarray], task: str, shape: tuple[int, int]) -> None:
    """Write an .npy file from blocks of rows (..., C), as `np.save` would their whole (rows, C)."""
    kind = np.dtype("<f2" if task == "segmentation" else "<f4")
    received = 0
    with path.open("wb") as stream:
        header = {"descr": kind.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        for block in [values] if isinstance(values, np.ndarray) else values:
            received += block.size
            stream.write(np.ascontiguousarray(block, kind).data)
    if received != shape[0] * shape[1]:
        raise SpineError(
            f"{received} probabilities were given; the index and the labels ask for {shape}: rows, classes"
        )


def _rows(task: str, index: pd.DataFrame) -> int:
    return len(index) if task == "classification" else int((index["height"] * index["width"]).sum())


def require_same(members: dict[str, Predictions]) -> None:
    """Refuse predictions that disagree on task, labels, samples or truth, by name; nothing is re-aligned in silence."""
    (first_name, first), *others = members.items()
    for name, other in others:
        for what in ("task", "labels", "split", "truth_hash"):
            if getattr(first, what) != getattr(other, what):
                raise SpineError(
                    f"{first_name!r} and {name!r} disagree on {what}: {getattr(first, what)!r} and "
                    f"{getattr(other, what)!r}; predict both on the same dataset"
                )
        if list(first.index["sample"]) != list(other.index["sample"]):
            raise SpineError(f"{first_name!r} and {name!r} hold different samples or another order; predict again")
