"""Python and JSON blocks of README and docs can be read, and Python names what there is; docs/summary.md lists the
commands and schemas there are; CITATION.cff is of this version. (test_docs_yaml.py has YAML, test_docs_commands.py
commands.)
"""

import ast
import importlib
import inspect
import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import typer
import yaml

from pipeline.cli import app
from pipeline.schema import KINDS
from tests.pages import NAMED, ROOT, blocks

PACKAGES = {"spine", "classification", "segmentation", "detection", "ensemble", "pipeline"}
COMMANDS = typer.main.get_command(app)


@pytest.mark.parametrize("page", NAMED)
def test_every_json_block_can_be_read(page):
    for block in blocks(page, "json"):
        json.loads(block)


@pytest.mark.parametrize("page", NAMED)
def test_python_blocks_name_and_call_what_there_is(page):
    for block in blocks(page, "python"):
        tree = ast.parse(block if not block.startswith('"') else f"{{{block}}}", str(page))
        assert faults_of(tree) == []


def faults_of(tree: ast.Module) -> list[str]:
    """Attributes of what is imported that are not there, and calls that it would refuse."""
    imported = dict(imports_of(tree))
    found = []
    for node in ast.walk(tree):
        path = ast.unparse(node).split(".") if isinstance(node, ast.Attribute | ast.Name) else [""]
        if path[0] in imported and any(found_in(imported, path[:length]) is None for length in range(1, len(path) + 1)):
            found.append(".".join(path))
        if isinstance(node, ast.Call) and (called := found_in(imported, ast.unparse(node.func).split("."))) is not None:
            found += [f"{ast.unparse(node)}: {error}" for error in refused(called, node)]
    return found


def imports_of(tree: ast.Module) -> Iterator[tuple[str, Any]]:
    """Name -> what it is, of each import of this project's; an error where there is none."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in PACKAGES:
            module = importlib.import_module(node.module)
            for one in node.names:
                yield one.asname or one.name, getattr(module, one.name)


def found_in(imported: dict[str, Any], path: list[str]) -> Any:
    """What a dotted name stands for; None where it is nothing that was imported."""
    found = imported.get(path[0])
    for part in path[1:]:
        found = getattr(found, part, None)
    return found


def refused(called: Any, call: ast.Call) -> list[str]:
    if any(isinstance(one, ast.Starred) for one in call.args) or any(one.arg is None for one in call.keywords):
        return []
    try:
        inspect.signature(called).bind(*call.args, **{one.arg: None for one in call.keywords})
    except TypeError as error:
        return [str(error)]
    return []


@pytest.mark.parametrize(
    "wrong",
    [
        "from pipeline.client import RemoteModel\nRemoteModel.opened('url')",
        "from spine.experiment.foreign import read_samples\nread_samples(e, split='test', folds=5)",
    ],
    ids=["no such attribute", "no such argument"],
)
def test_wrong_python_would_be_told(wrong):
    assert faults_of(ast.parse(wrong))


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
