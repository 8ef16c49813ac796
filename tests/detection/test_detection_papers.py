"""Detectors of the papers' own files, trained for a step at their published size, the largest at half of it."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from detection.config import PARTS
from pipeline.experiments import load_experiment
from spine.experiment.config import Experiment
from spine.member.member import Member
from spine.training.history import History
from tests.detection_on_disk import SIZES, write_boxes
from tests.member_contract import assert_detections, grey, png
from tests.watched_detector import equal_kernels, train_watched

pytestmark = pytest.mark.slow

PAPERS = Path(__file__).resolve().parents[2] / "configs" / "papers"
LOSSES = ("loss", "rpn_cls", "rpn_box", "rcnn_cls", "rcnn_box")
# File, member -> the size that its network reads, and the maps (height, width) that its backbone gives, by level.
MEMBERS = {
    ("ma2020_detection", "vgg16"): ((600, 800), {"4": (38, 50)}),
    ("ma2020_detection", "resnet50"): ((600, 800), {"4": (38, 50)}),
    ("levan2020_detection", "inception_v2"): ((608, 608), {"4": (38, 38)}),
    ("levan2020_detection", "inception_resnet_v2_atrous"): ((608, 608), {"3": (38, 38)}),
}
HALVED = "inception_resnet_v2_atrous"  # it takes minutes a picture at its own size


def experiment_of(paper: str, member: str, folder: Path) -> Experiment:
    """The paper's experiment on a dataset of two pictures, one of them to learn from, with no weights to download."""
    experiment = load_experiment(
        PAPERS / f"{paper}.yaml",
        [
            f"data={folder / 'data'}",
            "build=null",
            f"runs={folder / 'runs'}",
            "shared.epochs=1",
            "shared.batch=1",
            "shared.repeats=1",
            f"members.{member}.backbone_weights=none",
        ],
    )
    write_boxes(experiment.data, {"train": 1, "validation": 1, "test": 0}, experiment.labels, SIZES[:1])
    return experiment


@pytest.mark.parametrize(("paper", "member"), MEMBERS)
def test_it_trains_at_its_published_size_and_is_published(paper, member, tmp_path):
    size, maps = MEMBERS[paper, member]
    experiment = experiment_of(paper, member, tmp_path)
    settings = experiment.members[member]
    assert (settings.height, settings.width) == size
    if member == HALVED:
        halved = settings.model_copy(update={"height": size[0] // 2, "width": size[1] // 2})
        experiment = experiment.model_copy(update={"members": {**experiment.members, member: halved}})
    (phase,) = train_watched(experiment, member).values()
    before, after = phase.before, phase.after
    assert [part for part in PARTS if not before[part]] == (["decoder"] if settings.decoder.type == "identity" else [])
    assert [name for part in PARTS for name in equal_kernels(before[part], after[part])] == []
    specs = phase.network.backbone.output_specs
    assert {level: tuple(shape)[1:3] for level, shape in specs.items()} == maps
    published = Member.open(experiment.member_directory(member))
    (row,) = History.read(published.path / "history.csv").rows
    assert np.isfinite([float(row[loss]) for loss in LOSSES]).all()
    model = tf.saved_model.load(str(published.model))
    outputs = model.signatures["serving_default"](image_bytes=tf.constant([png(grey(120, 90))]))
    assert_detections({name: values.numpy() for name, values in outputs.items()}, 1, len(experiment.labels))
