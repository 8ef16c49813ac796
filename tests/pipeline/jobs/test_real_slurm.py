"""Jobs on a real Slurm, of this machine alone."""

import subprocess

import pytest

from pipeline.jobs.job import Record
from pipeline.jobs.run import run_jobs
from pipeline.jobs.slurm import Slurm
from pipeline.jobs.work import BY_A_PERSON
from spine.experiment.executor import ExecutorSettings
from tests.pipeline.jobs.jobs_on_disk import write_jobs
from tests.pipeline.jobs.slurm_of_one import slurm_of_one


@pytest.mark.slow
def test_slurm_runs_jobs_and_tells_how_they_ended(tmp_path, monkeypatch):
    pytest.importorskip("submitit", reason="needs submitit (pip install -e '.[slurm]')")
    with slurm_of_one(tmp_path / "slurm", monkeypatch):
        settings = ExecutorSettings(kind="slurm", cpus=1, memory=0.2, partition="all", minutes=5)
        jobs, shown = write_jobs(tmp_path, monkeypatch, "well", "badly", "cut_once"), []
        well, badly, cut = run_jobs(Slurm(settings, tmp_path / "jobs"), jobs, settings, shown.append)
        assert (well.status, cut.status) == (0, 0)
        assert (badly.status, badly.why) == (3, "no such thing")
        assert shown[3:] == ["train cut_once was killed by signal 15; it is run again", "train cut_once"]
        assert jobs[0].log.read_text() == "all is well\n"

        # What asks for more than there is waits for ever: it is told, and ended with the command.
        greedy, told = ExecutorSettings(kind="slurm", cpus=1, memory=0.2, patience=1e-3), []
        engine = Slurm(greedy, tmp_path / "jobs")
        subprocess.run(["scontrol", "update", "PartitionName=all", "State=DOWN"], check=True)

        def show(line: str) -> None:
            told.append(line)
            if "has waited" in line:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run_jobs(engine, jobs[:1], greedy, show)
        assert "Slurm has it as" in told[-1]
        stopped = Record.read(jobs[0].record)
        assert (stopped.state, stopped.status, stopped.why) == ("failed", 130, BY_A_PERSON)
        queue = subprocess.run(["squeue", "-h"], capture_output=True, text=True, check=True)
        assert queue.stdout == ""
