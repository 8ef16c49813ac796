import os
import shutil
import subprocess
import sys
from threading import Thread

import pytest

from spine.core.files import (
    DEAD_AFTER,
    atomic_directory,
    atomic_file,
    fingerprint,
    hash_directory,
    read_json,
    remove_directory,
    remove_leftovers,
    walk,
    write_json,
)
from spine.core.problems import lost_in


def test_a_file_appears_only_when_complete(tmp_path):
    path = tmp_path / "a" / "x.txt"
    with pytest.raises(RuntimeError), atomic_file(path) as temporary:
        raise RuntimeError(temporary.write_text("half"))
    assert list(path.parent.iterdir()) == []
    with atomic_file(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"


def test_a_directory_takes_the_old_ones_place_only_when_complete(tmp_path):
    path = tmp_path / "d"
    for content in ("old", "new"):
        with atomic_directory(path) as temporary:
            (temporary / "x").write_text(content)
    assert (path / "x").read_text() == "new"
    with pytest.raises(RuntimeError), atomic_directory(path) as temporary:
        raise RuntimeError
    assert (path / "x").read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["d"]


def test_json_round_trip_refuses_nan(tmp_path):
    write_json({"a": [1, None]}, tmp_path / "x.json")
    assert read_json(tmp_path / "x.json") == {"a": [1, None]}
    with pytest.raises(ValueError):
        write_json({"a": float("nan")}, tmp_path / "x.json")
    assert read_json(tmp_path / "x.json") == {"a": [1, None]}


def test_fingerprints_follow_content_not_order_of_keys(tmp_path):
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1}) != fingerprint({"a": 2, "b": 1})
    (tmp_path / "x").write_text("1")
    first = hash_directory(tmp_path)
    (tmp_path / "x").rename(tmp_path / "y")
    assert hash_directory(tmp_path) != first


def test_a_directory_is_never_seen_half_deleted(tmp_path, monkeypatch):
    path = tmp_path / "d"
    with atomic_directory(path) as temporary:
        (temporary / "x").write_text("old")
    seen = []
    monkeypatch.setattr(shutil, "rmtree", lambda removed, **_: seen.append(removed))
    with atomic_directory(path) as temporary:
        (temporary / "x").write_text("new")
    assert path not in seen
    assert (path / "x").read_text() == "new"


@pytest.mark.parametrize(("age", "kept"), [(DEAD_AFTER + 60, False), (60, True)])
def test_what_a_killed_process_left_is_removed_once_it_is_surely_dead(tmp_path, age, kept):
    left = [tmp_path / ".d.4711.tmp", tmp_path / ".x.json.4711.tmp"]
    left[0].mkdir()
    left[1].touch()
    before = left[0].stat().st_mtime - age
    for one in left:
        os.utime(one, (before, before))
    with atomic_directory(tmp_path / "d"):
        pass
    write_json(1, tmp_path / "x.json")
    assert [one.exists() for one in left] == [kept, kept]


def _touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)


def _names(tree, root):
    return [path.relative_to(root).as_posix() for path in tree.files]


def test_a_walk_is_sorted_and_passes_over_what_is_hidden(tmp_path):
    _touch(*(tmp_path / name for name in ("b/x", "a/y", "a.b", ".c", ".d/z", "b/.e")))
    assert _names(walk(tmp_path), tmp_path) == ["a/y", "a.b", "b/x"]
    assert _names(walk(tmp_path, hidden=True), tmp_path) == [".c", ".d/z", "a/y", "a.b", "b/.e", "b/x"]
    assert walk(tmp_path / "a.b").files == (tmp_path / "a.b",)
    assert walk(tmp_path / "none").files == ()


