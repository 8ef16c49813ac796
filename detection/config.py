"""Settings of one detection member; cheap to import, so `spine --help` and every config load at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from detection.backbones.table import BACKBONES
from spine.core.strict import Strict
from spine.training import schedule
from spine.training.augment import Augmentation
from spine.training.choices import NameIn
from spine.training.pretrained.base_weights import SUFFIXES
from spine.training.pretrained.pixel_scale import PixelScale, require_scale, with_scale_of_file
from spine.training.schedule import MOST_PIXELS, Count, Decay, Fraction, Positive

if TYPE_CHECKING:
    from spine.dataset.truth import BoxTruth

__all__ = ["PARTS", "WEIGHTS", "Anchor", "Parser", "Phase", "Settings"]

Level = Annotated[int, Field(ge=2, le=7)]
Probability = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]

PARTS = ("backbone", "decoder", "rpn_head", "detection_head")  # of Faster R-CNN, by Model Garden's names
SHARED = frozenset(("backbone", "decoder"))  # by the RPN and the box head

WARMUP = 1.0  # epochs; the default, which is told and not refused where a phase has no more: a quick look has it too

LEAST_MIXUP = 1.5  # what Zhang et al. 2019 ("Bag of Freebies for Training Object Detection Neural Networks") found best

_ELSEWHERE = "is of classification and segmentation; a detector's trainer is Model Garden's"
_OF_OTHERS = {  # training options that detectors have not, why, and what to do
    "test_time": "is of probabilities and maps, which have a mean; boxes of flipped pictures would have to be fused, "
    "which is an ensemble: leave it out, or train another seed",
    "snapshots": f"{_ELSEWHERE}, and its cosine falls once: leave it out, or set seeds instead",
    "layer_decay": f"{_ELSEWHERE}, with one rate for all layers: leave it out, or hold some still by frozen_stages",
    "label_smoothing": f"{_ELSEWHERE}, with its own losses: leave it out",
    "stochastic_depth": f"{_ELSEWHERE}, with backbones as they are: leave it out",
    "reduce_on_plateau": f"{_ELSEWHERE}: leave it out, or set schedule to step",
    "mixed_precision": f"{_ELSEWHERE}, in float32: leave it out",
}

WEIGHTS = (*SUFFIXES, ".gz")  # of a backbone's file; Model Garden publishes its ResNet-50 as .tar.gz


class Anchor(Strict):
    """The RPN's anchors: at each place of level l one for every scale s of `num_scales` and every aspect ratio.

    Its area is that of a square of anchor_size * 2**l * 2**(octaves * s / num_scales) pixels.
    """

    num_scales: Count = 1
    aspect_ratios: Annotated[tuple[Positive, ...], Field(min_length=1)] = (0.5, 1.0, 2.0)  # width over height
    anchor_size: Positive = 4.0  # in strides
    # 1 is Model Garden's own; 3 with 3 scales doubles from scale to scale, as Faster R-CNN's first authors did.
    octaves: Positive = 1.0


class FPN(Strict):
    """A feature pyramid network on top of the backbone."""

    num_filters: Count = 256


class Decoder(Strict):
    """What lies between the backbone and the heads; identity hands the backbone's maps on."""

    type: Literal["fpn", "identity"] = "fpn"
    fpn: FPN = FPN()


class RPNHead(Strict):
    """The region proposal network."""

    num_convs: Count = 1
    num_filters: Count = 256
    use_separable_conv: bool = False


class ROIGenerator(Strict):
    """From the RPN's scores to proposals; `test_` in inference."""

    pre_nms_top_k: Count = 2000
    pre_nms_score_threshold: NotNegative = 0.0
    pre_nms_min_size_threshold: NotNegative = 0.0  # pixels
    nms_iou_threshold: Probability = 0.7
    num_proposals: Count = 300
    test_pre_nms_top_k: Count = 1000
    test_pre_nms_score_threshold: NotNegative = 0.0
    test_pre_nms_min_size_threshold: NotNegative = 0.0
    test_nms_iou_threshold: Probability = 0.7
    test_num_proposals: Count = 300


