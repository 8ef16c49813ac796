"""Experiment files of every task are known to the application; a task's own command knows its task alone."""

import subprocess
import sys

import pytest
import yaml

from pipeline.experiments import load_experiment
from pipeline.registry import task_settings
from spine.core.problems import SpineError
from spine.tasks import TASKS


@pytest.fixture
def write(tmp_path):
    def write(task):
        labels = ["disc"] if task == "detection" else ["background", "disc"]
        raw = {"name": "one", "task": task, "data": "data", "labels": labels}
        raw["members"] = {"only": {"network": "vgg16"} if task == "classification" else {}}
        (tmp_path / "experiment.yaml").write_text(yaml.safe_dump(raw))
        return tmp_path / "experiment.yaml"

    return write


@pytest.mark.parametrize("task", TASKS)
def test_members_have_the_settings_of_their_task(write, task):
    assert isinstance(load_experiment(write(task)).members["only"], task_settings(task))


def test_an_unknown_task_lists_the_known_ones(write):
    with pytest.raises(SpineError, match="'sorting' is not known; it is one of classification, segmentation, detec"):
        load_experiment(write("sorting"))


def test_the_command_of_a_task_names_the_task_of_another_file(write, tmp_path):
    command = [sys.executable, "-P", "-m", "classification.train", str(write("segmentation")), "--member", "only"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "this command trains a member for classification, but the experiment's task is 'segmentation'" in done.stderr
    assert "Traceback" not in done.stderr