def test_a_walk_follows_links_to_folders_and_files_and_enters_each_folder_once(tmp_path):
    root = tmp_path / "root"
    _touch(root / "p1" / "x", tmp_path / "elsewhere" / "p2" / "y", tmp_path / "elsewhere" / "z")
    (root / "p2").symlink_to(tmp_path / "elsewhere" / "p2")
    (root / "z").symlink_to(tmp_path / "elsewhere" / "z")
    (root / "p1" / "up").symlink_to(root)  # round and round
    (root / "again").symlink_to(root / "p1")  # there already, and sorted before it
    (tmp_path / "elsewhere" / "p2" / "back").symlink_to(root)
    tree = walk(root)
    assert _names(tree, root) == ["p1/x", "p2/y", "z"]
    assert tree.again[root / "again"] == root / "p1"
    assert tree.lost == {}
    assert [(p.path, p.severity) for p in lost_in(tree)] == [(str(root / "again"), "warning")]


def test_a_walk_from_a_link_keeps_its_name(tmp_path):
    _touch(tmp_path / "real" / "x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert walk(tmp_path / "link").files == (tmp_path / "link" / "x",)


def test_what_a_walk_cannot_read_is_told(tmp_path):
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    os.mkfifo(tmp_path / "pipe")
    tree = walk(tmp_path)
    assert tree.files == ()
    assert {path.name: reason for path, reason in tree.lost.items()} == {
        "gone": "is a link that leads nowhere",
        "self": "is a link that leads nowhere",
        "pipe": "is no file and no folder, but a pipe, a socket or a device",
    }
    assert [problem.severity for problem in lost_in(tree)] == ["error"] * 3


def test_a_walk_as_deep_as_a_path_can_be(tmp_path):
    folder = tmp_path.joinpath(*["d" * 20] * 100)
    _touch(folder / "x")
    assert walk(tmp_path).files == (folder / "x",)


def test_leftovers_are_removed_at_once_where_nobody_else_writes(tmp_path):
    (tmp_path / ".d.123.tmp").mkdir()
    (tmp_path / ".other.123.tmp").mkdir()
    remove_leftovers(tmp_path / "d")
    assert (tmp_path / ".d.123.tmp").exists()
    remove_leftovers(tmp_path / "d", older_than=0)
    assert [path.name for path in tmp_path.iterdir()] == [".other.123.tmp"]


LEAVE = """
import os, sys
from pathlib import Path
from spine.core.files import atomic_directory, atomic_file
path = Path(sys.argv[1])
with atomic_directory(path / "d") as directory, atomic_file(path / "x.json") as file:
    (directory / "half").write_text("half")
    file.write_text("half")
    os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_of_this_machine_left_is_removed_by_the_next_writer(tmp_path):
    killed = subprocess.run([sys.executable, "-c", LEAVE, str(tmp_path)], check=False)
    assert killed.returncode == -9
    assert len(list(tmp_path.glob(".*.tmp"))) == 3  # of a directory the new one and the place for the old one
    with atomic_directory(tmp_path / "d"):
        pass
    write_json(1, tmp_path / "x.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "x.json"]


def test_what_another_writer_is_at_work_on_is_left_alone(tmp_path):
    with atomic_directory(tmp_path / "d") as first, atomic_file(tmp_path / "x.json") as file:
        file.touch()
        with atomic_directory(tmp_path / "d"):
            pass
        assert first.is_dir()
        assert file.exists()


def test_two_threads_of_one_process_write_a_file_each_whole(tmp_path):
    path = tmp_path / "x.json"
    longer = Thread(target=lambda: write_json({"a": "longer"}, path))
    with atomic_file(path) as file, file.open("w") as stream:
        stream.write("[1]")
        longer.start()
        longer.join()
        assert read_json(path) == {"a": "longer"}
    assert read_json(path) == [1]
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize("name", ["n" * 255, "ü" * 127, "a.b" * 85])
def test_a_name_may_be_as_long_as_names_may_be(tmp_path, name):
    write_json(1, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with atomic_directory(tmp_path / "d" / name) as directory:
        (directory / "x").touch()
    assert (tmp_path / "d" / name / "x").exists()


def test_a_directory_loses_its_name_before_it_goes(tmp_path, monkeypatch):
    (tmp_path / "d").mkdir()
    seen = []
    monkeypatch.setattr(shutil, "rmtree", lambda removed, **_: seen.append((removed, (tmp_path / "d").exists())))
    remove_directory(tmp_path / "d")
    assert [(path.name != "d", there) for path, there in seen] == [(True, False)]
