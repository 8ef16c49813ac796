"""Bars of a paper beside ours: their lengths, their intervals, and nothing where nothing was measured."""

from ensemble.report.paper_bars import Bar, Bars, draw_bars


def test_bars_are_as_long_as_the_values():
    several = [
        Bars("tuned", (Bar(90.0), Bar(95.0)), (Bar(80.0, 70.0, 85.0), Bar())),
        Bars("frozen", (Bar(81.0), Bar()), (Bar(60.0, 50.0, 66.0), Bar())),
    ]
    figure = draw_bars("Accuracy, %", ["vgg16", "WAEM"], several)
    printed, ours = figure.axes
    assert [bar.get_width() for bar in printed.patches] == [90, 95, 81, 0]
    assert [bar.get_width() for bar in ours.patches] == [80, 0, 60, 0]
    assert [list(line.get_xdata()) for line in ours.lines] == [[70, 85], [50, 66]]
    assert [text.get_text() for text in printed.texts] == ["90.0", "95.0", "81.0"]
    assert [label.get_text() for label in printed.get_yticklabels()] == ["vgg16", "WAEM"]
    middles = [bar.get_y() + bar.get_height() / 2 for bar in printed.patches]
    assert [round(middle, 6) for middle in middles] == [-0.2, 0.8, 0.2, 1.2]  # beside each other, not over
