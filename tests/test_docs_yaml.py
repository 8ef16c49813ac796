"""Every YAML block of README and docs is a file of ours, or a part of one, that would be accepted, and so is each
setting that a sentence names as `key: value`. A misspelt key would be told.
"""

import copy
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from classification.config import Settings
from ensemble.case.config import CaseSettings
from pipeline.experiments import validate_experiment
from pipeline.schema import schema_of
from pipeline.schema.sections import SECTIONS
from pipeline.tuning.space import TunedFile
from spine.core.problems import SpineError
from spine.core.strict import validate, validate_alone
from spine.core.yaml_files import parse_yaml
from spine.intake.config import DataConfig
from tests.pages import NAMED, ROOT, blocks, spans
from tests.published_weights import published

CREDENTIALS = {"user", "password"}  # of `spine pacs --credentials`
ROOT_KEYS = {  # kind -> its keys
    "experiment": set(schema_of("experiment")["$defs"]["experiment_file"]["properties"]),
    "case": set(schema_of("case")["$defs"]["CaseSettings"]["properties"]),
    "data": set(schema_of("data")["$defs"]["DataConfig"]["properties"]),
}
MODELS = {
    "experiment": lambda content: validate_experiment(content, "the page"),
    "case": lambda content: validate(CaseSettings, content, "the page"),
    "data": lambda content: validate(DataConfig, content, "the page"),
}
# Below these the keys are names that people choose: of members, targets, classes, settings of the member that is tuned.
OWN_NAMES = {"members", "targets", "grades", "rename", "weights", "also", "published", "space"}
OWN_NAMES |= {"largest_components", "smallest_area"}
ELSEWHERE = {"kpt_shape", "ties"}  # of YOLO's data.yaml, and of weights.json
PLACES = (  # of settings that no section of docs/settings.md has
    lambda part: {"members": part},
    lambda part: {"members": {"member": part}},
    lambda part: {"members": {"member": {"network": "plain_cnn", **part}}},
    lambda part: [{"path": "p", "format": "table", **part}],
)


@cache
def validator(kind: str) -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(schema_of(kind))


def faults(kind: str, content: Any) -> list[str]:
    return [error.message for error in validator(kind).iter_errors(json.loads(json.dumps(content)))]


def of_which_file(content: Any) -> tuple[str, dict[str, Any]]:
    """The file that a block is a part of, with what it needs to be whole: kind, and content."""
    if isinstance(content, list):  # of annotations
        return "data", {"name": "d", "output": "o", "sources": [{"name": "s", "images": "i", "annotations": content}]}
    keys = set(content)
    if keys == {"images", "annotations"}:
        content, keys = {"sources": [{"name": "s", **content}]}, {"sources"}
    if keys <= ROOT_KEYS["data"] and keys & {"sources", "crop", "splits", "dataset", "phantom"}:
        return "data", {"name": "d", "output": "o", "sources": [], **content}
    if keys <= ROOT_KEYS["case"] and "detector" in keys:
        return "case", content
    if not keys <= ROOT_KEYS["experiment"]:
        content = {"members": content}
    return "experiment", content if is_whole(content) else {"name": "n", "extends": "another.yaml", **content}


def is_whole(content: dict[str, Any]) -> bool:
    return {"name", "task", "data", "members"} <= set(content)


def read(block: str) -> Any:
    content = parse_yaml(block)
    return None if isinstance(content, dict) and set(content) == CREDENTIALS else content


BLOCKS = [
    pytest.param(content, id=f"{page.id}-{number}")
    for page in NAMED
    for number, content in enumerate(map(read, blocks(page.values[0], "yaml")))
    if content is not None
]


@pytest.mark.parametrize("content", BLOCKS)
def test_a_block_is_valid(content):
    kind, whole = of_which_file(content)
    assert faults(kind, whole) == []
    if whole is content:  # settings that have to hold together
        MODELS[kind](content)


@pytest.mark.parametrize("content", BLOCKS)
def test_a_misspelt_key_of_a_block_would_be_told(content):
    kind, whole = of_which_file(content)
    for path in keys_of(whole):
        if len(path) == 1 or path[-2] not in OWN_NAMES:
            assert faults(kind, misspelt(whole, path)), path


def keys_of(content: Any, above: tuple = ()) -> Iterator[tuple]:
    """The way to each key, by keys and places in lists."""
    if isinstance(content, dict):
        for key, inner in content.items():
            yield (*above, key)
            yield from keys_of(inner, (*above, key))
    elif isinstance(content, list):
        for place, inner in enumerate(content):
            yield from keys_of(inner, (*above, place))


def misspelt(content: Any, path: tuple) -> Any:
    """A copy with one more letter in one key."""
    content = copy.deepcopy(content)
    *above, wrong = path
    inner = content
    for key in above:
        inner = inner[key]
    inner[f"{wrong}z"] = inner.pop(wrong)
    return content


@pytest.mark.parametrize("content", [part for part in BLOCKS if "tune" in part.values[0]])
def test_a_block_that_tunes_names_settings_of_its_member(content, tmp_path, monkeypatch):
    monkeypatch.setenv("PASSWORD", "secret")
    file = tmp_path / "tuned.yaml"
    quickstart = {"extends": str(ROOT / "configs/quickstart/classification.yaml"), "name": "tuned"}
    file.write_text(yaml.safe_dump({**quickstart, **content}))
    assert TunedFile.read(file, ()).settings.space
    (name, values) = next(iter(content["tune"]["space"].items()))
    file.write_text(yaml.safe_dump({**quickstart, "tune": {**content["tune"], "space": {f"{name}z": values}}}))
    with pytest.raises(SpineError, match=f"{name}z"):
        TunedFile.read(file, ())


@pytest.mark.slow
def test_the_files_of_weights_that_a_page_names_fit_their_networks():
    from classification.model import fetch_weights

    (block,) = blocks(ROOT / "docs/howto/weights_offline.md", "yaml")
    for name, member in parse_yaml(block)["members"].items():
        file = published(member["weights"].rpartition("/")[2])
        fetch_weights(validate(Settings, {**member, "weights": str(file)}, name))


@pytest.mark.parametrize("page", [page for page in NAMED if page.id != "CHANGELOG.md"])  # of names that are no more
def test_a_setting_that_a_sentence_names_is_known(page):
    for part in settings_in_sentences(page):
        assert is_known(part), part


@pytest.mark.parametrize("wrong", ["fodls: 5", "folds: five", "view: {slice: 3}", "seeds: two", "join: maybe"])
def test_a_setting_that_is_none_would_be_told(wrong):
    assert not is_known(parse_yaml(wrong))


def settings_in_sentences(page: Path) -> Iterator[dict[str, Any]]:
    """Of `key: value`; one with `...`, or with values told in words, stands for what is written elsewhere."""
    for span in spans(page):
        if re.match(r"[a-z_]+: ", span) and "..." not in span:
            part = parse_yaml(span)
            if not set(part) & set(ELSEWHERE):
                yield part


def is_known(part: dict[str, Any]) -> bool:
    """Whether some section, file or annotation has this key, and may have this value."""
    wholes = [of_which_file(place(part)) for place in PLACES] + [("experiment", {"experiments": ["a.yaml"], **part})]
    return any(fits(model, part) for model in SECTIONS.values()) or any(faults(*whole) == [] for whole in wholes)


def fits(model: type[BaseModel], part: dict[str, Any]) -> bool:
    try:
        validate_alone(model, part, "the page")
    except SpineError:
        return False
    return set(part) <= set(model.model_fields)
