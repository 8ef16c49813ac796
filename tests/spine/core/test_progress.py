"""Bars are for a person who watches: in a log they leave nothing, not even an empty line."""

from spine.core.progress import bar, track


def test_no_bar_in_a_log(capfd):
    assert list(track([1, 2], "search")) == [1, 2]
    assert list(track([3], "search", shown=False)) == [3]
    with bar("search", 2) as show:
        show(1)
    assert capfd.readouterr() == ("", "")
