"""Folds trained on a Ray cluster of three nodes, one of which goes away, against processes of this machine."""

import os
import threading
import time

import numpy as np
import pandas as pd
import pytest

from pipeline import training
from pipeline.experiments import validate_experiment
from pipeline.jobs.engines import engine_by
from pipeline.jobs.job import Record
from pipeline.jobs.run import run_jobs
from pipeline.jobs.status import standings
from spine.experiment.executor import ExecutorSettings
from tests.experiment_on_disk import write_dataset
from tests.pipeline.jobs.jobs_on_disk import write_jobs

LABELS = ("healthy", "degenerated")
SMALL = {"network": "plain_cnn", "weights": "none", "height": 32, "width": 32, "epochs": 2, "batch": 4}


def experiment_in(folder, **executor):
    if not (folder / "data").exists():
        write_dataset(folder / "data", LABELS, 1, {"train": 6, "validation": 3, "test": 2})
    raw = {"name": executor["kind"], "task": "classification", "data": folder / "data", "runs": folder / "runs"}
    raw |= {"target": "degeneration", "labels": LABELS, "folds": 3, "executor": executor}
    return validate_experiment({**raw, "seed": 7, "members": {"first": SMALL}}, "a cluster's")


@pytest.fixture
def cluster(ray):
    from ray.cluster_utils import Cluster

    try:
        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    except Exception as error:  # of its processes: a machine without shared memory, or one that is too busy
        pytest.skip(f"no Ray cluster starts here: {error}")
    try:
        yield nodes
    finally:
        nodes.shutdown()


@pytest.mark.slow
def test_a_cluster_that_loses_a_node_gives_the_weights_of_this_machine(tmp_path, cluster):
    doomed = cluster.add_node(num_cpus=1)
    cluster.add_node(num_cpus=1)
    experiment = experiment_in(tmp_path, kind="ray", address=cluster.address, cpus=1, retries=3)
    records, shown = experiment.directory / "jobs", []

    def lose_a_node() -> None:
        while sum(record.state == "running" for record in map(Record.read, records.glob("*.json")) if record) < 2:
            time.sleep(0.1)
        cluster.remove_node(doomed, allow_graceful=False)

    threading.Thread(target=lose_a_node, daemon=True).start()
    training.train_members(experiment, shown.append)
    assert [line for line in shown if line.endswith("it is run again")]
    local = experiment_in(tmp_path, kind="local", cpus=1)
    training.train_members(local, lambda line: None)
    for fold in range(3):
        here, there = (one.member_directory("first") / f"fold-{fold}" for one in (local, experiment))
        losses, others = (pd.read_csv(folder / "history.csv")["loss"] for folder in (here, there))
        np.testing.assert_array_equal(losses, others)
        assert variables(here) == variables(there)
    assert {standing.state for standing in standings(experiment)} == {"done"}


def variables(folder) -> bytes:
    """The weights that its SavedModel holds, bit for bit."""
    (data,) = folder.glob("model/1/variables/variables.data-*")
    return data.read_bytes()


@pytest.mark.slow
def test_a_cluster_is_joined_twice_by_one_process_and_nothing_of_it_is_left(tmp_path, monkeypatch, cluster, ray):
    cluster.add_node(num_cpus=1)
    settings = ExecutorSettings(kind="ray", cpus=1, address=cluster.address)
    jobs = write_jobs(tmp_path, monkeypatch, "well", "badly")
    before = dict(os.environ)
    for _ in range(2):
        ends = run_jobs(engine_by(settings, tmp_path / "jobs", 1), jobs, settings, lambda line: None)
        assert [ended.status for ended in ends] == [0, 3]
        assert dict(os.environ) == before
        assert not ray.is_initialized()


@pytest.mark.slow
def test_machines_without_a_common_disk_give_the_weights_of_this_one(tmp_path, ray):
    far = experiment_in(tmp_path, kind="ray", cpus=1, store=f"file://{tmp_path / 'far'}")
    far = far.model_copy(update={"members": {"first": far.members["first"]}, "folds": 0})
    training.train_members(far, lambda line: None)
    assert {standing.state for standing in standings(far)} == {"done"}
    local = far.model_copy(update={"name": "local", "executor": far.executor.model_copy(update={"kind": "local"})})
    training.train_members(local, lambda line: None)
    here, there = (one.member_directory("first") for one in (local, far))
    assert variables(here) == variables(there)
    assert not list((tmp_path / "far").rglob("saved_model.pb"))  # what came back is not left there
