import subprocess
import sys

import pytest

from spine.core.problems import SpineError
from spine.core.strict import Strict, validate
from spine.training.augment import PRESETS, Augmentation


class Member(Strict):
    augmentation: Augmentation = Augmentation()


def test_number_is_both_directions_and_pair_is_low_to_high():
    settings = Augmentation.model_validate({"rotation": 30, "brightness": [0.1, 0.5], "horizontal_flip": True})
    assert settings.rotation == (-30, 30)
    assert settings.brightness == (0.1, 0.5)
    assert settings.horizontal_flip == 0.5


def test_shift_is_both_axes_unless_one_is_given():
    settings = Augmentation.model_validate({"shift": 0.2, "vertical_shift": [0, 0]})
    assert settings.shifts == ((0, 0), (-0.2, 0.2))


def test_preset_by_name_is_the_papers_set():
    settings = validate(Member, {"augmentation": "sayed2025"}, "member").augmentation
    assert settings == PRESETS["sayed2025"]
    assert settings.rotation == (-30, 30)
    assert settings.shifts == ((0, 0), (-0.2, 0.2))
    assert settings.fill == "nearest"


def test_values_beside_a_preset_replace_its_own():
    settings = validate(Member, {"augmentation": {"preset": "mr", "rotation": 5, "mixup": 0.2}}, "member").augmentation
    assert settings == PRESETS["mr"].model_copy(update={"rotation": (-5.0, 5.0), "mixup": 0.2})


def test_presets_of_modalities_flip_only_where_such_pictures_exist_and_bend_none():
    assert {name: PRESETS[name].horizontal_flip for name in ("mr", "ct", "x-ray")} == {"mr": 0, "ct": 0, "x-ray": 0.5}
    assert not any(PRESETS[name].vertical_flip or PRESETS[name].elastic for name in ("mr", "ct", "x-ray"))
    assert PRESETS["mr"].bias_field > 0 == PRESETS["ct"].bias_field == PRESETS["x-ray"].bias_field


def test_settings_survive_a_round_trip():
    for preset in PRESETS.values():
        assert Augmentation.model_validate(preset.model_dump(mode="json")) == preset


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("sayed", "none, sayed2025, sayed2025-detector, ma2020, mr, ct, x-ray"),
        ({"preset": "mri", "rotation": 3}, "'mri' is not known; .* mr, ct, x-ray"),
        ({"preset": ["mr"]}, "is not known"),
        ({"preset": "mr", "rotate": 3}, "known ones are rotation, zoom"),
        ({"rotate": 3}, "known ones are rotation, zoom"),
        ({"rotation": [3, -3]}, "low <= high"),
        ({"zoom": -1.5}, "zoom goes down to -1.5"),
        ({"fill": "black"}, "nearest"),
        ({"horizontal_flip": 1.5}, "horizontal_flip: is 1.5; it has to be 0 to 1"),
    ],
)
def test_wrong_settings_say_what_holds(raw, message):
    with pytest.raises(SpineError, match=message):
        validate(Member, {"augmentation": raw}, "member")


def test_moves_only_where_something_moves():
    assert not Augmentation.model_validate({"brightness": 0.5}).moves
    assert Augmentation.model_validate({"vertical_shift": 0.1}).moves


def test_settings_import_no_tensorflow():
    code = "import sys, spine.training.augment; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
