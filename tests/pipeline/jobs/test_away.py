"""A job on a machine without this disk, with a folder in place of the store and a call in place of the machine."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from pipeline.jobs.away import Journey, run_away
from pipeline.jobs.job import Away, Ended, Job, Record
from pipeline.jobs.store import Lost
from pipeline.planning import rehearsals
from pipeline.planning.plan import make_plan
from pipeline.training import DATA, EXPERIMENT, RUNS, Training
from spine.core.privacy import salt
from spine.dataset.manifest import Manifest
from spine.training.rehearsal import Rehearsal
from tests.experiment_on_disk import write_experiment

WORK = """
import os, pathlib, sys
text = pathlib.Path("its-data/word.txt").read_text()
given = pathlib.Path("its-runs/member")
given.mkdir(parents=True)
(given / "model").write_text(f"{text} {sys.argv[1]} {os.environ['SPINE_SALT']}")
print("error: no such thing")
raise SystemExit(int(sys.argv[2]))
"""


def journey_of(folder: Path, monkeypatch, status: int) -> Journey:
    (folder / "data").mkdir()
    (folder / "data" / "word.txt").write_text("hello")
    (folder / "job_away.py").write_text(WORK)
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{Path(__file__).resolve().parents[3]}")
    away = Away(f"file://{folder / 'far'}", {"its-data": folder / "data"}, {"its-runs/member": folder / "runs" / "m"})
    job = Job("train m", "job_away", ("world", str(status)), folder / "jobs", away=away)
    Record(job.name, "waiting", 2).write(job.record)
    return Journey.begin(job, away, 2)


def test_what_it_reads_travels_there_and_what_it_writes_comes_back(tmp_path, monkeypatch):
    journey = journey_of(tmp_path, monkeypatch, 0)
    (tmp_path / "runs" / "m").mkdir(parents=True)
    (tmp_path / "runs" / "m" / "old").write_text("of an earlier training")
    journey.note()
    assert Record.read(journey.job.record).state == "waiting"
    assert run_away(*journey.work, journey.environment) == 0
    journey.note()
    assert Record.read(journey.job.record).state == "running"
    journey.end()
    assert [path.name for path in (tmp_path / "runs" / "m").iterdir()] == ["model"]
    assert (tmp_path / "runs" / "m" / "model").read_text() == f"hello world {salt().decode()}"
    record = Record.read(journey.job.record)
    assert (record.name, record.state, record.attempt) == ("train m", "done", 2)
    assert not list((tmp_path / "far" / "results").rglob("model"))  # taken, so it does not lie there
    again = Journey.begin(journey.job, journey.away, 3)
    assert again.inputs == journey.inputs
    assert again.name != journey.name


def test_of_a_job_that_failed_its_last_word_comes_back_and_nothing_half_written(tmp_path, monkeypatch):
    journey = journey_of(tmp_path, monkeypatch, 3)
    assert run_away(*journey.work, journey.environment) == 3
    journey.end()
    assert not (tmp_path / "runs").exists()
    record = Record.read(journey.job.record)
    assert (record.state, record.status, record.why) == ("failed", 3, "no such thing")
    assert "error: no such thing" in journey.job.log.read_text()


REHEARSES = """
import json, pathlib, sys
file, _, member, _, result, *places = sys.argv[1:]
assert pathlib.Path(file).is_file() and pathlib.Path("its-data/images.csv").is_file()
assert places == ["data=its-data", "runs=its-runs"]
pathlib.Path(result).parent.mkdir(parents=True)
pathlib.Path(result).write_text(json.dumps({**TOOK, "kept": len(member)}))
"""
TOOK = Rehearsal(5.0, {"scratch": 0.5}, {"scratch": 2}, memory=3, gpu_memory=0, kept=0, passing=4)


class AwayAtOnce:
    """An engine of machines without this disk, each a call."""

    at_once = 1

    def submit(self, job: Job, record: Record) -> None:
        journey = Journey.begin(job, job.away, record.attempt)
        run_away(*journey.work, journey.environment)
        journey.end()

    def ended(self, job: Job, handle: None) -> Ended | None:
        return Record.read(job.record).ended

    def stop(self, handles: Sequence[None]) -> None:
        pass


def test_a_rehearsal_travels_as_its_training_does(tmp_path, monkeypatch):
    (tmp_path / "stub").mkdir()
    (tmp_path / "stub" / "train.py").write_text(f"TOOK = {asdict(TOOK)}\n{REHEARSES}")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).resolve().parents[3]}")
    monkeypatch.setattr(rehearsals, "engine_of", lambda experiment: AwayAtOnce())
    executor = {"kind": "ray", "store": f"file://{tmp_path / 'far'}"}
    experiment = write_experiment(tmp_path, members=("one", "other"), executor=executor)
    longer = experiment.members["other"].model_copy(update={"epochs": 99})
    experiment = experiment.model_copy(update={"members": {**experiment.members, "other": longer}})
    monkeypatch.setattr("pipeline.registry.package_of", lambda task: "stub")
    plan = make_plan(experiment, lambda line: None)
    kept = {one.member: one.rehearsed.rehearsal for one in plan.trainings}
    assert kept == {name: replace(TOOK, kept=len(name)) for name in ("one", "other")}
    assert not list((tmp_path / "far").rglob("took.json"))  # what came back is not left there


def test_results_that_are_not_whole_touch_nothing_here(tmp_path, monkeypatch):
    journey = journey_of(tmp_path, monkeypatch, 0)
    run_away(*journey.work, journey.environment)
    (model,) = (tmp_path / "far" / "results").rglob("model")
    model.write_text("half")
    with pytest.raises(Lost, match=r"its-runs/member/model of results/train-m-.* is not as it was put there"):
        journey.end()
    assert not (tmp_path / "runs").exists()
    assert Record.read(journey.job.record).state == "waiting"


def test_a_training_brings_its_dataset_and_files_below_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own").mkdir()
    Path("own/base.weights.h5").write_text("weights")
    experiment = write_experiment(tmp_path, members=("one",), executor={"kind": "ray", "store": "file:///far"})
    settings = experiment.members["one"].model_copy(update={"weights": "own/base.weights.h5"})
    experiment = experiment.model_copy(update={"members": {"one": settings}})
    file = experiment.write(experiment.directory / "experiment.yaml")
    job = Training("one", experiment, Manifest.read(experiment.data)).job(file)
    assert job.arguments == (EXPERIMENT, "--member", "one", f"data={DATA}", f"runs={RUNS}")
    named = Path("own/base.weights.h5")
    assert job.away.brings == {EXPERIMENT: file, DATA: experiment.data, str(named): named}
    assert job.away.returns == {f"{RUNS}/small/members/one": experiment.member_directory("one")}
    here = experiment.model_copy(update={"executor": experiment.executor.model_copy(update={"kind": "local"})})
    assert Training("one", here, Manifest.read(experiment.data)).job(file).away is None
