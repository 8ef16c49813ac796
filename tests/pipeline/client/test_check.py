"""Served and stored predictions compared: equal within a tolerance, else the samples are named."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ensemble.experiment_run import ExperimentRun
from ensemble.fusion.fuse_boxes import fuse_boxes
from pipeline import cli
from pipeline.cli.client import _served
from pipeline.client.check import TOLERANCES, check_served
from pipeline.server import Server, Source
from spine.core.files import read_json, write_json
from spine.core.problems import SpineError
from spine.member.member import Member
from tests.detection_on_disk import write_detection_experiment
from tests.experiment_on_disk import write_experiment, write_segmentation_experiment

ROOT = Path(__file__).resolve().parents[3]
MAKE = {
    "classification": write_experiment,
    "segmentation": write_segmentation_experiment,
    "detection": write_detection_experiment,
}


class Served:
    """A server that answers with the fused stored predictions, off by `shift` for the sample `off`."""

    def __init__(self, experiment, split="test", off="", shift=0.0):
        run = ExperimentRun(experiment)
        self.found, self.weights, self.asked = run.predictions(split), run.weights, []
        self.pictures = [path.read_bytes() for path in self.found.truth.paths]
        self.off, self.shift = off, shift

    def outputs(self, images, *, only=()):
        (image,) = images
        number = self.pictures.index(image)
        sample = self.found.truth.samples[number]
        self.asked.append(sample)
        members = [self.found.stored[name].of_sample(number) for name in self.weights.kept]
        shift = self.shift if sample == self.off else 0.0
        if "probabilities" in only:
            fused = self.weights.mean()([np.asarray(member, np.float64) for member in members]).astype(np.float32)
            fused[-1] += [shift, -shift] + [0] * (fused.shape[1] - 2)
            shape = self.shape(number)
            return {"probabilities": fused.reshape(1, *shape, -1)}
        found = fuse_boxes(members, list(self.weights.kept.values()), self.weights.box_fusion)
        return {
            "detection_boxes": found.boxes[None],
            "detection_scores": np.abs(found.scores - shift)[None],
            "detection_classes": found.classes[None].astype(np.float32),
            "num_detections": np.array([float(len(found))]),
        }

    def shape(self, number):
        sizes = getattr(self.found.truth, "sizes", None)
        return sizes[number] if self.found.truth.__class__.__name__ == "MaskTruth" else ()


@pytest.fixture(params=list(MAKE))
def experiment(request, tmp_path):
    return MAKE[request.param](tmp_path)


def test_what_was_stored_is_what_is_served(experiment):
    served = Served(experiment)
    done = check_served(served, experiment)
    assert not done.differing
    assert done.samples == len(served.asked) == len(served.found.truth.samples)
    assert done.farthest <= done.tolerance == TOLERANCES[experiment.task]


def test_a_sample_that_differs_is_named(experiment):
    samples = ExperimentRun(experiment).truth("test").samples
    done = check_served(Served(experiment, off=samples[1], shift=0.01), experiment)
    assert list(done.differing) == [samples[1]]
    assert done.differing[samples[1]] == pytest.approx(0.01, rel=0.1)


def test_some_samples_of_a_split_are_enough(experiment):
    served = Served(experiment, "validation")
    assert check_served(served, experiment, "validation", most=2).samples == 2
    assert served.asked == [served.found.truth.samples[0], served.found.truth.samples[-1]]


def test_nothing_stored_is_a_sentence(tmp_path):
    experiment = write_experiment(tmp_path)
    other = experiment.model_copy(update={"runs": tmp_path / "elsewhere"})
    with pytest.raises(SpineError, match="is not trained"):
        check_served(Served(experiment), other)


def test_an_answer_that_is_no_number_differs(tmp_path):
    experiment = write_experiment(tmp_path)
    sample = ExperimentRun(experiment).truth("test").samples[0]
    assert list(check_served(Served(experiment, off=sample, shift=np.nan), experiment).differing) == [sample]


class Deciding(Served):
    """The same with its decision at 0.5, the other one for the sample `off`."""

    def outputs(self, images, *, only=()):
        assert only == ("probabilities", "decision")
        probabilities = super().outputs(images, only=only)["probabilities"]
        is_off = self.asked[-1] == self.off
        return {"probabilities": probabilities, "decision": ((probabilities[:, 1] >= 0.5) ^ is_off).astype(np.int32)}


def test_a_decision_that_does_not_follow_from_its_probabilities_differs(tmp_path):
    experiment = write_experiment(tmp_path)
    path = experiment.ensemble_directory / "weights.json"
    shares = dict.fromkeys(("bound", "confidence", "sensitivity", "specificity"), 0.9)
    decisions = {"operating_point": {"kind": "youden", "threshold": 0.5, "positives": 9, "worth": 9.0, **shares}}
    write_json({**read_json(path), "decisions": decisions}, path)
    assert not check_served(Deciding(experiment), experiment).differing
    sample = ExperimentRun(experiment).truth("test").samples[3]
    assert check_served(Deciding(experiment, off=sample), experiment).differing == {sample: 1.0}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """An experiment of two one-line models, predicted, searched for and exported, with its YAML file."""
    import yaml

    from ensemble import export, predict
    from tests.case_on_disk import MeanGrey, write_member
    from tests.experiment_on_disk import write_weights

    root = tmp_path_factory.mktemp("exported")
    experiment = write_experiment(root, members=("plain", "squared"), patients={"train": 1, "validation": 2, "test": 3})
    for name, exponent in (("plain", 1.0), ("squared", 2.0)):
        directory = experiment.member_directory(name)
        card = Member.open(directory).card
        shutil.rmtree(directory)
        made = Member.open(write_member(directory, "classification", experiment.labels, MeanGrey(exponent))).card
        Member.publish(directory, card.model_copy(update={"model_hash": made.model_hash, "outputs": made.outputs}))
    predict.run(experiment)
    write_weights(experiment, {"plain": 0.25, "squared": 0.75})
    export.run(experiment)
    file = root / "experiment.yaml"
    file.write_text(yaml.safe_dump(experiment.model_dump(mode="json", exclude_defaults=True)))
    return experiment, file


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_the_command_compares_a_server_with_what_was_stored(exported, protocol):
    experiment, file = exported
    with Server([Source("small", experiment.ensemble_directory)], rest_port=0, grpc_port=0) as server:
        address = server.rest_url if protocol == "http" else f"grpc://{server.grpc_address}"
        command = ["serve", "check", f"{address}/v1/models/small", str(file)]
        done = CliRunner().invoke(cli.app, command)
        assert done.exit_code == 0, done.output
        assert "12 of 12 samples within 1e-04" in done.stderr
    other = experiment.member_directory("plain")  # the wrong one is served
    with Server([Source("small", other)], rest_port=0, grpc_port=0) as server:
        address = server.rest_url if protocol == "http" else f"grpc://{server.grpc_address}"
        done = CliRunner().invoke(cli.app, ["serve", "check", f"{address}/v1/models/small", str(file), "--most", "3"])
        assert done.exit_code == 1
        assert len(done.stdout.splitlines()) == 3
        assert "apart" in done.stdout


def test_of_a_case_nothing_is_stored():
    with pytest.raises(SpineError, match="is a case, of which nothing is predicted and stored"):
        _served(None, ROOT / "configs" / "cases" / "quickstart.yaml")