class ROISampler(Strict):
    """Which proposals the box head learns from."""

    mix_gt_boxes: bool = True
    num_sampled_rois: Count = 128
    foreground_fraction: Probability = 0.25
    foreground_iou_threshold: Probability = 0.5
    background_iou_high_threshold: Probability = 0.5
    background_iou_low_threshold: Probability = 0.0


class ROIAligner(Strict):
    """The patch of features that is cut out for each proposal."""

    crop_size: Count = 7
    sample_offset: Probability = 0.5


class DetectionHead(Strict):
    """The box head: classes and boxes of the proposals."""

    num_convs: Annotated[int, Field(ge=0)] = 0
    num_filters: Count = 256
    use_separable_conv: bool = False
    num_fcs: Annotated[int, Field(ge=0)] = 2
    fc_dims: Count = 1024
    class_agnostic_bbox_pred: bool = False


class DetectionGenerator(Strict):
    """From the box head's answers to detections: score threshold, non-maximum suppression, at most so many."""

    pre_nms_top_k: Count = 1000
    pre_nms_score_threshold: Probability = 0.05
    nms_iou_threshold: Probability = 0.5
    max_num_detections: Count = 100
    nms_version: Literal["v1", "v2", "batched"] = "v2"


class Parser(Strict):
    """Which anchors the RPN learns from, and how many boxes an image may have in training."""

    rpn_match_threshold: Probability = 0.7
    rpn_unmatched_threshold: Probability = 0.3
    rpn_batch_size_per_im: Count = 256
    rpn_fg_fraction: Probability = 0.5
    max_num_instances: Count = 100


class Losses(Strict):
    """What the four losses weigh, and where a box's loss turns from a square into a line."""

    rpn_score_weight: NotNegative = 1.0
    rpn_box_weight: NotNegative = 1.0
    frcnn_class_weight: NotNegative = 1.0
    frcnn_box_weight: NotNegative = 1.0
    rpn_huber_loss_delta: Positive = 1 / 9
    frcnn_huber_loss_delta: Positive = 1.0


@dataclass(frozen=True)
class Phase(schedule.Phase):
    """A stretch of epochs in which some of `PARTS` learn.

    One that `starts_over` begins with a new network, which learns from the proposals of the one before; one that is
    not `validated` runs its epochs, since half a network has no mean average precision.
    """

    learns: frozenset[str] = frozenset(PARTS)
    starts_over: bool = False
    validated: bool = True


