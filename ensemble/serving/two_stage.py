"""Two detectors as one: the region is found in the image, the discs within the region, their boxes told in the image.

Sayed et al. 2025 crop the lumbar region, grown by 10 %, before anything smaller is looked for: discs are larger in the
crop than in the image, and nothing outside the spine can be taken for one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

from spine.core.files import fingerprint
from spine.core.problems import SpineError
from spine.dataset.detections import OUTPUTS
from spine.member.member import Card, Member, Patients
from spine.member.run_model import load_model
from spine.member.serving import drop_unnamed_versions, for_any_number, package_versions, publish_model
from spine.training.expand_box import expand_boxes
from spine.training.preprocess import decode
from spine.training.served import FILES, IMAGES

__all__ = ["KIND", "TwoStage", "publish"]

KIND = "two-stage"  # of the member's card
Tensor = Any
Outputs = dict[str, Tensor]


class TwoStage(tf.Module):
    """A region detector's best box, grown and cut out, and a disc detector's boxes in it: a detector like any other.

    The best box is that of class `region` with the highest score; where none reaches `confidence` the whole image is
    the region. It grows by the share `grow` of its width and height, to whole pixels, as `spine.intake.crop.expand_box`
    has it.
    `serving_default(image_bytes: string [N])` and `image(image: float32 [N, H, W, 1 or 3] in [0, 1])` give the disc
    detector's outputs, boxes as y1 x1 y2 x2 in [0, 1] of the whole image.
    """

    def __init__(self, regions: Any, discs: Any, region: int = 1, grow: float = 0.1, confidence: float = 0.25) -> None:
        super().__init__(name="two_stage")
        self.finder, self.discs = regions, discs
        self.region, self.grow, self.confidence = region, grow, confidence

    @tf.function(input_signature=[FILES])
    def serving_default(self, image_bytes: Tensor) -> Outputs:
        """Detections in PNG or JPEG files, each of its own size."""
        return for_any_number(lambda files: self._each(lambda file: self._detect(decode(file)), files))(image_bytes)

    @tf.function(input_signature=[IMAGES])
    def image(self, image: Tensor) -> Outputs:
        """Detections in decoded images."""
        return for_any_number(lambda images: self._each(self._detect, images))(image)

    def _each(self, detect: Any, batch: Tensor) -> Outputs:
        outputs = self.discs.signatures["image"].structured_outputs
        specs = {name: tf.TensorSpec(outputs[name].shape[1:], outputs[name].dtype) for name in OUTPUTS}
        return tf.map_fn(detect, batch, fn_output_signature=specs)

    def _detect(self, image: Tensor) -> Outputs:
        """The disc detector's outputs for one image (H, W, C), without the batch's axis."""
        region = self._region_of(image)
        y0, x0, y1, x1 = tf.unstack(region)
        found = self.discs.signatures["image"](image=image[tf.newaxis, y0:y1, x0:x1])
        answer = {name: found[name][0] for name in OUTPUTS}
        boxes = _to_image(answer["detection_boxes"], region, tf.shape(image)[:2])
        there = tf.sequence_mask(answer["num_detections"], tf.shape(boxes)[0])
        return answer | {"detection_boxes": tf.where(there[:, tf.newaxis], boxes, 0.0)}

    def _region_of(self, image: Tensor) -> Tensor:
        """The region y0 x0 y1 x1 (4,) int32 of one image, in whole pixels."""
        boxes, scores, classes, count = (
            self.finder.signatures["image"](image=image[tf.newaxis])[name][0] for name in OUTPUTS
        )
        wanted = tf.sequence_mask(count, tf.shape(scores)[0]) & (tf.cast(classes, tf.int32) == self.region)
        scores = tf.where(wanted & (scores >= self.confidence), scores, -1.0)
        best = tf.argmax(tf.pad(scores, [[0, 1]], constant_values=-0.5))  # the last is the whole image
        box = tf.concat([boxes, [[0.0, 0.0, 1.0, 1.0]]], axis=0)[best]
        return expand_boxes(box[tf.newaxis], self.grow, tf.shape(image)[:2])[0]


def _to_image(boxes: Tensor, region: Tensor, size: Tensor) -> Tensor:
    """Boxes (M, 4), y1 x1 y2 x2 in [0, 1] of a region y0 x0 y1 x1 in pixels, as such of an image of `size`."""
    start, stop = tf.cast(region[:2], tf.float32), tf.cast(region[2:], tf.float32)
    in_pixels = boxes * tf.tile(stop - start, [2]) + tf.tile(start, [2])
    return tf.clip_by_value(in_pixels / tf.tile(tf.cast(size, tf.float32), [2]), 0.0, 1.0)


def publish(
    regions: Path, discs: Path, output: Path, label: str = "", grow: float = 0.1, confidence: float = 0.25
) -> Member:
    """Publish two detection members or ensembles as one in `output`, a member like any other; kept where unchanged.

    `label` is the region's among the region detector's labels, which may be left out where it has one. SpineError where
    a directory is no detector, or `output` holds another kind of member.
    """
    first, second = (Member.open_for(path, "detection") for path in (regions, discs))
    region = 1 + first.card.labels.index(_label(first, label))
    settings = {"region": first.card.labels[region - 1], "grow": grow, "confidence": confidence}
    config_hash = fingerprint([first.card.model_hash, second.card.model_hash, settings])
    Member.require_kind(output, KIND, "choose another output")
    if Member.is_complete(output, config_hash) and (there := Member.open(output)).card.config_hash == config_hash:
        return there
    module = TwoStage(load_model(first), load_model(second), region, grow, confidence)
    drop_unnamed_versions(output)
    version = publish_model(module, output, _serves)
    card = Card(
        name=output.name,
        task="detection",
        labels=second.card.labels,
        kind=KIND,
        input=second.card.input,
        outputs=second.card.outputs,
        versions=package_versions(),
        config_hash=config_hash,
        model_hash=Member.hash_model(version),
        patients=Patients.union([first.card.patients, second.card.patients]),
        details={**settings, "regions": first.name, "discs": second.name},
    )
    return Member.publish(output, card)


def _label(regions: Member, label: str) -> str:
    labels = regions.card.labels
    if not label and len(labels) == 1:
        return labels[0]
    if label not in labels:
        raise SpineError(
            f"the region's label is {label!r}; the detector {regions.path} has {', '.join(labels)}: give one of "
            "them (--label)"
        )
    return label


def _serves(saved: Path) -> None:
    """A picture goes through the saved model, so that what cannot answer is not published."""
    black = tf.io.encode_png(tf.zeros([40, 60, 1], tf.uint8))
    tf.saved_model.load(str(saved)).signatures["serving_default"](image_bytes=black[tf.newaxis])
