"""What a member said of one split, stored: `Predictions` of classes and masks, `BoxPredictions` of boxes.

predictions.json    task, labels, split, the SavedModel's fingerprint and the truth's
index.csv           a row a sample: sample, patient, height, width, offset (its first row of the arrays)
probabilities.npy   (rows, C); of detection instead detection_boxes.npy (rows, 4), detection_scores.npy (rows,) and
                    detection_classes.npy (rows,), a sample's rows ending where the next one's start
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from spine.detections import Detections
from spine.files import atomic_directory, hash_directory, read_json, write_json
from spine.problems import SpineError

if TYPE_CHECKING:
    from spine.truth import AnyTruth

__all__ = ["AnyPredictions", "BoxPredictions", "Predictions", "index_of", "open_predictions", "require_same"]

INDEX = ("sample", "patient", "height", "width", "offset")
BOX_ARRAYS = {"detection_boxes": "<f4", "detection_scores": "<f4", "detection_classes": "<i8"}


@dataclass(frozen=True)
class _Stored:
    """What the stored output of every task has.

    `index` has a row a sample: sample, patient, height, width, offset. `truth_hash` names the truth it belongs to,
    `model_hash` the SavedModel that made it.
    """

    path: Path
    task: str
    labels: tuple[str, ...]
    split: str
    model_hash: str
    truth_hash: str
    index: pd.DataFrame

    @property
    def hash(self) -> str:
        """Fingerprint of all that is stored: the values, of which samples, by which model, for which truth.

        A foreign member has no model whose hash would tell that its values changed.
        """
        return hash_directory(self.path)


@dataclass(frozen=True)
class Predictions(_Stored):
    """One member's stored probabilities of one split, by a memory map.

    `values` is (N, C) float32 for classification, where offset is the row; (pixels, C) float16 for segmentation, where
    a sample's height * width rows start at offset.
    """

    values: np.ndarray

    @classmethod
    def open(cls, path: Path | str) -> Predictions:
        """Map a stored directory; SpineError where it is missing, unreadable or its tables disagree in length."""
        path = Path(path)
        head, index, (values,) = _read(path, ["probabilities"])
        rows = _rows(head["task"], index)
        if len(values) != rows or values.shape[-1] != len(head["labels"]):
            raise SpineError(
                f"{path}: probabilities.npy is {values.shape}, but index.csv and predictions.json ask for "
                f"({rows}, {len(head['labels'])}); predict again"
            )
        return cls(path, index=index, values=values, **head)

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
        head = {"task": task, "labels": labels, "split": split, "model_hash": model_hash, "truth_hash": truth_hash}
        with atomic_directory(path) as temporary:
            _write_rows(temporary / "probabilities.npy", values, task, (_rows(task, index), len(labels)))
            _write_tables(temporary, index, head)
        return cls.open(path)


@dataclass(frozen=True)
class BoxPredictions(_Stored):
    """One member's stored detections of one split, by memory maps: a sample's rows run from its offset to the next.

    `boxes` (rows, 4) float32 are y1 x1 y2 x2 in [0, 1] of each sample's image, `scores` (rows,) float32, `classes`
    (rows,) int64 1-based. Read them sample by sample: `detections(number)`, or by iterating.
    """

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray

    @classmethod
    def open(cls, path: Path | str) -> BoxPredictions:
        """Map a stored directory; SpineError where it is missing, unreadable or its tables do not fit together."""
        path = Path(path)
        head, index, (boxes, scores, classes) = _read(path, BOX_ARRAYS)
        rows, offsets = len(scores), index["offset"].to_numpy()
        if boxes.shape != (rows, 4) or scores.ndim != 1 or classes.shape != (rows,):
            raise SpineError(
                f"{path}: boxes are {boxes.shape}, scores {scores.shape}, classes {classes.shape}; predict again"
            )
        if (np.diff(offsets, prepend=0, append=rows) < 0).any() or offsets[:1].any():
            raise SpineError(f"{path}/index.csv: offsets must rise from 0 to at most {rows}; predict again")
        if rows and classes.max() > len(head["labels"]):
            raise SpineError(f"{path} holds class {classes.max()}; the labels are {list(head['labels'])}, 1-based")
        return cls(path, index=index, boxes=boxes, scores=scores, classes=classes, **head)

    @classmethod
    def write(
        cls,
        path: Path,
        detections: Iterable[Detections],
        index: pd.DataFrame,
        *,
        task: str = "detection",
        labels: tuple[str, ...],
        split: str,
        model_hash: str,
        truth_hash: str,
    ) -> BoxPredictions:
        """Store the detections of the samples of `index`, in order, atomically; return them opened.

        The column offset of `index` is made here. SpineError where there are not as many as samples.
        """
        found = list(detections)  # some hundred numbers an image, so memory is no matter
        if len(found) != len(index):
            raise SpineError(f"detections of {len(found)} images were given; the index has {len(index)} samples")
        lengths = np.array([len(of_one) for of_one in found])
        head = {"task": task, "labels": labels, "split": split, "model_hash": model_hash, "truth_hash": truth_hash}
        with atomic_directory(path) as temporary:
            for (name, kind), field in zip(BOX_ARRAYS.items(), ("boxes", "scores", "classes"), strict=True):
                values = np.concatenate([getattr(of_one, field) for of_one in found])
                np.save(temporary / f"{name}.npy", values.astype(kind), allow_pickle=False)
            _write_tables(temporary, index.assign(offset=np.cumsum(lengths) - lengths), head)
            cls.open(temporary)  # what does not hold is never published
        return cls.open(path)

    def __len__(self) -> int:
        return len(self.index)

    def detections(self, number: int) -> Detections:
        """Those of one sample, by its row in the index."""
        offsets = self.index["offset"]
        stop = int(offsets[number + 1]) if number + 1 < len(self) else len(self.scores)
        rows = slice(int(offsets[number]), stop)
        return Detections.from_arrays(self.boxes[rows], self.scores[rows], self.classes[rows])

    def __iter__(self) -> Iterator[Detections]:
        return (self.detections(number) for number in range(len(self)))


AnyPredictions: TypeAlias = Predictions | BoxPredictions


def open_predictions(path: Path | str, task: str) -> AnyPredictions:
    """A stored directory as the task stores it."""
    return BoxPredictions.open(path) if task == "detection" else Predictions.open(path)


def index_of(truth: AnyTruth, task: str) -> pd.DataFrame:
    """The index of stored predictions: sample, patient, height, width, offset."""
    heights, widths = np.transpose(truth.sizes)
    rows = heights * widths if task == "segmentation" else np.ones(len(heights), int)
    columns = {"sample": truth.samples, "patient": truth.patients, "height": heights, "width": widths}
    return pd.DataFrame({**columns, "offset": np.cumsum(rows) - rows})


def require_same(members: Mapping[str, AnyPredictions]) -> None:
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


def _read(path: Path, arrays: Iterable[str]) -> tuple[dict[str, Any], pd.DataFrame, list[np.ndarray]]:
    """The head (labels a tuple), the index and the memory-mapped arrays of a stored directory."""
    if not (path / "predictions.json").exists():
        raise SpineError(f"{path} holds no predictions; make them with `spine predict EXPERIMENT`")
    try:
        head = read_json(path / "predictions.json")
        index = pd.read_csv(path / "index.csv", dtype={"sample": str, "patient": str}, keep_default_na=False)
        values = [np.load(path / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in arrays]
    except (OSError, EOFError, ValueError) as error:
        raise SpineError(f"{path} cannot be read ({error}); run `spine predict EXPERIMENT` again") from error
    return {**head, "labels": tuple(head["labels"])}, index, values


def _write_tables(path: Path, index: pd.DataFrame, head: Mapping[str, Any]) -> None:
    index[list(INDEX)].to_csv(path / "index.csv", index=False)
    write_json({**head, "labels": list(head["labels"])}, path / "predictions.json")


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
