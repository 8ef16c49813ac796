import os
import time
from dataclasses import replace

import pytest

from pipeline.jobs import run
from pipeline.jobs.job import OUT_OF_MEMORY, STOPPED, Ended, Job, Record
from pipeline.jobs.run import run_jobs
from spine.core.problems import SpineError
from spine.core.writers import writer
from spine.experiment.executor import ExecutorSettings


class Scripted:
    """An engine whose jobs end as they were told to, one try after the other; None is a look that finds it at work."""

    def __init__(self, ends: dict[str, list[Ended | None]], at_once: int | None = None) -> None:
        self.ends, self.at_once = ends, at_once
        self.submitted: list[str] = []
        self.attempts: list[int] = []
        self.arguments: list[tuple[str, ...]] = []
        self.at_work = self.most = 0
        self.stopped: list[str] = []

    def submit(self, job, record):
        self.submitted.append(job.name)
        self.attempts.append(record.attempt)
        self.arguments.append(job.arguments)
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        return job.name

    def ended(self, job, handle):
        ended = self.ends[job.name].pop(0)
        self.at_work -= ended is not None
        return ended

    def why_waiting(self, job, handle):
        return "there is no room"

    def stop(self, handles):
        self.stopped.extend(handles)


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch):
    monkeypatch.setattr(run, "LOOK_EVERY", 0.001)


def jobs_of(folder, *names):
    return [Job(name, "module", (), folder) for name in names]


WELL, BAD, CUT = Ended(0), Ended(2, "see above"), Ended(-9, "was killed by signal 9")


def test_ends_come_in_the_order_of_the_jobs(tmp_path):
    engine = Scripted({"a": [None, None, WELL], "b": [BAD], "c": [None, WELL]})
    assert run_jobs(engine, jobs_of(tmp_path, "a", "b", "c"), ExecutorSettings(), print) == [WELL, BAD, WELL]
    assert engine.submitted == ["a", "b", "c"]
    assert engine.stopped == []


def test_an_engine_is_handed_no_more_than_it_has_room_for(tmp_path):
    engine = Scripted({name: [None, WELL] for name in "abcde"}, at_once=2)
    run_jobs(engine, jobs_of(tmp_path, *"abcde"), ExecutorSettings(), print)
    assert engine.most == 2


def test_what_was_cut_short_is_tried_again_and_what_failed_is_not(tmp_path):
    shown = []
    engine = Scripted({"cut": [CUT, WELL], "failed": [BAD], "lost": [CUT, CUT, CUT]})
    ends = run_jobs(engine, jobs_of(tmp_path, "cut", "failed", "lost"), ExecutorSettings(retries=2), shown.append)
    assert ends == [WELL, BAD, CUT]
    assert engine.submitted == ["cut", "failed", "lost", "cut", "lost", "lost"]
    assert engine.attempts == [1, 1, 1, 2, 2, 3]
    assert "cut was killed by signal 9; it is run again" in shown


@pytest.mark.parametrize("why", [f"{OUT_OF_MEMORY}: see above", f"was killed by signal 9; {OUT_OF_MEMORY}"])
def test_a_job_that_ran_out_of_memory_is_run_once_with_less_where_asked(tmp_path, why):
    short = Ended(12 if "above" in why else -9, why)
    (job,) = jobs_of(tmp_path, "large")
    job, shown = replace(job, arguments=("x",), with_less=("--batch", "4")), []
    engine = Scripted({"large": [short, short]})
    assert run_jobs(engine, [job], ExecutorSettings(retries=0, smaller_batch=True), shown.append) == [short]
    assert engine.arguments == [("x",), ("x", "--batch", "4")]
    assert f"large {why}; it is run again with --batch 4" in shown
    engine = Scripted({"large": [short]})
    assert run_jobs(engine, [job], ExecutorSettings(retries=0), print) == [short]
    assert engine.arguments == [("x",)]


def test_a_job_that_another_command_runs_is_left_to_it(tmp_path):
    theirs = Record("a", "running", host="here", writer=writer()).write(tmp_path / "a.json")
    engine = Scripted({"b": [WELL]})
    first, second = run_jobs(engine, jobs_of(tmp_path, "a", "b"), ExecutorSettings(), print)
    assert (first.status, second) == (1, WELL)
    assert first.by == f"process {os.getpid()} on here"
    assert f"is run by another command, {first.by}, at the moment" in first.why
    assert first.told("train a").startswith("train a is run by another command")
    assert engine.submitted == ["b"]
    assert Record.read(tmp_path / "a.json") == theirs


def test_what_an_engine_does_not_take_is_told_by_its_record(tmp_path):
    class Refusing(Scripted):
        def submit(self, job, record):
            raise SpineError("Slurm does not take it")

    with pytest.raises(SpineError):
        run_jobs(Refusing({}), jobs_of(tmp_path, "a"), ExecutorSettings(), print)
    record = Record.read(tmp_path / "a.json")
    assert (record.state, record.why) == ("failed", "Slurm does not take it")


def test_a_job_that_nobody_begins_is_told_once(tmp_path):
    shown = []
    engine = Scripted({"slow": [None] * 5 + [WELL]})
    run_jobs(engine, jobs_of(tmp_path, "slow"), ExecutorSettings(patience=1e-6), shown.append)
    assert shown[1:] == ["slow has waited for 1e-06 minutes: there is no room"]


def test_a_job_that_runs_is_no_reason_for_impatience(tmp_path):
    class Running(Scripted):
        def submit(self, job, record):
            record.now("running").write(job.record)
            return super().submit(job, record)

    shown = []
    engine = Running({"at work": [None, None, WELL]})
    run_jobs(engine, jobs_of(tmp_path, "at work"), ExecutorSettings(patience=1e-6), shown.append)
    assert shown == ["at work"]


def test_whatever_ends_the_run_ends_the_jobs(tmp_path):
    class Interrupted(Scripted):
        def ended(self, job, handle):
            raise KeyboardInterrupt

    engine = Interrupted({})
    with pytest.raises(KeyboardInterrupt):
        run_jobs(engine, jobs_of(tmp_path, "a", "b"), ExecutorSettings(), print)
    assert engine.stopped == ["a", "b"]
    records = [Record.read(tmp_path / f"{name}.json") for name in "ab"]
    assert [(one.state, one.status) for one in records] == [("failed", STOPPED[0])] * 2


def test_a_record_is_read_as_it_was_written(tmp_path):
    before = time.time()
    written = Record("train a", "waiting", 2).now("running", host="node7").write(tmp_path / "a.json")
    assert Record.read(tmp_path / "a.json") == written
    assert (written.state, written.attempt, written.host, written.ended) == ("running", 2, "node7", None)
    assert written.since >= before
    assert Record.read(tmp_path / "b.json") is None
