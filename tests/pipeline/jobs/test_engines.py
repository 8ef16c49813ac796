"""Jobs in processes: of this machine, and of submitit's own engine, which needs no Slurm."""

import shutil

import pytest

from pipeline.jobs import local, run
from pipeline.jobs.job import Record
from pipeline.jobs.local import Local, visible_gpus
from pipeline.jobs.run import run_jobs
from pipeline.jobs.slurm import Slurm
from spine.core.problems import SpineError
from spine.experiment.executor import ExecutorSettings
from tests.pipeline.jobs.jobs_on_disk import write_jobs

ONCE = ExecutorSettings()


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch):
    monkeypatch.setattr(run, "LOOK_EVERY", 0.01)


def test_one_of_several_jobs_tells_its_lines_and_its_status(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(local, "usable_cores", lambda: 8)
    (job,) = write_jobs(tmp_path, monkeypatch, "cores")
    (ended,) = run_jobs(Local(ONCE, 2), [job], ONCE, lambda line: None)
    assert (ended.status, ended.why) == (3, "see above")
    assert capfd.readouterr().err == f"{tmp_path}/cores.mark 4\n"
    record = Record.read(job.record)
    assert (record.state, record.status, record.attempt) == ("failed", 3, 1)


def test_each_job_is_told_its_gpus(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    settings = ExecutorSettings(gpus=2)
    (job,) = write_jobs(tmp_path, monkeypatch, "gpus")
    engine = Local(settings, 2)
    for number in range(3):  # one after the other: what is given back is given again
        engine.submit(job, Record(job.name, "waiting", number + 1)).result()
    assert capfd.readouterr().err.split() == ["4,5", "6,7", "4,5"]
    with pytest.raises(SpineError, match=r"gpus is 3 for each of 2 jobs, and this machine shows 4 GPUs"):
        Local(ExecutorSettings(gpus=3), 2)


def test_the_gpus_of_a_machine_are_those_that_its_driver_lists(tmp_path, monkeypatch):
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "-1"}) == []
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nprintf '0\\n1\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert visible_gpus({}) == ["0", "1"]
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert visible_gpus({}) == []


def test_submitit_runs_jobs_and_tells_how_they_ended(tmp_path, monkeypatch):
    pytest.importorskip("submitit", reason="needs submitit (pip install -e '.[slurm]')")
    settings = ExecutorSettings(kind="slurm", through="local", cpus=1)
    jobs, shown = write_jobs(tmp_path, monkeypatch, "well", "badly", "cut_once"), []
    well, badly, cut = run_jobs(Slurm(settings, tmp_path / "jobs"), jobs, settings, shown.append)
    assert (well.status, cut.status) == (0, 0)
    assert (badly.status, badly.why) == (3, "no such thing")
    assert shown[3:] == ["train cut_once was killed by signal 15; it is run again", "train cut_once"]
    assert jobs[0].log.read_text() == "all is well\n"
    assert [Record.read(job.record).state for job in jobs] == ["done", "failed", "done"]
    assert Record.read(jobs[2].record).attempt == 2


def test_slurm_without_slurm_says_where_to_go(tmp_path, monkeypatch):
    pytest.importorskip("submitit", reason="needs submitit (pip install -e '.[slurm]')")
    monkeypatch.setattr(shutil, "which", lambda *given, **options: None)
    with pytest.raises(SpineError, match="on a machine that has sbatch"):
        _ = Slurm(ExecutorSettings(kind="slurm"), tmp_path).executor
