"""Where the record of a search may be kept, and several processes that search one study."""

import multiprocessing
import os
import shutil
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import optuna
import pytest

from ensemble.record import storage as storages
from ensemble.record.storage import open_storage
from ensemble.record.study import Record
from ensemble.search import search_weights
from spine.core.problems import SpineError

TRIALS = 24
FORKS = multiprocessing.get_context("forkserver")  # of one process that has imported what a search needs
FORKS.set_forkserver_preload(["ensemble.search", "ensemble.record.study", "optuna", "pytest"])


def problem():
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 40)
    powers = np.exp(np.eye(3)[truth] + random.normal(0, 1, (3, 40, 3)))
    return dict(zip("abc", powers / powers.sum(axis=2, keepdims=True), strict=True)), truth


def search(url, method):
    return search_weights(
        *problem(), metric="log_loss", method=method, trials=TRIALS, storage=url, study_name="shared", step=0.1
    )


def take_part(told, url, method, stop_after, ready, others):
    """What a process runs: it waits for the others, searches with them, and tells how many trials were its."""
    tried, own = Record._try, 0

    def slowly(*arguments):
        nonlocal own
        own += 1
        if own == stop_after:
            os._exit(9)  # as if the machine went away: the trial stays as it is
        time.sleep(0.02)
        return tried(*arguments)

    Record._try = slowly
    ready.touch()
    while not all(other.exists() for other in others):
        time.sleep(0.01)
    search(url, method)
    told.send(own)


def start(url, method, ready, *others, stop_after=0):
    """A process that takes part, and where it tells how many trials were its."""
    here, there = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=take_part, args=(there, url, method, stop_after, ready, others))
    process.start()
    there.close()
    return process, here


def trials_of(url):
    """The trials of the shared study; a connection to a database is closed after."""
    storage = open_storage(url)
    if not isinstance(storage, str):
        return optuna.load_study(study_name="shared", storage=storage).trials
    database = optuna.storages.RDBStorage(storage)
    try:
        return optuna.load_study(study_name="shared", storage=database).trials
    finally:
        database.remove_session()
        database.engine.dispose()


def states(url):
    return [trial.state.name for trial in trials_of(url)]


def two_processes_share_one_study(url, method, tmp_path):
    files = [tmp_path / name for name in ("first", "second")]
    started = [start(url, method, file, *files) for file in files]
    for process, _ in started:
        process.join(timeout=300)
    assert [process.exitcode for process, _ in started] == [0, 0]
    own = [told.recv() for _, told in started]
    assert min(own) > 2  # both took part
    assert states(url).count("COMPLETE") == sum(own)
    assert TRIALS <= sum(own) <= TRIALS + 1
    drawn = [tuple(trial.params.values()) for trial in trials_of(url) if "fixed_params" not in trial.system_attrs]
    assert len(set(drawn)) == len(drawn)  # each process draws points of its own


@pytest.fixture
def journal(tmp_path):
    return f"journal:///{tmp_path / 'study.log'}"


@pytest.mark.parametrize("method", ["tpe", "cmaes"])
def test_two_processes_share_one_study_in_a_journal_file(journal, method, tmp_path):
    two_processes_share_one_study(journal, method, tmp_path)


def test_a_process_that_was_lost_is_replaced(journal, tmp_path):
    lost, _ = start(journal, "tpe", tmp_path / "ready", stop_after=6)
    lost.join(timeout=300)
    assert lost.exitcode == 9
    assert states(journal).count("COMPLETE") == 5
    found = search(journal, "tpe")
    assert states(journal).count("COMPLETE") == TRIALS
    assert found.score <= found.equal
    assert search(journal, "tpe") == found  # and nothing is left to do


def test_a_journal_gives_what_memory_gives(journal):
    assert search(journal, "tpe") == search(None, "tpe")


def test_a_relative_journal_lies_in_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    search("journal:///study.log", "tpe")
    assert (tmp_path / "study.log").exists()


def test_a_journal_in_no_directory_is_told():
    with pytest.raises(SpineError, match="cannot be opened"):
        search("journal:////nowhere/at/all/study.log", "tpe")


def test_the_driver_of_postgresql_is_found(monkeypatch):
    drivers = {"psycopg"}
    monkeypatch.setattr(storages, "find_spec", lambda name: name in drivers or None)
    assert open_storage("postgresql://me@host/base") == "postgresql+psycopg://me@host/base"
    drivers.add("psycopg2")
    assert open_storage("postgresql://me@host/base") == "postgresql://me@host/base"
    drivers.clear()
    with pytest.raises(SpineError, match=r"needs psycopg; install it .* '\.\[postgres\]'"):
        search("postgresql://me@host/base", "tpe")


@pytest.fixture(scope="module")
def postgresql():
    """The URL of a server of our own on a socket in a new directory; it refuses to run as root."""
    if not find_spec("psycopg") and not find_spec("psycopg2"):
        pytest.skip("no driver of PostgreSQL: pip install -e '.[postgres]'")
    found = [shutil.which("initdb"), *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")))]
    if not any(found):
        pytest.skip("PostgreSQL is not installed: initdb was not found")
    binaries = Path(next(filter(None, found))).resolve().parent
    home = Path(tempfile.mkdtemp())
    user = []
    if os.geteuid() == 0:
        if subprocess.run(["id", "postgres"], capture_output=True).returncode or not shutil.which("runuser"):
            pytest.skip("PostgreSQL refuses to run as root, and there is no user postgres to run it as")
        shutil.chown(home, "postgres")
        user = ["runuser", "-u", "postgres", "--"]

    def call(name, *arguments):
        subprocess.run(
            [*user, binaries / name, "-D", home / "data", *arguments], check=True, cwd=home, capture_output=True
        )

    call("initdb", "-U", "postgres", "--auth=trust", "--no-sync")
    call("pg_ctl", "-w", "-l", home / "log", "-o", f"-k {home} -h '' -F", "start")
    try:
        yield f"postgresql://postgres@/postgres?host={home}"
    finally:
        call("pg_ctl", "-w", "-m", "immediate", "stop")
        shutil.rmtree(home)


def test_two_processes_share_one_study_in_postgresql(postgresql, tmp_path):
    two_processes_share_one_study(postgresql, "cmaes", tmp_path)
