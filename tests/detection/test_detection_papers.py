"""Detectors of the papers' own files, trained for a step: one at its published size, the others at a part of it."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from detection.config import PARTS
from pipeline.experiments import load_experiment
from spine.core.quiet import silence_tensorflow
from spine.experiment.config import Experiment
from spine.member.member import Member
from spine.training.history import History
from tests.detection_on_disk import SIZES, write_boxes
from tests.member_contract import assert_detections, grey, png
from tests.watched_detector import equal_kernels, train_watched

pytestmark = pytest.mark.slow

PAPERS = Path(__file__).resolve().parents[2] / "configs" / "papers"
LOSSES = ("loss", "rpn_cls", "rpn_box", "rcnn_cls", "rcnn_box")
# File, member -> the size that its network reads, and the maps (height, width) that its backbone gives, by level; and
# the part of that size at which it trains: a step at the whole takes minutes of all but one.
MEMBERS = {
    ("ma2020_detection", "vgg16"): ((600, 800), {"4": (38, 50)}, 4),
    ("ma2020_detection", "resnet50"): ((600, 800), {"4": (38, 50)}, 4),
    ("levan2020_detection", "inception_v2"): ((608, 608), {"4": (38, 38)}, 1),
    ("levan2020_detection", "inception_resnet_v2_atrous"): ((608, 608), {"3": (76, 76)}, 4),
}


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
def test_it_trains_and_is_published_and_its_maps_are_those_of_its_published_size(paper, member, tmp_path):
    """In a process of its own: what TensorFlow keeps of so large a network, up to 2 GB, would stay with other tests."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        process.submit(train_and_look, paper, member, tmp_path).result()


def train_and_look(paper: str, member: str, folder: Path) -> None:
    """Train a paper's member in `folder`; AssertionError where it is not what the paper's file says."""
    silence_tensorflow()
    size, maps, part = MEMBERS[paper, member]
    experiment = experiment_of(paper, member, folder)
    settings = experiment.members[member]
    assert (settings.height, settings.width) == size
    smaller = settings.model_copy(update={"height": size[0] // part, "width": size[1] // part})
    experiment = experiment.model_copy(update={"members": {**experiment.members, member: smaller}})
    (phase,) = train_watched(experiment, member).values()
    before, after = phase.before, phase.after
    assert [part for part in PARTS if not before[part]] == (["decoder"] if settings.decoder.type == "identity" else [])
    assert [name for part in PARTS for name in equal_kernels(before[part], after[part])] == []
    published_size = phase.network.backbone.trunk.compute_output_shape((1, *settings.padded_size, 3))
    assert {level: tuple(shape)[1:3] for level, shape in published_size.items()} == maps
    trained_size = {level: tuple(length >> int(level) for length in smaller.padded_size) for level in maps}
    specs = phase.network.backbone.output_specs
    assert {level: tuple(shape)[1:3] for level, shape in specs.items()} == trained_size
    published = Member.open(experiment.member_directory(member))
    (row,) = History.read(published.path / "history.csv").rows
    assert np.isfinite([float(row[loss]) for loss in LOSSES]).all()
    model = tf.saved_model.load(str(published.model))
    outputs = model.signatures["serving_default"](image_bytes=tf.constant([png(grey(120, 90))]))
    assert_detections({name: values.numpy() for name, values in outputs.items()}, 1, len(experiment.labels))
