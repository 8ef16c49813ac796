"""The name that was meant."""

import pytest

from spine.core.near_names import did_you_mean


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
