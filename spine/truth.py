"""The truth of one split of a dataset: class indices, patients and the units that are scored once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from spine.files import fingerprint
from spine.manifest import Manifest
from spine.problems import SpineError

__all__ = ["Truth"]


@dataclass(frozen=True)
class Truth:
    """Samples of one split in the manifest's order, with what is true of each.

    `values` (N,) are class indices into `labels`; `units` name what is scored once: repeated slices of one patient's
    disc share a unit, so their predictions are averaged before they are scored.
    """

    labels: tuple[str, ...]
    samples: tuple[str, ...]
    patients: tuple[str, ...]
    units: tuple[str, ...]
    values: np.ndarray
    paths: tuple[Path, ...]
    sizes: tuple[tuple[int, int], ...]  # height, width of each picture

    @classmethod
    def of_classification(cls, manifest: Manifest, split: str, target: str, labels: tuple[str, ...]) -> Truth:
        """The labelled samples of `split`; unlabelled ones are left out. SpineError on a value that is no label."""
        values = manifest.values(target)
        samples = tuple(sample for sample in manifest.samples_in(split) if sample in values)
        if not samples:
            raise SpineError(f"no sample of split {split!r} in {manifest.root} has a value of {target!r}")
        strangers = sorted({values[sample] for sample in samples} - set(labels))
        if strangers:
            raise SpineError(f"target {target!r} holds {strangers}; the experiment's labels are {list(labels)}")
        rows = manifest.images.set_index("sample").loc[list(samples)]
        indices = np.array([labels.index(values[sample]) for sample in samples], dtype=np.int64)
        units = [
            f"{patient}/{level}/{value}" if level else sample
            for sample, patient, level, value in zip(samples, rows["patient"], rows["level"], indices, strict=True)
        ]
        paths = tuple(manifest.image_path(sample) for sample in samples)
        sizes = tuple((int(h), int(w)) for h, w in zip(rows["height"], rows["width"], strict=True))
        return cls(tuple(labels), samples, tuple(rows["patient"]), tuple(units), indices, paths, sizes)

    @cached_property
    def hash(self) -> str:
        """Fingerprint of samples, patients, units and values, as stored with predictions."""
        return fingerprint([self.labels, self.samples, self.patients, self.units, self.values.tolist()])

    def by_unit(self, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Average the (N, C) rows of each unit in float64; gives (U, C), class indices (U,) and patients (U,)."""
        _, first, inverse = np.unique(np.array(self.units), return_index=True, return_inverse=True)
        sums = np.zeros((len(first), probabilities.shape[1]))
        np.add.at(sums, inverse, np.asarray(probabilities, dtype=np.float64))
        return sums / np.bincount(inverse)[:, None], self.values[first], np.array(self.patients)[first]
