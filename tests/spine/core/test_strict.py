from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from classification.config import Settings as Classifier
from detection.config import Settings as Detector
from pipeline.experiments import validate_experiment
from segmentation.config import Settings as Segmenter
from spine.core.problems import SpineError
from spine.core.refusals import NAME
from spine.core.strict import Strict, validate
from spine.core.yaml_files import parse_yaml
from spine.dataset.splits import SplitSettings
from spine.experiment.stages import SearchSettings
from spine.training.augment import Augmentation
from spine.training.schedule import Fraction


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
        ("real: nan", "real: is 'nan', where a finite number is expected"),
        ("real: 1e999", "real: is '1e999', where a finite number is expected"),
        ("real: -infinity", "real: is '-infinity', where a finite number is expected"),
        ("whole: 1.5", "whole: is 1.5, where a whole number is expected"),
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


class Bounded(Strict):
    decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    share: Fraction = 0.0
    count: int = Field(default=1, ge=1, le=1000)
    rates: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] = (1.0,)
    either: Literal["all"] | Annotated[int, Field(ge=1)] = "all"
    names: tuple[str, ...] = ()
    title: str = Field(default="a", pattern=NAME)
    by_name: Mapping[str, float] = Field(default={"a": 1}, min_length=1)
    kind: Literal["grid", "line"] = "grid"
    inner: SplitSettings = SplitSettings()
    path: Path = Path()
    short: str = Field(default="abcd", min_length=4, max_length=6)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ({"decay": 1}, "decay: is 1; it has to be above 0 and below 1"),
        ({"share": 1.5}, "share: is 1.5; it has to be at least 0 and below 1"),
        ({"share": -1}, "share: is -1; it has to be at least 0 and below 1"),
        ({"count": 1001}, "count: is 1001; it has to be 1 to 1,000"),
        ({"rates": []}, "rates: is []; it has to have at least 1 entry"),
        ({"rates": (1, 0)}, "rates.1: is 0; it has to be above 0"),
        ({"by_name": {}}, "by_name: is {}; it has to have at least 1 entry"),
        ({"by_name": 3}, "by_name: is 3, where a mapping is expected"),
        ({"names": "A. Author"}, "names: is 'A. Author', where a list is expected, such as [A. Author]"),
        ({"names": {"a": 1}}, "names: is {a: 1}, where a list is expected"),
        ({"names": [None]}, "names.0: is null, where text is expected"),
        (
            {"title": "a b"},
            "title: is 'a b'; it has to be made of letters a-z, A-Z, digits, '.', '_' and '-', the first",
        ),
        ({"kind": "gird"}, "kind: is 'gird'; it has to be 'grid' or 'line'. Did you mean 'grid'?"),
        ({"count": "many"}, "count: is 'many', where a whole number is expected"),
        ({"share": "some"}, "share: is 'some', where a number is expected"),
        ({"share": [1]}, "share: is [1], where a number is expected"),
        ({"inner": 3}, "inner: is 3, where a mapping of settings is expected"),
        ({"inner": {"train": 2}}, "inner.train: is 2; it has to be 0 to 1"),
        ({"path": 3}, "path: is 3, where a path is expected"),
        ({"short": "abc"}, "short: is 'abc'; it has to have 4 to 6 letters"),
        ({"names": "https://me:secret@there"}, "such as ['https://me:***@there']"),
    ],
)
def test_what_is_expected_is_told_in_the_words_of_files_and_with_both_ends_of_a_range(raw, told):
    with pytest.raises(SpineError) as error:
        validate(Bounded, raw, "x.yaml")
    assert told in str(error.value)
    assert "nput should" not in str(error.value)


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
