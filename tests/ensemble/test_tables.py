"""Tables that people open in a spreadsheet."""

import csv

import numpy as np
import pandas as pd
import pytest

from spine.core.problems import write_sheet as write_table
from tests.csv_rows import csv_rows


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2+3", "@sum(a1)", "=HYPERLINK(0)"])
def test_no_cell_and_no_heading_is_a_formula(tmp_path, text):
    write_table(pd.DataFrame({text: ["plain", text], "number": [-1.5, np.nan]}), tmp_path / "x.csv")
    rows = list(csv.reader((tmp_path / "x.csv").read_text().splitlines()))
    assert rows[0][0].startswith("'")
    assert rows[1] == ["plain", "-1.5"]  # a negative number is a number
    assert rows[2][0].startswith("'")
    assert rows[2][1] == ""


def test_what_acts_on_a_terminal_is_shown(tmp_path):
    write_table(pd.DataFrame({"name": ["\x1b[31mred", "é"]}), tmp_path / "x.csv")
    assert [row["name"] for row in csv_rows(tmp_path / "x.csv")] == ["\\x1b[31mred", "é"]
