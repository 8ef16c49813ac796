"""Tables that a file or a program reads are not wrapped; those in a terminal are as wide as it is."""

import pytest
from rich.table import Table

from spine.core.wide_console import wide_console

PATH = "/data/studies/" + "a long name of a folder/" * 12 + "IM0002.dcm"


def table_of(*cells: str) -> Table:
    table = Table()
    for _ in cells:
        table.add_column(overflow="fold")
    table.add_row(*cells)
    return table


@pytest.mark.parametrize("stderr", [False, True])
def test_a_path_is_whole_where_no_terminal_shows_it(capsys, monkeypatch, stderr):
    monkeypatch.delenv("COLUMNS", raising=False)
    wide_console(stderr=stderr).print(table_of(PATH, "a reason"))
    assert PATH in capsys.readouterr()[stderr]


def test_a_width_that_is_asked_for_is_kept(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    wide_console().print(table_of(PATH, "a reason"))
    lines = capsys.readouterr().out.splitlines()
    assert PATH not in "".join(lines)
    assert max(map(len, lines)) == 60
