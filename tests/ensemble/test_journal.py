"""A journal file after what happens to files: what was cut off is left out with a word, and the search goes on."""

import json
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from ensemble.record import storage
from ensemble.record.journal import WholeRecords
from ensemble.search import search_weights
from spine.core.problems import SpineError


def search(path, trials=12):
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, 30)
    powers = np.exp(np.eye(2)[truth] + random.normal(0, 1, (2, 30, 2)))
    members = dict(zip("ab", powers / powers.sum(axis=2, keepdims=True), strict=True))
    url = f"journal:///{path}"
    return search_weights(
        members, truth, metric="log_loss", method="tpe", trials=trials, storage=url, study_name="s", step=0.1
    )


@pytest.fixture
def whole(tmp_path) -> Path:
    path = tmp_path / "study.log"
    search(path)
    return path


def records(path):
    return list(WholeRecords(path, nullcontext()).read_logs(0))


@pytest.mark.parametrize("bytes_lost", [1, 2, 5, 20, 60])
def test_a_cut_last_line_is_left_out_and_the_search_goes_on(whole, capsys, bytes_lost):
    content = whole.read_bytes()
    whole.write_bytes(content[:-bytes_lost])
    found = search(whole, 16)
    assert "a record was cut off (line" in capsys.readouterr().err
    assert found.evaluated >= 12
    assert search(whole, 16) == found  # and can be opened again, with nothing left to do


def test_a_line_cut_in_the_middle_and_whole_ones_behind_it(whole, capsys):
    lines = whole.read_bytes().splitlines(keepends=True)
    lines[-4] = lines[-4][:25] + b"\n"
    whole.write_bytes(b"".join(lines))
    assert len(records(whole)) == len(lines) - 1
    assert f"(line {len(lines) - 3})" in capsys.readouterr().err
    search(whole, 16)


def test_a_whole_record_behind_a_cut_one_in_the_same_line_is_read(whole):
    lines = whole.read_bytes().splitlines(keepends=True)
    last = json.loads(lines[-1])
    whole.write_bytes(b"".join(lines[:-1]) + lines[-2][:30] + lines[-1])
    assert records(whole)[-1] == last
    assert len(records(whole)) == len(lines)


def test_what_another_process_writes_now_counts_when_its_line_ends(whole):
    backend = WholeRecords(whole, nullcontext())
    known = len(list(backend.read_logs(0)))
    line = json.dumps({"op_code": 2, "worker_id": "w", "study_id": 0, "user_attr": {"x": 1}}).encode()
    with whole.open("ab") as stream:
        stream.write(line[:10])
    assert list(backend.read_logs(known)) == []
    with whole.open("ab") as stream:
        stream.write(line[10:] + b"\n")
    assert [one["op_code"] for one in backend.read_logs(known)] == [2]


@pytest.mark.parametrize("damage", [b"\x00\xff\xfe\n", b"{}\n", b"[1, 2]\n", b"\n", b'"text"\n', b"[" * 5000 + b"\n"])
def test_other_bytes_between_records_are_passed_over(whole, damage):
    lines = whole.read_bytes().splitlines(keepends=True)
    whole.write_bytes(b"".join(lines[:-2]) + damage + b"".join(lines[-2:]))
    assert len(records(whole)) == len(lines)


def test_every_single_lost_line_leaves_a_study_that_opens(whole):
    lines = whole.read_bytes().splitlines(keepends=True)
    for number in range(1, len(lines)):
        whole.write_bytes(b"".join([*lines[:number], lines[number][:20] + b"\n", *lines[number + 1 :]]))
        search(whole, 12)


@pytest.mark.parametrize("content", [b"", b"\n", b'{"op_co', b'{"op_code":0,"worker_id":"a","study_na'])
def test_a_file_without_any_record_begins_anew(tmp_path, content):
    path = tmp_path / "study.log"
    path.write_bytes(content)
    assert search(path).evaluated


@pytest.mark.parametrize("content", [b"a letter to somebody\n", b"\x89PNG\r\n\x1a\n\x00\x00", b"name: experiment\n"])
def test_another_file_is_not_written_to(tmp_path, content):
    path = tmp_path / "study.log"
    path.write_bytes(content)
    with pytest.raises(SpineError, match="is no Optuna journal"):
        search(path)
    assert path.read_bytes() == content


def test_a_lock_left_behind_is_taken_away_of_a_relative_path_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(storage, "GRACE", 3)
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "study.log.lock").symlink_to(tmp_path / "below" / "study.log")
    search("below/study.log", 4)