class Settings(Strict):
    """One member: backbone, size, the parts of Faster R-CNN by Model Garden's own names, training.

    For the published training see `configs/papers/`.
    """

    backbone: Annotated[str, NameIn(BACKBONES, "backbone")] = "resnet50"
    backbone_weights: str = "imagenet"  # imagenet, none, or the path of a file of Keras or PyTorch
    pixel_scale: PixelScale = "own"  # of the weights; of a PyTorch file PyTorch's, unless it is given
    # The backbone's layers up to this level keep their weights; 5 is all of it.
    frozen_stages: Literal[0, 2, 3, 4, 5] = 0
    # Of a backbone with weights: a few images a batch give poor statistics, so its batch norm keeps its own.
    freeze_batch_norm: bool = True
    batch_norm_momentum: Fraction = 0.9  # of every batch norm that learns
    height: Annotated[int, Field(ge=32, le=MOST_PIXELS)] = 256
    width: Annotated[int, Field(ge=32, le=MOST_PIXELS)] = 256
    normalisation: Literal["minmax", "percentile", "none"] = "minmax"

    min_level: Level = 2
    max_level: Level = 5
    decoder: Decoder = Decoder()
    anchor: Anchor = Anchor()
    rpn_head: RPNHead = RPNHead()
    roi_generator: ROIGenerator = ROIGenerator()
    roi_sampler: ROISampler = ROISampler()
    roi_aligner: ROIAligner = ROIAligner()
    detection_head: DetectionHead = DetectionHead()
    detection_generator: DetectionGenerator = DetectionGenerator()
    parser: Parser = Parser()
    losses: Losses = Losses()

    # joint, or alternating: in four equal parts of the epochs the RPN; a second network's box head on its proposals;
    # that network's RPN, what both share held still; its box head alike.
    scheme: Literal["joint", "alternating"] = "joint"
    epochs: Count = 30  # in all
    freeze_backbone: Annotated[int, Field(ge=0)] = 0  # the first epochs of the joint scheme
    learning_rate: Positive = 1e-2
    schedule: Literal["constant", "cosine", "step"] = "cosine"  # cosine: down to 0 at the end of a phase
    step: Count = 30  # epochs after which the step schedule multiplies the rate by gamma, again and again
    gamma: Annotated[float, Field(gt=0, lt=1)] = 0.1
    warmup: NotNegative = WARMUP  # epochs of a phase over which the rate rises from a tenth
    global_clipnorm: Positive | None = 10.0  # the largest norm of a step's gradients, all taken together
    batch: Count = 4
    optimizer: Literal["sgd", "adam", "rmsprop"] = "sgd"
    momentum: Fraction = 0.9  # of sgd and rmsprop
    weight_decay: NotNegative = 1e-4  # half the squared norm of the kernels that learn, times this, joins the loss
    monitor: Literal["map50", "map50_95"] = "map50"  # of the validation images: its highest epoch is kept
    # What the moving average of the weights keeps of itself at a step; the averages are validated and published.
    ema: Decay | None = None
    patience: Count = 10  # epochs without a higher one
    augmentation: Augmentation = Augmentation()
    # Times that an epoch shows each training picture, each time augmented by draws of its own. One is not written, so
    # that what older versions trained stays valid.
    repeats: Annotated[Count, Field(exclude_if=lambda times: times == 1)] = 1

    @model_validator(mode="before")
    @classmethod
    def _has_no_options_of_others(cls, raw: Any) -> Any:
        if isinstance(raw, Mapping) and (given := next((key for key in _OF_OTHERS if key in raw), None)):
            raise ValueError(f"{given} {_OF_OTHERS[given]}")
        return raw

    @model_validator(mode="before")
    @classmethod
    def _scale_of_file(cls, given: Any) -> Any:
        return with_scale_of_file(given, "backbone", "backbone_weights", BACKBONES)

    @model_validator(mode="after")
    def _weights_exist(self) -> Settings:
        inside = BACKBONES[self.backbone].scales_inside
        require_scale(self.pixel_scale, self.backbone, inside, self.backbone_weights, "backbone_weights")
        if self.backbone_weights == "imagenet" and not BACKBONES[self.backbone].imagenet:
            published = sorted(name for name, backbone in BACKBONES.items() if backbone.imagenet)
            raise ValueError(
                f"{self.backbone} has no published ImageNet weights; set backbone_weights to none or to a file "
                f"(those with: {', '.join(published)})"
            )
        if self.frozen_stages and not self.pretrained:
            raise ValueError("frozen_stages would keep random layers; give backbone_weights, or set it to 0")
        return self

    @model_validator(mode="after")
    def _phases_fit(self) -> Settings:
        if self.scheme == "alternating" and self.freeze_backbone:
            raise ValueError("the alternating scheme has its own phases; set freeze_backbone to 0, or scheme to joint")
        if self.scheme == "alternating" and self.epochs < 4:
            raise ValueError(f"the alternating scheme has four phases; epochs is {self.epochs}, give at least 4")
        if self.freeze_backbone and not self.pretrained:
            raise ValueError("freeze_backbone would keep a random backbone; give backbone_weights, or set it to 0")
        if self.freeze_backbone > self.epochs:
            raise ValueError(f"freeze_backbone is {self.freeze_backbone} of {self.epochs} epochs; give at most all")
        # The default alone is shortened where a phase has one epoch: whoever tries a detector so has asked for none.
        if self.warmup > WARMUP and (over := schedule.too_long_a_warm_up(self.warmup, self.phases)):
            raise ValueError(
                f"warmup is {self.warmup:g}, and {over}, in which the rate is never reached; give it fewer "
                "epochs, or the phase more"
            )
        if self.augmentation.elastic:
            raise ValueError("elastic augmentation does not support boxes; set elastic to 0")
        if 0 < self.augmentation.mixup < LEAST_MIXUP:
            raise ValueError(
                f"mixup is {self.augmentation.mixup:g}; a box counts in full however faint its picture is, so most "
                f"pairs have to be blended about evenly: give {LEAST_MIXUP:g} or more, or 0"
            )
        return self

    @model_validator(mode="after")
    def _levels_fit(self) -> Settings:
        if self.min_level > self.max_level:
            raise ValueError(f"min_level {self.min_level} is above max_level {self.max_level}")
        given = BACKBONES[self.backbone].levels
        if self.min_level not in given:
            raise ValueError(f"min_level is {self.min_level}; {self.backbone} has the levels {given[0]} to {given[-1]}")
        if self.decoder.type == "identity" and self.min_level != self.max_level:
            raise ValueError(
                "the identity decoder supports one level, since the maps of several differ in depth; "
                f"received min_level {self.min_level} and max_level {self.max_level}: set them equal, or use fpn"
            )
        return self

    @model_validator(mode="after")
    def _regions_suffice(self) -> Settings:
        wanted, most = self.roi_sampler.num_sampled_rois, self._most_regions
        if wanted > most:
            raise ValueError(
                f"roi_sampler.num_sampled_rois is {wanted}, but an image of {self.height}x{self.width} has at most "
                f"{most} regions in training; lower it, or raise roi_generator.num_proposals or the number of anchors"
            )
        return self

    @property
    def _most_regions(self) -> int:
        """What the sampler has to choose from: proposals, and the true boxes among them where they are mixed in."""
        height, width = self.padded_size
        places = sum((height >> level) * (width >> level) for level in range(self.min_level, self.max_level + 1))
        anchors = places * self.anchor.num_scales * len(self.anchor.aspect_ratios)
        true = self.parser.max_num_instances if self.roi_sampler.mix_gt_boxes else 0
        return min(self.roi_generator.num_proposals, anchors) + true

    def check(self, train: BoxTruth) -> None:
        """SpineError where a label has no training box."""
        from spine.experiment.foresight import require_classes

        require_classes(train)

    @property
    def doubts(self) -> tuple[str, ...]:
        """Pictures to be mixed with none."""
        return self.augmentation.doubts_of(self.batch)

    @property
    def network(self) -> str:
        """Its name, such as faster-rcnn-resnet50-fpn."""
        return f"faster-rcnn-{self.backbone}" + ("-fpn" if self.decoder.type == "fpn" else "")

    @property
    def initial_weights(self) -> tuple[str | int | float, ...]:
        """What tells the weights that it starts from."""
        return (self.backbone, self.backbone_weights) if self.pretrained else ()

    @property
    def pretrained(self) -> bool:
        """Whether the backbone starts from weights."""
        return self.backbone_weights != "none"

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases in order."""
        if self.scheme == "alternating":
            return _four_steps(self.epochs, self.learning_rate)
        without = frozenset(PARTS) - {"backbone"}
        frozen = Phase("frozen", self.freeze_backbone, self.learning_rate, without)
        whole = Phase("whole", self.epochs - self.freeze_backbone, self.learning_rate)
        return tuple(phase for phase in (frozen, whole) if phase.epochs)

    @property
    def backbone_levels(self) -> range:
        """The levels that are taken from the backbone; the pyramid adds those above."""
        return range(self.min_level, min(self.max_level, BACKBONES[self.backbone].levels[-1]) + 1)

    @property
    def padded_size(self) -> tuple[int, int]:
        """Height and width that the network itself reads: the settings' own, padded to its largest stride."""
        stride = 2**self.max_level
        height, width = (math.ceil(size / stride) * stride for size in (self.height, self.width))
        return height, width


def _four_steps(epochs: int, rate: float) -> tuple[Phase, ...]:
    """Four-step alternating training of Ren et al. 2015 (Faster R-CNN), section 3.2."""
    each = epochs // 4
    rpn, head = frozenset(("rpn_head",)), frozenset(("detection_head",))
    return (
        Phase("rpn", each, rate, SHARED | rpn, validated=False),
        Phase("detector", each, rate, SHARED | head, starts_over=True, validated=False),
        Phase("rpn_shared", each, rate, rpn, validated=False),
        Phase("detector_shared", epochs - 3 * each, rate, head),
    )
