from spine.problems import Problem, print_problems, write_problems


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
