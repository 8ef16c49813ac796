"""`spine status` of runs as they lie on disk."""

import os
import time

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.jobs.job import SEE_ABOVE, SILENT_AFTER, Record
from pipeline.jobs.status import Standing, counted, standings
from spine.core.writers import writer
from tests.experiment_on_disk import write_experiment


@pytest.fixture
def experiment(tmp_path):
    """Members `done` and `open`, of which only the first is published."""
    experiment = write_experiment(tmp_path, members=("done", "open"))
    (experiment.member_directory("open") / "member.json").unlink()
    return experiment


def record_in(experiment, record: Record, age: float = 0.0) -> None:
    file = experiment.directory / "jobs" / "train-open.json"
    record.now(record.state).write(file)
    os.utime(file, (time.time() - age,) * 2)


def test_without_records_the_members_tell(experiment):
    assert [(one.job, one.state) for one in standings(experiment)] == [
        ("train done", "done"),
        ("train open", "not begun"),
    ]
    assert counted(standings(experiment)) == {"done": 1, "not begun": 1}


def test_what_passed_something_over_is_counted_by_itself():
    jobs = [Standing("0-of-2", "done"), Standing("1-of-2", "done", failed="3 studies")]
    assert counted(jobs) == {"done": 1, "done in part": 1}


def test_a_training_with_other_settings_is_told(experiment):
    seed = experiment.seed
    experiment.write(experiment.member_directory("done") / "config.yaml")
    done, _ = standings(experiment.model_copy(update={"seed": seed + 1}))
    assert done.state == "done"
    assert done.note == f"was trained with seed {seed} (the experiment says {seed + 1})"
    assert standings(experiment)[0].note == ""


@pytest.mark.parametrize(
    ("record", "age", "state", "note"),
    [
        (Record("train open", "waiting"), 0, "waiting", ""),
        (Record("train open", "running", writer=writer()), 10**6, "running", ""),  # this process, however silent
        (Record("train open", "running", writer="0badf00d-7"), 5, "running", ""),
        (
            Record("train open", "running", 2, writer="0badf00d-7"),
            SILENT_AFTER + 5,
            "lost",
            "attempt 2; its process is gone",
        ),
        (Record("train open", "failed", status=3, why="no such thing"), 0, "failed", "no such thing"),
        (Record("train open", "failed", status=143, why="was stopped"), 0, "stopped", "was stopped"),
        (Record("train open", "failed", status=1, why=SEE_ABOVE), 0, "failed", "what it said is on the terminal"),
        (Record("train open", "done"), 0, "lost", "it ended well, and its member is gone"),
    ],
)
def test_a_record_tells_how_a_job_stands(experiment, record, age, state, note):
    record_in(experiment, record, age)
    _, found = standings(experiment)
    assert found.state == state
    assert found.note.startswith(note)


def test_the_command_shows_a_run_and_ends_by_whether_all_is_done(experiment):
    experiment.write(experiment.directory / "experiment.yaml")
    record_in(experiment, Record("train open", "failed", host="node[7]", status=3, why="no such thing"))
    shown = CliRunner().invoke(app, ["status", str(experiment.directory)])
    assert shown.exit_code == 1
    assert "1 done, 1 failed" in shown.stdout
    assert "node[7]" in shown.stdout
    (experiment.directory / "jobs" / "train-open.json").unlink()
    experiment.model_copy(update={"members": {"done": experiment.members["done"]}}).write(
        experiment.directory / "experiment.yaml"
    )
    assert CliRunner().invoke(app, ["status", str(experiment.directory)]).exit_code == 0
