"""The name that was meant."""

import pytest

from spine.core.near_names import did_you_mean, near_names, unknown_name


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("vvg16", ". Did you mean 'vgg16'?"),
        ("resnet-50", ". Did you mean 'ResNet50'?"),
        ("VGG16", ". Did you mean 'vgg16'?"),
        ("unet", ""),
        ("", ""),
    ],
)
def test_the_nearest_of_the_names_is_told(name, told):
    assert did_you_mean(name, ["vgg16", "vgg19", "ResNet50"]) == told


def test_names_that_may_be_one_differ_by_capitals_or_leading_zeros():
    assert near_names(["p01", "P1", "p10", "p1", "a", "A0", "x", "100", "0100"]) == [
        ["0100", "100"],
        ["P1", "p01", "p1"],
    ]
    assert near_names(["p100", "p10", "p1"]) == []


def test_an_unknown_name_is_told_with_those_there_are():
    assert unknown_name("method", "gird", ("line", "grid")) == (
        "method 'gird' is not known; it is one of line, grid. Did you mean 'grid'?"
    )
