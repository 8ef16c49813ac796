import os
import shutil

import pytest

from spine.files import DEAD_AFTER, atomic_directory, atomic_file, fingerprint, hash_directory, read_json, write_json


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
