import errno
from pathlib import Path

import pandas as pd
import pytest

from spine.core.problems import Problem, SpineError, one_file, print_problems, verdict, write_problems, write_sheet


def test_a_path_is_printed_whole_however_narrow_the_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    path = "/data/" + "series/" * 20 + "[red].dcm"
    print_problems([Problem(path, "is empty", "copy it again")])
    cells = [line.split("│")[2].strip() for line in capsys.readouterr().out.splitlines() if line.count("│") == 5]
    assert "".join(cells) == path


def test_nothing_is_printed_where_nothing_is_wrong(capsys):
    print_problems([])
    assert capsys.readouterr().out == ""


def test_no_problems_are_an_empty_table(tmp_path):
    write_problems([], tmp_path / "new" / "problems.csv")
    assert (tmp_path / "new" / "problems.csv").read_text().strip() == "path,reason,advice,severity"


@pytest.mark.parametrize("path", [Path("/data/a.png"), Path("/data/Doe; Jane/a.png")])
def test_an_error_of_a_file_is_parted_into_reason_and_advice(path):
    problem = Problem.from_error(SpineError(f"{path} is empty (0 bytes); copy it again"), path)
    assert problem == Problem(str(path), "is empty (0 bytes)", "copy it again", "error")
    assert Problem.from_error(SpineError(f"{path}: no pixels"), path).reason == "no pixels"


@pytest.mark.parametrize(
    ("severities", "words"),
    [("", "no problems"), ("e", "1 error"), ("ww", "2 warnings"), ("wewe", "2 errors, 2 warnings")],
)
def test_a_verdict_counts_by_severity(severities, words):
    kinds = {"e": "error", "w": "warning"}
    assert verdict(Problem("a", "b", "c", kinds[letter]) for letter in severities) == words


def test_whatever_reading_one_file_raises_names_the_file():
    told = r"^a/b.dcm cannot be read \(ValueError: no, such value\); copy it again"
    with pytest.raises(SpineError, match=told), one_file("a/b.dcm"):
        raise ValueError("no; such\nvalue")
    with pytest.raises(SpineError, match=r"^as it was$"), one_file("a/b.dcm"):
        raise SpineError("as it was")


def test_a_full_disk_is_no_fault_of_the_file_that_is_read():
    with pytest.raises(OSError, match="No space left"), one_file("a/b.dcm"):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_what_a_terminal_or_a_spreadsheet_would_run_is_shown(tmp_path, capsys):
    name = "=cmd()\x1b[31m\udce9.png"
    write_problems([Problem(name, "is bad", "fix it")], tmp_path / "problems.csv")
    assert "'=cmd()\\x1b[31m\\udce9.png" in (tmp_path / "problems.csv").read_text()
    print_problems([Problem(name, "is bad", "fix it")])
    assert "\\x1b[31m\\udce9" in capsys.readouterr().out


def test_a_sheet_for_people_runs_nothing(tmp_path):
    table = pd.DataFrame({"=name": ["=1+1", "+a", "-b", "@c", "plain", "\x1b[31m"], "n": [-1.5, 2, 3, 4, 5, 6]})
    write_sheet(table, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().splitlines() == [
        "'=name,n",
        *("'=1+1,-1.5", "'+a,2.0", "'-b,3.0", "'@c,4.0", "plain,5.0", "\\x1b[31m,6.0"),
    ]
    write_sheet(table.set_index("=name"), tmp_path / "b.csv", index_label="name")
    assert (tmp_path / "b.csv").read_text().splitlines()[:2] == ["name,n", "'=1+1,-1.5"]
