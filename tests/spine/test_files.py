import pytest

from spine.files import atomic_directory, atomic_file, fingerprint, hash_directory, read_json, write_json


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
