"""Shards as jobs: their records, what is left to do, and a Ray cluster of this machine."""

import os
import re
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipeline.bulk.jobs import as_job, job_of, predict_in_jobs, shards_in
from pipeline.bulk.parts import begin
from pipeline.bulk.paths import as_path
from pipeline.bulk.shard import Shard
from pipeline.cli import app
from pipeline.jobs import run, work
from pipeline.jobs.job import Record
from spine.core.memory import NO_MEMORY
from spine.core.problems import SpineError
from spine.experiment.executor import ExecutorSettings
from spine.images.pictures import write_png16
from tests.pipeline.bulk.bulk_model import drawn


@pytest.fixture
def ran(monkeypatch):
    """The commands of jobs, which run in this process."""
    commands = []

    def run_child(command, environment, **_) -> int:
        commands.append(command[4:])
        with monkeypatch.context() as patched:
            patched.setenv("SPINE_PARENT", environment["SPINE_PARENT"])
            return CliRunner().invoke(app, command[4:]).exit_code

    monkeypatch.setattr(work, "run_child", run_child)
    monkeypatch.setattr(run, "LOOK_EVERY", 0.005)
    monkeypatch.setattr("pipeline.bulk.jobs.die_with_parent", lambda: None)
    monkeypatch.setattr("pipeline.bulk.jobs.usable_cores", lambda: 1)  # CliRunner swaps the streams of the process
    return commands


def studies_in(output):
    return sorted(pd.concat(map(pd.read_csv, output.glob("parts/*/sources.csv")))["source"])


def unwrapped(text):
    """A text without the ends of lines that the width of a terminal gives: a path may be long."""
    return " ".join(text.split())


def test_shards_are_jobs_that_are_run_again_only_where_something_is_left(model, request_of, ran, tmp_path):
    shown = []
    outcome = predict_in_jobs(request_of(masks=True), 3, ExecutorSettings(), shown.append)
    assert (outcome.studies, outcome.failed) == (7, 0)
    assert [command[command.index("--shard") + 1] for command in ran] == ["1/3", "2/3", "3/3"]
    assert len(studies_in(tmp_path / "out")) == 7
    ran.clear()
    write_png16(drawn(), tmp_path / "tree" / "new.png")
    assert predict_in_jobs(request_of(masks=True), 3, ExecutorSettings(), shown.append).studies == 1
    assert len(ran) == 1
    assert Shard.of(ran[0][ran[0].index("--shard") + 1]).holds("new.png")
    assert predict_in_jobs(request_of(masks=True), 3, ExecutorSettings(), shown.append).studies == 0


def test_status_tells_of_shards_by_whomever_they_are_run(model, request_of, ran, tmp_path):
    (tmp_path / "tree/damaged.png").write_bytes(b"\x89PNG and no more")
    outcome = predict_in_jobs(request_of(), 2, ExecutorSettings(), lambda line: None)
    assert (outcome.studies, outcome.failed) == (7, 1)
    told = CliRunner().invoke(app, ["status", str(tmp_path / "out")])
    assert told.exit_code == 1
    assert {"1 done", "1 done in part"} <= set(re.findall(r"\d done(?: in part)?", unwrapped(told.output)))
    shards = shards_in(tmp_path / "out")
    assert sorted(map(str, shards)) == ["done", "done, 1 study failed"]
    (failed,) = (shard for shard in shards if shard.failed)
    assert failed.note.startswith(f"failed-{failed.job[6]}-of-2.csv tells why")
    (tmp_path / "tree/damaged.png").unlink()
    predict_in_jobs(request_of(), 2, ExecutorSettings(), lambda line: None)
    with as_job(request_of(shard=Shard(2, 2))):
        assert Record.read(tmp_path / "out/jobs/shard-2-of-2.json").state == "running"
    told = CliRunner().invoke(app, ["status", str(tmp_path / "out")])
    assert (told.exit_code, list(map(str, shards_in(tmp_path / "out")))) == (0, ["done", "done"])


def test_names_that_are_no_utf_8_are_answered_once_and_can_be_read(model, request_of, ran, tmp_path):
    request = request_of()
    write_png16(drawn(), tmp_path / "tree" / os.fsdecode(b"\xe9.png"))
    (tmp_path / "tree" / os.fsdecode(b"\xfc.png")).write_bytes(b"\x89PNG and no more")
    outcome = predict_in_jobs(request, 2, ExecutorSettings(), lambda line: None)
    assert (outcome.studies, outcome.failed) == (8, 1)
    assert "file:%E9.png" in studies_in(tmp_path / "out")
    files = pd.concat(map(pd.read_csv, (tmp_path / "out").glob("parts/*/sources.csv")))["file"]
    assert all(Path(as_path(file)).is_file() for file in files)
    failed = pd.concat(map(pd.read_csv, (tmp_path / "out").glob("failed*.csv")))
    assert failed["source"].tolist() == ["file:%FC.png"]
    assert Path(as_path(failed["path"].item())).is_file()
    (tmp_path / "tree" / os.fsdecode(b"\xfc.png")).unlink()
    ran.clear()
    assert predict_in_jobs(request, 2, ExecutorSettings(), lambda line: None).studies == 0
    assert ran == []


