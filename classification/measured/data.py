"""What a member that measures is fitted on: the discs of the training rows and of the validation split, measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from classification.data import class_weights
from classification.measured.config import MeasuredSettings
from spine.core.problems import SpineError
from spine.core.refusals import as_yaml
from spine.core.tracing import without_autograph
from spine.dataset.manifest import Manifest
from spine.dataset.truth import ClassTruth
from spine.experiment.config import Experiment
from spine.images.pictures import read_mask
from spine.measurements.roles import roles_of
from spine.member.measuring import Measure, by_files, keeping
from spine.member.member import Member
from spine.training.data import FitData

if TYPE_CHECKING:
    from classification.measured.export import Measuring

__all__ = ["MeasuredData", "by_segmenter", "by_true_masks"]


@dataclass(frozen=True)
class MeasuredData(FitData):
    """The training rows and the validation split; `mask_labels` are those of the dataset's masks, background first.

    What is measured on a segmenter's masks is `kept` in that folder.
    """

    train: ClassTruth
    validation: ClassTruth | None
    settings: MeasuredSettings
    own_segmenter: Member | None = None
    mask_labels: tuple[str, ...] = ()
    kept: Path = Path()

    @classmethod
    def of(cls, experiment: Experiment, manifest: Manifest, settings: Any, seed: int) -> Self:
        """Read the splits of a dataset; SpineError where one is empty, or labels, weights or masks do not fit."""
        data = super().of(experiment, manifest, settings, seed)
        class_weights(settings.class_weights, data.train.values, data.labels)
        mask_labels = ("background", *manifest.mask_labels)
        if settings.masks == "true" and "disc" not in roles_of(mask_labels):
            raise SpineError(
                f"masks: true measures discs on the dataset's own masks, and those of {manifest.root} hold "
                f"{as_yaml(manifest.mask_labels)}, none of which is called disc; leave masks: true out, or build the "
                "dataset with masks of discs"
            )
        fold = experiment.fold if isinstance(experiment.fold, int) else None
        return replace(
            data,
            own_segmenter=settings.opened_segmenter(fold),
            mask_labels=mask_labels,
            kept=experiment.measurements_directory,
        )

    @property
    def segmenter(self) -> Member:
        """That of this fold, where it was trained in folds too."""
        assert self.own_segmenter is not None
        return self.own_segmenter

    @property
    def class_weights(self) -> dict[int, float] | None:
        """What each class weighs in the loss."""
        return class_weights(self.settings.class_weights, self.train.values, self.labels)


def by_segmenter(measuring: Measuring, kept: Path) -> Measure:
    """On the masks of a segmenter, as they are served; values are kept for all members that it measures for."""
    return keeping(kept / measuring.fingerprint, by_files(measuring.of_files))


def by_true_masks(labels: tuple[str, ...]) -> Measure:
    """On the masks of the dataset, whose classes are `labels`; SpineError where a picture has none."""
    import tensorflow as tf

    from classification.measured.export import classes_of
    from classification.measured.measure import measure_discs
    from spine.training.preprocess import decode
    from spine.training.see_boxes import BOXES

    classes = classes_of(labels)
    inputs = [tf.TensorSpec([], tf.string), tf.TensorSpec([None, None], tf.int32), BOXES]

    def of_file(file: Any, mask: Any, boxes: Any) -> Any:
        return measure_discs(decode(file)[..., 0], mask, boxes, classes)

    compiled = tf.function(without_autograph(of_file), input_signature=inputs)

    def measure(picture: Path, boxes: np.ndarray) -> np.ndarray:
        return compiled(picture.read_bytes(), read_mask(mask_of(picture)).astype(np.int32), boxes).numpy()

    return measure


def mask_of(picture: Path) -> Path:
    """Where the mask of a dataset's picture lies, whole or of crops; SpineError where it has none."""
    folder = picture.parent.parent / ("masks" if picture.parent.name == "images" else "parent_masks")
    if not (mask := folder / picture.name).exists():
        raise SpineError(
            f"{mask} is missing, and masks: true measures on the dataset's own masks; build the dataset again with "
            "`spine data build CONFIG` from one that has masks, or leave masks: true out"
        )
    return mask
