import pytest
from pydantic import Field

from classification.config import Settings as Classifier
from detection.config import Settings as Detector
from pipeline.experiments import validate_experiment
from segmentation.config import Settings as Segmenter
from spine.core.problems import SpineError
from spine.core.strict import Strict, validate
from spine.core.yaml_files import parse_yaml
from spine.dataset.splits import SplitSettings
from spine.experiment.stages import SearchSettings
from spine.training.augment import Augmentation


class Small(Strict):
    text: str = ""
    whole: int = 0
    real: float | None = Field(default=None, gt=-1)
    truth: bool = False
    texts: tuple[str, ...] = ()
    by_name: dict[str, float] = Field(default_factory=dict)


@pytest.mark.parametrize(
    ("yaml", "told"),
    [
        ("text: no", "text: is false (as yes, no, on and off are) to YAML, where text is expected; write it in quotes"),
        ("text: 12", "text: is the number 12 to YAML, where text is expected"),
        ("texts: [yes, a]", "texts.0: is true (as yes, no, on and off are) to YAML"),
        ("texts: [a, 1.5]", "texts.1: is the number 1.5 to YAML"),
        ("by_name: {1: 2}", "by_name.1.[key]: is the number 1 to YAML, where text is expected; write it in quotes"),
        ("whole: yes", "whole is true, where a number is expected"),
        ("real: off", "real is false, where a number is expected"),
        ("real: nan", "real: Input should be a finite number; received 'nan'"),
        ("real: 1e999", "real: Input should be a finite number"),
        ("real: -infinity", "real: Input should be"),
        ("whole: 1.5", "whole: Input should be a valid integer"),
        (
            "txt: a",
            "txt: unknown key; the known ones are text, whole, real, truth, texts, by_name. Did you",
        ),
    ],
)
def test_what_yaml_takes_for_something_else_is_told(yaml, told):
    with pytest.raises(SpineError) as error:
        validate(Small, parse_yaml(yaml), "x.yaml")
    assert f"x.yaml is not valid:\n  {told}" in str(error.value)


def test_truths_and_numbers_in_their_places_are_read():
    read = validate(Small, parse_yaml("{truth: yes, whole: 010, real: 1e-3, text: 2024-01-01, by_name: {'1': 2}}"), "x")
    assert read == Small(truth=True, whole=10, real=0.001, text="2024-01-01", by_name={"1": 2.0})
    assert Augmentation(horizontal_flip=True).horizontal_flip == 0.5  # there true has a meaning of its own


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, True, "nan"])
def test_a_seed_is_one_that_every_generator_takes(seed):
    with pytest.raises(SpineError, match="seed"):
        validate(SplitSettings, {"seed": seed}, "x")
    raw = {
        "name": "a",
        "task": "classification",
        "data": "d",
        "labels": ["a", "b"],
        "members": {"m": {"foreign": True}},
    }
    with pytest.raises(SpineError, match="seed"):
        validate_experiment({**raw, "seed": seed}, "x")
    assert validate_experiment({**raw, "seed": 2**32 - 1}, "x").seed == 2**32 - 1


def fields_of(model: type[Strict]) -> list[tuple[type[Strict], str]]:
    """Every field of a settings model and of the models within it that has a number."""
    found = []
    for name, field in model.model_fields.items():
        if isinstance(field.default, Strict):
            found += fields_of(type(field.default))
        elif isinstance(field.default, int | float) and not isinstance(field.default, bool):
            found.append((model, name))
    return found


NUMBERS = [pair for model in (Classifier, Segmenter, Detector, SearchSettings) for pair in fields_of(model)]


@pytest.mark.parametrize(("model", "name"), NUMBERS, ids=[f"{model.__module__}.{name}" for model, name in NUMBERS])
def test_no_number_of_the_settings_is_nan_infinite_or_below_what_makes_sense(model, name):
    for value in (float("nan"), float("inf"), "nan", "-inf", -1e9):
        with pytest.raises(SpineError):
            validate(model, {"network": "plain_cnn", "weights": "none", name: value}, "x")


def test_a_member_name_of_digits_has_to_be_in_quotes():
    raw = {"name": "a", "task": "classification", "data": "d", "labels": ["a", "b"], "members": {1: {"foreign": True}}}
    with pytest.raises(SpineError, match='the member name 1 is a number to YAML; write "1", in quotes'):
        validate_experiment(raw, "x")


@pytest.mark.parametrize(
    ("name", "value"), [("rotation", 361), ("shift", 1e30), ("zoom", [0, 11]), ("gamma", [0, 1e300])]
)
def test_an_augmentation_stays_within_reason(name, value):
    with pytest.raises(SpineError, match=rf"{name} is \[.*\]; at most"):
        validate(Augmentation, {name: value}, "x")
