"""Every command, YAML, JSON and Python block of README and docs is validated: commands by their options and arguments,
YAML by the schemas, Python by the compiler; and docs/summary.md lists the commands there are.
"""

import json
import re
import shlex
import tomllib
from functools import cache
from pathlib import Path

import jsonschema
import pytest
import typer
import yaml

from pipeline.cli import app
from pipeline.schema import KINDS, schema_of
from spine.core.yaml_files import parse_yaml

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = typer.main.get_command(app)
CREDENTIALS = {"user", "password"}  # of `spine pacs --credentials`
ROOT_KEYS = {  # kind -> its keys
    "experiment": set(schema_of("experiment")["$defs"]["experiment_file"]["properties"]),
    "case": set(schema_of("case")["$defs"]["CaseSettings"]["properties"]),
    "data": set(schema_of("data")["$defs"]["DataConfig"]["properties"]),
}
NAMED = [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES]


def blocks(page, language):
    """The fenced blocks of a language, without the indentation of a list that they stand in."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def commands(page):
    """The `spine` command lines of code, each of alternatives such as `train|predict` apart."""
    text = page.read_text()
    lines = re.findall(r"^(?: {4,}|\$ )?(spine .+)$", text, flags=re.MULTILINE) if page.suffix == ".md" else []
    spans = [" ".join(span.split()) for span in re.findall(r"`(spine\s[^`|]+(?:\|[^`]+)?)`", text)]
    for line in [*lines, *spans]:
        command = re.split(r"\s{2,}|\s#|\s>|\)$", line)[0].strip()
        first = command.split()[1] if len(command.split()) > 1 else ""
        if (
            "..." in command
            or "KEY" in command
            or not re.match(r"[a-z-]", first)
            or not re.fullmatch(r"[a-z|-]+", first)
        ):
            continue
        for verb in first.split("|"):
            yield command.replace(first, verb, 1)


@cache
def validator(kind):
    return jsonschema.Draft7Validator(schema_of(kind))


def faults(kind, content):
    return [error.message for error in validator(kind).iter_errors(json.loads(json.dumps(content)))]


def of_which_file(content):
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
    is_whole = {"name", "task", "data", "members"} <= keys
    return "experiment", content if is_whole else {"name": "n", "extends": "another.yaml", **content}


@pytest.mark.parametrize("page", NAMED)
def test_every_yaml_block_is_valid(page):
    for block in blocks(page, "yaml"):
        content = parse_yaml(block)
        if isinstance(content, list) or set(content) != CREDENTIALS:
            kind, whole = of_which_file(content)
            assert faults(kind, whole) == [], block


def test_a_wrong_block_would_be_told():
    wrong = ("{folds: five}", "{a: {network: vgg61}}", "[{format: masks, path: p}]", "{sources: [{name: s, imags: i}]}")
    for block in wrong:
        assert faults(*of_which_file(parse_yaml(block))), block


@pytest.mark.parametrize("page", NAMED)
def test_every_command_is_parsed(page):
    for command in commands(page):
        _, *words = shlex.split(command.replace("[", "").replace("]", ""))
        assert faults_of(words) == [], command


def faults_of(words):
    """What `spine` would refuse of a command line; a command that is only named lacks nothing."""
    command, words = COMMANDS, list(words)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        default = command.commands.get("start") if words[0] not in command.commands else None  # `spine serve RUN`
        command = default or command.commands.get(words.pop(0))
        if command is None:
            return ["no such command"]
    options = {option: one for one in command.params if one.param_type_name == "option" for option in one.opts}
    rest, unknown = [], []
    is_only_named = not words
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            rest.append(word)
        elif word in options and not options[word].is_flag:
            words = words[1:]
        elif word not in options and word not in ("--help", "--version"):
            unknown.append(f"no option {word}")
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    if len(rest) > len(arguments) and not any(one.nargs == -1 for one in arguments):
        unknown.append(f"too many arguments {rest}")
    if rest and len(rest) < sum(one.required for one in arguments):
        unknown.append(f"too few arguments {rest}")
    return [] if is_only_named else unknown


@pytest.mark.parametrize(
    "words",
    [
        ["runn", "a.yaml"],
        ["run", "a.yaml", "--trsut"],
        ["data", "crop", "d", "--labl", "disc"],
        ["serve", "check", "u"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_would_be_told(words):
    assert faults_of(words)


@pytest.mark.parametrize("page", NAMED)
def test_every_python_and_json_block_can_be_read(page):
    for block in blocks(page, "python"):
        compile(block if not block.startswith('"') else f"{{{block}}}", str(page), "exec")
    for block in blocks(page, "json"):
        json.loads(block)


@pytest.mark.parametrize("page", NAMED)
def test_every_script_has_the_options_that_it_is_given(page):
    for file, given in re.findall(r"python ((?:benchmarks|scripts)/\w+\.py)([^`\n#]*)", page.read_text()):
        for option in re.findall(r"--[a-z-]+", given):
            assert f'"{option}"' in (ROOT / file).read_text(), f"{file} {option}"


def leaves(command, name="spine"):
    """Name -> (arguments, options) of every command that does something."""
    if hasattr(command, "commands"):
        return {
            key: value for word, one in command.commands.items() for key, value in leaves(one, f"{name} {word}").items()
        }
    told = {"argument": [], "option": []}
    for one in command.params:
        text = one.opts[0] if one.param_type_name == "option" else one.metavar or one.name.upper()
        told[one.param_type_name].append(text)
    return {name: (" ".join(told["argument"]), set(told["option"]))}


def test_the_summary_lists_every_command_with_its_arguments_and_options():
    page = (ROOT / "docs" / "summary.md").read_text()
    rows = re.findall(r"^\| `(spine [^`]+)` \| (?:`([^`]+)`)? ?\| (?:`([^`]+)`)? ?\|", page, flags=re.MULTILINE)
    found = {name: (arguments.replace(" or ", "|"), set(options.split())) for name, arguments, options in rows}
    assert found == leaves(COMMANDS)


def test_the_summary_names_schemas_that_there_are():
    page = (ROOT / "docs" / "summary.md").read_text()
    assert set(re.findall(r"`spine schema (\w+)`", page)) == set(KINDS)


def test_the_citation_names_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (citation["title"], str(citation["version"])) == (project["name"], project["version"])
    assert (citation["license"], citation["cff-version"]) == (project["license"], "1.2.0")
    assert {"message", "authors", "type"} <= set(citation)
