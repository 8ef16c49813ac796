"""What is written once is copied whole, and no test sees what another made of its copy."""

import pytest

from tests.written_once import write_once


def writer(calls):
    def write(folder):
        calls.append(folder)
        (folder / "inner").mkdir(parents=True, exist_ok=True)
        (folder / "inner" / "file.txt").write_text("as written")

    return write


def texts(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_copy_is_as_it_was_written_whatever_became_of_others(tmp_path):
    calls = []
    for name in ("first", "second"):
        write_once(tmp_path / name, writer(calls), "test_written_once", {"a": 1})
        assert texts(tmp_path / name) == {"inner/file.txt": "as written"}
        (tmp_path / name / "inner" / "file.txt").write_text("changed")
    assert len(calls) == 1


def test_other_settings_and_another_salt_are_written_anew(tmp_path, monkeypatch):
    calls = []
    write_once(tmp_path / "first", writer(calls), "anew", {"a": 1, "b": 2})
    write_once(tmp_path / "second", writer(calls), "anew", {"b": 2, "a": 1})  # an order of members is a setting too
    monkeypatch.setenv("SPINE_SALT", "another")
    write_once(tmp_path / "third", writer(calls), "anew", {"a": 1, "b": 2})
    assert len(calls) == 3


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path):
    def fail(folder):
        (folder / "half").mkdir(parents=True)
        raise ValueError("no room")

    for _ in range(2):  # the second time as the first
        with pytest.raises(ValueError, match="no room"):
            write_once(tmp_path / "folder", fail, "fails")
        assert not (tmp_path / "folder").exists()


def test_a_folder_that_holds_something_is_written_in_place(tmp_path):
    calls = []
    (tmp_path / "own.txt").write_text("own")
    write_once(tmp_path, writer(calls), "in place")
    assert calls == [tmp_path]
    assert texts(tmp_path) == {"own.txt": "own", "inner/file.txt": "as written"}
