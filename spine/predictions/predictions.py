"""What a member said of one split, stored: `Predictions` of classes and masks, `BoxPredictions` of boxes.

predictions.json    task, labels, split, the SavedModel's fingerprint and the truth's
index.csv           a row a sample: sample, patient, height, width, offset (its first row of the arrays)
probabilities.npy   (rows, C); of detection instead detection_boxes.npy (rows, 4), detection_scores.npy (rows,) and
                    detection_classes.npy (rows,), a sample's rows ending where the next one's start
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
import pandas as pd

from spine.core.files import atomic_directory, hash_directory
from spine.core.problems import SpineError, one_file
from spine.core.read_once import ReadOnce
from spine.dataset.detections import Detections, require_boxes
from spine.predictions.belonging import index_of, require_of, require_same
from spine.predictions.probabilities import require_floats, require_probabilities
from spine.predictions.stored_tables import (
    LAYOUTS,
    PREDICT,
    Head,
    lengths_of,
    places,
    read_head,
    read_index,
    rows_of,
    write_tables,
)

__all__ = [
    "AnyPredictions",
    "BoxPredictions",
    "Predictions",
    "index_of",
    "require_of",
    "require_same",
]

BOX_ARRAYS = LAYOUTS["detection"].arrays
_CHECKED = ReadOnce()  # arrays whose values were looked at by this process


@dataclass(frozen=True)
class _Stored(ABC):
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

    @classmethod
    @abstractmethod
    def open(cls, path: Path | str) -> Self:
        """Map a stored directory."""

    @classmethod
    @abstractmethod
    def writing(
        cls, path: Path, predicted: Any, index: pd.DataFrame, head: Mapping[str, Any]
    ) -> AbstractContextManager[None]:
        """Store what was `predicted` of the samples of `index`, published when the block ends well."""

    @classmethod
    def write(
        cls,
        path: Path,
        predicted: Any,
        index: pd.DataFrame,
        *,
        task: str,
        labels: tuple[str, ...],
        split: str,
        model_hash: str,
        truth_hash: str,
    ) -> Self:
        """As `writing` does, published at once; gives it opened."""
        head = {"task": task, "labels": labels, "split": split, "model_hash": model_hash, "truth_hash": truth_hash}
        with cls.writing(path, predicted, index, head):
            pass
        return cls.open(path)


@dataclass(frozen=True)
class Predictions(_Stored):
    """One member's stored probabilities of one split, by a memory map.

    `values` is (N, C) float32 for classification, where offset is the row; (pixels, C) float16 for segmentation, where
    a sample's height * width rows start at offset.
    """

    values: np.ndarray

    @classmethod
    def open(cls, path: Path | str) -> Predictions:
        """Map a stored directory; SpineError where it is missing or unreadable, its tables disagree, or what it holds
        are no probabilities.

        Rows of classification that lie in another order, as their offsets tell, are brought into that of the samples.
        """
        path = Path(path)
        head, index, (values,) = _read(path, ["probabilities"])
        rows = rows_of(head.task, index)
        if values.shape != (rows, len(head.labels)):
            raise SpineError(
                f"{path}: probabilities.npy is {values.shape}, but index.csv and predictions.json ask for "
                f"({rows}, {len(head.labels)}); {PREDICT}"
            )
        order = places(path, head.task, index)
        if not _CHECKED.knows(path / "probabilities.npy"):
            require_probabilities(str(path), values, lambda row: _place(row, index, order))
            _CHECKED.remember(path / "probabilities.npy")
        if not LAYOUTS[head.task].per_pixel and (order != np.arange(rows)).any():
            values, index = values[index["offset"].to_numpy()], index.assign(offset=np.arange(rows))
        return cls(path, index=index, values=values, **dict(head))

    @classmethod
    @contextmanager
    def writing(
        cls, path: Path, predicted: np.ndarray | Iterable[np.ndarray], index: pd.DataFrame, head: Mapping[str, Any]
    ) -> Iterator[None]:
        """Store probabilities atomically in the contract's layout, published when the block ends well.

        They are all rows in order, (rows, C) or any shape (..., C), or successive blocks of them: those are written one
        by one, so memory holds one at a time. SpineError where they are not as many as `index` asks for, or no
        probabilities; then nothing is published.
        """
        task, shape = head["task"], (rows_of(head["task"], index), len(head["labels"]))
        with atomic_directory(path) as temporary:
            with _told_as(temporary, path):
                _write_rows(temporary / "probabilities.npy", predicted, task, shape)
                write_tables(temporary, index, head)
                cls.open(temporary)  # what does not hold is never published
            yield

    def of_sample(self, number: int) -> np.ndarray:
        """What is stored of one sample, by its row in the index, as `write` takes it: rows (n, C)."""
        start, length = self.index["offset"][number], lengths_of(self.task, self.index[number : number + 1])[0]
        return np.asarray(self.values[start : start + length])


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
        require_boxes(str(path), boxes, scores, classes, head.labels)
        rows, offsets = len(scores), index["offset"].to_numpy()
        if (np.diff(offsets, prepend=0, append=rows) < 0).any() or offsets[:1].any():
            raise SpineError(f"{path}/index.csv: offsets must rise from 0 to at most {rows}; {PREDICT}")
        return cls(path, index=index, boxes=boxes, scores=scores, classes=classes, **dict(head))

    @classmethod
    @contextmanager
    def writing(
        cls, path: Path, predicted: Iterable[Detections], index: pd.DataFrame, head: Mapping[str, Any]
    ) -> Iterator[None]:
        """Store the detections of the samples of `index`, in order, atomically, published when the block ends well.

        The column offset of `index` is made here. SpineError where there are not as many as samples.
        """
        detections = list(predicted)  # some hundred numbers an image, so memory is no matter
        _require_detections(detections, list(index["sample"]), head["labels"])
        lengths = np.array([len(of_one) for of_one in detections])
        with atomic_directory(path) as temporary:
            with _told_as(temporary, path):
                for (name, kind), field in zip(BOX_ARRAYS.items(), ("boxes", "scores", "classes"), strict=True):
                    values = np.concatenate([getattr(of_one, field) for of_one in detections])
                    np.save(temporary / f"{name}.npy", values.astype(kind), allow_pickle=False)
                write_tables(temporary, index.assign(offset=np.cumsum(lengths) - lengths), head)
                cls.open(temporary)  # what does not hold is never published
            yield

    def __len__(self) -> int:
        return len(self.index)

    def of_sample(self, number: int) -> Detections:
        """What is stored of one sample, as `write` takes it."""
        return self.detections(number)

    def detections(self, number: int) -> Detections:
        """Those of one sample, by its row in the index."""
        offsets = self.index["offset"]
        stop = int(offsets[number + 1]) if number + 1 < len(self) else len(self.scores)
        rows = slice(int(offsets[number]), stop)
        return Detections.from_arrays(self.boxes[rows], self.scores[rows], self.classes[rows])

    def __iter__(self) -> Iterator[Detections]:
        return (self.detections(number) for number in range(len(self)))


AnyPredictions: TypeAlias = Predictions | BoxPredictions


def _read(path: Path, arrays: Iterable[str]) -> tuple[Head, pd.DataFrame, list[np.ndarray]]:
    """The head, the index and the memory-mapped arrays of a stored directory."""
    if not (path / "predictions.json").exists():
        raise SpineError(f"{path} holds no predictions; make them with `spine predict EXPERIMENT`")
    head, index, names = read_head(path), read_index(path), list(arrays)
    if list(LAYOUTS[head.task].arrays) != names:
        raise SpineError(f"{path} holds predictions of {head.task}, not of the task they are read for; {PREDICT}")
    return head, index, [_map(path / f"{name}.npy") for name in names]


def _map(file: Path) -> np.ndarray:
    with one_file(file, PREDICT):
        return np.load(file, mmap_mode="r", allow_pickle=False)


def _place(row: int, index: pd.DataFrame, order: np.ndarray) -> str:
    """Which sample a row of the array belongs to."""
    first = np.searchsorted(index["offset"].to_numpy()[order], row, side="right") - 1
    return f"row {row} (sample {index['sample'][order[first]]})"


def _require_detections(found: Sequence[Any], samples: Sequence[str], labels: Sequence[str]) -> None:
    if len(found) != len(samples):
        raise SpineError(f"detections of {len(found)} images were given; the index has {len(samples)} samples")
    for sample, of_one in zip(samples, found, strict=True):
        if not isinstance(of_one, Detections):
            raise SpineError(f"{sample}: {type(of_one).__name__} was given; give a spine.dataset.detections.Detections")
        if len(of_one) and of_one.classes.max() > len(labels):
            raise SpineError(f"{sample} holds class {of_one.classes.max()}; the labels are {list(labels)}, 1-based")


@contextmanager
def _told_as(temporary: Path, path: Path) -> Iterator[None]:
    """Name the place where it will be published in what is told of a temporary directory."""
    try:
        yield
    except SpineError as error:
        raise SpineError(str(error).replace(str(temporary), str(path))) from None


def _write_rows(path: Path, values: np.ndarray | Iterable[np.ndarray], task: str, shape: tuple[int, int]) -> None:
    """Write an .npy file from blocks of rows (..., C), as `np.save` would their whole (rows, C)."""
    kind = np.dtype(LAYOUTS[task].arrays["probabilities"])
    received = 0
    with path.open("wb") as stream:
        header = {"descr": kind.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        for block in [values] if isinstance(values, np.ndarray) else values:
            block = np.asarray(block)
            require_floats("what was given", block)
            received += block.size
            stream.write(np.ascontiguousarray(block, kind).data)
    if received != shape[0] * shape[1]:
        raise SpineError(
            f"{received} probabilities were given; the index and the labels ask for {shape}: rows, classes"
        )
