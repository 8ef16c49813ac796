"""The export stage: the weighted members become one SavedModel, a member like any other, with what TF Serving needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from ensemble.contenders import read_weights
from ensemble.fuse import weighted_mean, without_zeros
from ensemble.predict import load_model, predict_pictures
from ensemble.serving_kit import write_serving_kit
from spine.config import Experiment
from spine.files import fingerprint
from spine.manifest import Manifest
from spine.member import Card, Member, Patients
from spine.problems import SpineError
from spine.serving import for_any_number, package_versions, publish_model
from spine.truth import read_truth

__all__ = ["PARITY", "FusedModel", "measure_parity", "run"]

PARITY = 1e-5  # the largest difference allowed between the fused graph and the NumPy ensemble, both from float32
PARITY_PICTURES = 8
# Task -> what the ensemble gives besides its members' outputs, as `member.json` tells it.
OUTPUTS = {"segmentation": {"mask": {"dtype": "int32", "shape": [None, None, None]}}}


class FusedModel(tf.Module):
    """The weighted mean of members' SavedModels, each with its own preprocessing inside.

    `serving_default(image_bytes: string [N])` and `image(image: float32 [N, H, W, 1 or 3] in [0, 1])` give
    `probabilities` (N, C), of segmentation (N, H, W, C) and their argmax `mask` (N, H, W) int32.
    """

    def __init__(self, models: list[Any], weights: list[float], task: str = "classification") -> None:
        super().__init__()
        self.models = models
        self.weights = weights
        self.task = task

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def serving_default(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Probabilities of PNG or JPEG files."""
        return for_any_number(lambda files: self._fuse("serving_default", image_bytes=files))(image_bytes)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, None], tf.float32, name="image")])
    def image(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Probabilities of decoded images."""
        return for_any_number(lambda images: self._fuse("image", image=images))(image)

    def _fuse(self, signature: str, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = [model.signatures[signature](**inputs)["probabilities"] for model in self.models]
        answer = {"probabilities": weighted_mean(outputs, self.weights)}
        if self.task == "segmentation":
            answer["mask"] = tf.argmax(answer["probabilities"], axis=-1, output_type=tf.int32)
        return answer


def run(experiment: Experiment) -> list[Path]:
    """Fuse the members of weight > 0 into the ensemble's next SavedModel version; skipped where nothing has changed."""
    directory = experiment.ensemble_directory
    found = read_weights(experiment)
    weights = without_zeros(found["weights"])
    members = [Member.open(experiment.member_directory(name)) for name in weights]
    config_hash = fingerprint([weights, [member.card.model_hash for member in members], found["patients"]])
    if not Member.is_complete(directory, config_hash):
        _publish(experiment, members, weights, found, config_hash)
    write_serving_kit(directory, experiment.export.name or experiment.name)
    return [Member.open(directory).model, directory / "models.config", directory / "serve.sh"]


def _publish(
    experiment: Experiment,
    members: list[Member],
    weights: dict[str, float],
    found: dict[str, Any],
    config_hash: str,
) -> None:
    directory = experiment.ensemble_directory
    models = [load_model(member) for member in members]
    fused = FusedModel(models, list(weights.values()), experiment.task)
    pictures = _some_pictures(experiment)
    parity: list[float] = []
    version = publish_model(
        fused,
        directory,
        check=lambda saved: parity.append(measure_parity(saved, models, list(weights.values()), pictures)),
    )
    Member.publish(directory, _card(experiment, members, weights, found, config_hash, version, parity[0]))


def measure_parity(saved: Path, models: list[Any], weights: list[float], pictures: list[Path]) -> float:
    """Largest absolute difference between the saved fusion and the NumPy ensemble on float32 re-predictions.

    Raises SpineError above `PARITY`.
    """
    answers = [predict_pictures(model, pictures) for model in (tf.saved_model.load(str(saved)), *models)]
    differences = [
        np.abs(fused - weighted_mean([output.astype(np.float64) for output in outputs], weights)).max()
        for fused, *outputs in zip(*answers, strict=True)
    ]
    difference = float(max(differences))
    if difference > PARITY:
        raise SpineError(
            f"the fused model differs from the members' weighted mean by {difference:.2e}, more than "
            f"{PARITY:.0e}; it was not published. Report this with the members' configs"
        )
    return difference


def _some_pictures(experiment: Experiment) -> list[Path]:
    truth = read_truth(experiment, Manifest.read(experiment.data), "validation")
    return list(truth.paths[:PARITY_PICTURES])


def _card(
    experiment: Experiment,
    members: list[Member],
    weights: dict[str, float],
    found: dict[str, Any],
    config_hash: str,
    version: Path,
    parity: float,
) -> Card:
    return Card(
        name=experiment.search.name,
        task=experiment.task,
        labels=experiment.labels,
        kind="ensemble",
        input=members[0].card.input,
        outputs={**members[0].card.outputs, **OUTPUTS.get(experiment.task, {})},
        versions=package_versions(),
        config_hash=config_hash,
        model_hash=Member.hash_model(version),
        patients=_patients(members, found["patients"]),
        details={"weights": weights, "parity": parity},
    )


def _patients(members: list[Member], searched: dict[str, Any]) -> Patients:
    """All that any member has seen; hashes under different salts cannot be united."""
    salts = {member.card.patients.salt for member in members} | {searched["salt"]}
    if len(salts) > 1:
        raise SpineError(
            f"members and weights carry patient hashes of different salts ({', '.join(sorted(salts))}), so overlaps "
            "with an evaluation could not be found; train and search them with the same .spine-salt"
        )

    def union(what: str) -> tuple[str, ...]:
        return tuple(sorted({patient for member in members for patient in getattr(member.card.patients, what)}))

    return Patients(
        salt=salts.pop(), trained=union("trained"), stopped=union("stopped"), searched=tuple(searched["searched"])
    )