def test_answers_of_which_no_shard_left_a_record_are_not_done(model, request_of, tmp_path):
    begin(tmp_path / "out", request_of().about)
    told = CliRunner().invoke(app, ["status", str(tmp_path / "out")])
    assert told.exit_code == 1
    assert "nothing is answered: no shard has left a record" in str(told.exception)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"--slices": "3"}, "holds answers with slices 1 where this run has 3; give another --output"),
        ({"--studies": "nowhere"}, "nowhere"),
        ({"--output": "a_file"}, "a_file is a file; give a directory"),
        ({"--studies": "nowhere", "--output": "new"}, "nowhere"),
    ],
)
def test_what_is_refused_changes_nothing(model, request_of, ran, tmp_path, monkeypatch, more, told):
    request = request_of()
    predict_in_jobs(request, 1, ExecutorSettings(), lambda line: None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a_file").touch()
    words = {"--studies": request.studies, "--output": str(request.output)} | more
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    command = ["predict", str(request.model), *(word for pair in words.items() for word in pair)]
    for jobs in ([], ["--executor", "local", "--shards", "1"]):
        refused = CliRunner().invoke(app, [*command, *jobs])
        assert told in str(refused.exception)
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert [str(shard) for shard in shards_in(request.output)] == ["done"]


def test_a_shard_that_fails_says_why_in_its_record(request_of, tmp_path):
    with pytest.raises(SpineError), as_job(request_of()):
        raise SpineError("the disk is gone")
    record = Record.read(job_of(request_of()).record)
    assert (record.state, record.why, record.name) == ("failed", "the disk is gone", "shard 1 of 1")


def test_a_shard_that_ran_out_of_memory_is_run_again_with_half_its_batch(model, request_of, ran, monkeypatch, tmp_path):
    run_child, statuses = work.run_child, [NO_MEMORY]
    monkeypatch.setattr(
        work, "run_child", lambda *given, **own: statuses.pop() if statuses else run_child(*given, **own)
    )
    settings = ExecutorSettings(smaller_batch=True)
    assert predict_in_jobs(request_of(batch=4), 1, settings, lambda line: None).studies == 7
    assert ran[0][-2:] == ["--batch", "2"]
    assert max(map(len, model.asked)) == 2


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (-9, "shard 1 of 1 was killed by signal 9"),
        (3, r"shard 1 of 1 failed \(see above\); run the same command again"),
    ],
)
def test_jobs_that_did_not_come_to_their_ends_are_named(model, request_of, monkeypatch, tmp_path, status, why):
    monkeypatch.setattr(work, "run_child", lambda *_, **__: status)
    monkeypatch.setattr(run, "LOOK_EVERY", 0.005)
    with pytest.raises(SpineError, match=f"0 of 7 studies answered, and {why}"):
        predict_in_jobs(request_of(), 1, ExecutorSettings(retries=0), lambda line: None)
    assert [str(shard) for shard in shards_in(tmp_path / "out")] == ["failed"]


def test_a_store_for_workers_without_this_disk_is_refused(request_of):
    settings = ExecutorSettings(kind="ray", store="file:///store")
    with pytest.raises(SpineError, match="on a disk that all nodes see"):
        predict_in_jobs(request_of(), 2, settings, lambda line: None)


def test_the_command_refuses_a_shard_of_shards(model, request_of, tmp_path):
    command = ["predict", str(tmp_path / "bulk"), "--studies", str(tmp_path / "tree"), "-o", str(tmp_path / "out")]
    request_of()
    told = CliRunner().invoke(app, [*command, "--executor", "local", "--shard", "1/2"])
    assert "give --shard for what is run here" in str(told.exception)
    told = CliRunner().invoke(app, [*command, "--shards", "2"])
    assert "name what runs them by --executor, or give --shard I/2" in str(told.exception)
    told = CliRunner().invoke(app, [*command, "executor.gpu=1", "--executor", "local"])
    assert "executor" in str(told.exception)
    assert "gpu" in str(told.exception)


@pytest.mark.slow
def test_a_ray_cluster_gives_the_rows_of_this_machine(tmp_path, request_of, ray):
    from pipeline.bulk.predict import predict
    from tests.case_on_disk import GRADES, MeanGrey
    from tests.case_on_disk import write_member as write_real_member

    grey = write_real_member(tmp_path / "grey", "classification", GRADES, MeanGrey(1.0))
    on_ray = request_of(model=grey, output=tmp_path / "on_ray")
    outcome = predict_in_jobs(on_ray, 2, ExecutorSettings(kind="ray", cpus=1), lambda line: None)
    assert (outcome.studies, outcome.failed) == (7, 0)
    assert not ray.is_initialized()
    predict(request_of(model=grey), lambda line: None)
    tables = [
        pd.concat(map(pd.read_parquet, (tmp_path / name).glob("parts/*/findings.parquet"))).sort_values("study")
        for name in ("on_ray", "out")
    ]
    pd.testing.assert_frame_equal(*(table.reset_index(drop=True) for table in tables), atol=1e-6)
