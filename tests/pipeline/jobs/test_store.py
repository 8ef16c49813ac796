"""What travels between machines without a common disk comes whole, or counts as not there."""

import json

import pytest

from pipeline.jobs.store import Lost, Store
from spine.core.problems import SpineError
from spine.experiment.executor import ExecutorSettings


@pytest.fixture
def store(tmp_path):
    return Store(f"file://{tmp_path / 'far'}")


@pytest.fixture
def tree(tmp_path):
    folder = tmp_path / "here"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("one")
    (folder / "deep" / ".b").write_bytes(bytes(range(256)))
    return folder


def test_files_and_directories_come_back_as_they_were(store, tree, tmp_path):
    assert not store.has("name")
    store.put({"x": tree, "only.txt": tree / "a.txt"}, "name")
    assert store.has("name")
    store.get("name", tmp_path / "back")
    found = {
        path.relative_to(tmp_path / "back").as_posix() for path in (tmp_path / "back").rglob("*") if path.is_file()
    }
    assert found == {"x/a.txt", "x/deep/.b", "only.txt"}
    assert (tmp_path / "back" / "x" / "deep" / ".b").read_bytes() == bytes(range(256))
    store.remove("name")
    assert not store.has("name")
    assert list((tmp_path / "far").rglob("*.txt")) == []


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda far: (far / "name.json").unlink(), "name is not whole"),
        (lambda far: (far / "name.json").write_text('{"x/a.t'), "name is not whole"),
        (lambda far: (far / "name" / "x" / "a.txt").unlink(), "x/a.txt of name is not there"),
        (lambda far: (far / "name" / "x" / "a.txt").write_text("two"), "x/a.txt of name is not as it was put"),
        (
            lambda far: (far / "name.json").write_text(json.dumps({"../../evil": {"bytes": 1, "sha256": ""}})),
            "lies outside",
        ),
    ],
)
def test_what_is_not_whole_is_lost(store, tree, tmp_path, damage, told):
    store.put({"x": tree}, "name")
    damage(tmp_path / "far")
    with pytest.raises(Lost, match=told):
        store.get("name", tmp_path / "back")


def test_a_store_that_cannot_be_opened_is_told():
    with pytest.raises(SpineError, match=r"executor.store is nowhere://x, which cannot be opened: .*nowhere"):
        Store("nowhere://x")


def test_a_store_is_of_ray():
    assert ExecutorSettings(kind="local", store="s3://bucket").store
    with pytest.raises(ValueError, match="store is of ray"):
        ExecutorSettings(kind="slurm", store="s3://bucket")


def test_secrets_do_not_stand_in_an_experiment():
    assert ExecutorSettings(store="s3://bucket/runs@2").store == "s3://bucket/runs@2"
    with pytest.raises(ValueError, match="leave them to the environment"):
        ExecutorSettings(store="s3://user:password@bucket/runs")
