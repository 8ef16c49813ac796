"""Served and stored predictions compared: equal within a tolerance, else the samples are named."""

import numpy as np
import pytest

from ensemble.experiment_run import ExperimentRun
from ensemble.fusion.fuse_boxes import fuse_boxes
from pipeline.client.check import TOLERANCES, check_served
from spine.core.problems import SpineError
from tests.detection_on_disk import write_detection_experiment
from tests.experiment_on_disk import write_experiment, write_segmentation_experiment

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
    with pytest.raises(SpineError, match="is not a member"):
        check_served(Served(experiment), other)


def test_an_answer_that_is_no_number_differs(tmp_path):
    experiment = write_experiment(tmp_path)
    sample = ExperimentRun(experiment).truth("test").samples[0]
    assert list(check_served(Served(experiment, off=sample, shift=np.nan), experiment).differing) == [sample]
