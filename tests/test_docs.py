"""docs/settings.md lists every key of an experiment file and of a data config, with the default that the code has; the
examples are valid; and no page names a page, a heading, a command or a file that is not there.
"""

import importlib
import importlib.util
import inspect
import re
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline.experiments import validate_experiment
from pipeline.schema.sections import SECTIONS, meanings
from spine.annotations import FORMATS
from spine.core.bounds import in_words
from spine.core.strict import validate
from spine.intake.config import DataConfig
from spine.intake.dicom_seg import read_segmentations
from spine.intake.spider import read_release
from spine.training.augment.settings import PRESETS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [page for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")) if page.name != "CHANGELOG.md"]
PAGES.sort()  # the changelog tells of names that are no more
PAGE = (ROOT / "docs" / "settings.md").read_text()
PROGRAM = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["spine"].split(":")[0]
VERBS = typer.main.get_command(importlib.import_module(PROGRAM).app).commands


def written(section: str) -> dict[str, str]:
    """Key -> default of one section's table."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", text, flags=re.MULTILINE))


def told(field: FieldInfo) -> str:
    """A field's default as the page writes it."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        own = type(value).model_fields
        changed = {name: inner for name, inner in value if inner != own[name].get_default(call_default_factory=True)}
        return f"`{yaml_of(changed)}`" if changed else "below"
    return f"`{yaml_of(value)}`" if value != "" else "empty"


def yaml_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case tuple():
            return f"[{', '.join(map(yaml_of, value))}]"
        case dict():
            return f"{{{', '.join(f'{key}: {yaml_of(inner)}' for key, inner in value.items())}}}"
        case _:
            return str(value)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_is_told_with_its_default(section):
    assert written(section) == {name: told(field) for name, field in SECTIONS[section].model_fields.items()}


def ranges(schema: Any) -> list[str]:
    """The ranges of numbers that a JSON Schema allows, wherever in it, as the page writes them."""
    if isinstance(schema, list):
        return [found for inner in schema for found in ranges(inner)]
    if not isinstance(schema, dict):
        return []
    names = {"minimum": "ge", "exclusiveMinimum": "gt", "maximum": "le", "exclusiveMaximum": "lt"}
    own = {names[key]: value for key, value in schema.items() if key in names}
    return [*([in_words(own)] if own else []), *ranges(list(schema.values()))]


@pytest.mark.parametrize("section", SECTIONS)
def test_the_range_of_every_number_is_told(section):
    """As the model's own JSON Schema has it."""
    properties = SECTIONS[section].model_json_schema()["properties"]
    for key, meaning in meanings()[section].items():
        for allowed in ranges(properties.get(key)):  # what is written of itself alone has no schema
            assert re.search(rf"(?<![\w.]){re.escape(allowed)}(?![\w,.]?\d)", meaning), (key, allowed)


def test_no_section_is_left_unread():
    assert re.findall(r"^## (.+)$", PAGE, flags=re.MULTILINE) == list(SECTIONS)


def test_every_preset_is_named():
    assert f"a preset: {', '.join(f'`{name}`' for name in PRESETS)}." in PAGE


def test_every_option_of_an_annotation_format_is_named():
    page = (ROOT / "docs" / "annotations.md").read_text()
    readers = {name: importlib.import_module(module).read for name, module in FORMATS.items()} | {
        "spider": read_release,
        "dicom-seg": read_segmentations,
    }
    options = {
        name: {key for key, value in inspect.signature(read).parameters.items() if value.kind is value.KEYWORD_ONLY}
        for name, read in readers.items()
    }
    rows = re.findall(r"^\| `([\w-]+)` \| [^|]+ \| ([^|]+) \|$", page, flags=re.MULTILINE)
    assert {name: set(re.findall(r"`(\w+)`", named)) for name, named in rows} == {
        name: known - {"images"} for name, known in options.items()
    }


def test_the_help_of_an_export_names_every_format():
    (option,) = [option for option in VERBS["data"].commands["export"].params if option.name == "format"]
    assert set(re.findall(r"[\w-]+", option.help)) - {"or"} == set(FORMATS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_file_that_is_named_exists(page):
    text = page.read_text()
    for verb, word in re.findall(r"(?:`|^ {4,}|^)spine ([a-z][a-z|-]*)(?: ([a-z-]+)\b)?", text, flags=re.MULTILINE):
        assert set(verb.split("|")) <= set(VERBS), verb
        assert verb != "data" or not word or word in VERBS["data"].commands, word
    for file in re.findall(r"\b((?:configs|scripts|benchmarks|docs)/[\w./-]*\w)", text):
        assert (ROOT / file).exists() or "my_" in file or "NAME" in file, file


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    ("name", "validated"), [("data.md", partial(validate, DataConfig)), ("experiments.md", validate_experiment)]
)
def test_the_example_of_a_file_is_valid(name, validated):
    example = re.search(r"^```yaml\n(.*?)^```", (ROOT / "docs" / name).read_text(), flags=re.MULTILINE | re.DOTALL)[1]
    validated(yaml.safe_load(example), name)


def test_every_result_that_a_config_expects_has_its_heading():
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "results.md").read_text(), flags=re.MULTILINE)
    named = {
        (file.name, heading)
        for file in (ROOT / "configs").rglob("*.yaml")
        for heading in re.findall(r'docs/results\.md, "([^"]+)"', file.read_text().replace("\n# ", " "))
    }
    assert {name for name, _ in named} >= {"spider_degeneration.yaml", "xray_vertebrae.yaml", "classification.yaml"}
    assert not [(name, heading) for name, heading in named if heading not in headings]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_module_that_is_named_can_be_imported(page):
    text = page.read_text()
    names = re.findall(r"`((?:spine|ensemble|classification|segmentation|detection)(?:\.\w+)+)`", text)
    for module, imported in re.findall(r"^from (\S+) import (.+)$", text, flags=re.MULTILINE):
        names += [f"{module}.{name.strip()}" for name in imported.split(",")]
    commands = re.findall(r"python -m ((?:classification|segmentation|detection)\.\w+)", text)
    for name in names:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute) or importlib.util.find_spec(name), name
    for command in commands:
        assert importlib.util.find_spec(command), command
