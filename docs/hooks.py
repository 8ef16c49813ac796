"""What MkDocs adds to docs/: pages of the repository's root, configs, schemas, and the command line by its own help."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import typer
from mkdocs.structure.files import File

from pipeline.cli import app
from pipeline.schema import KINDS, schema_of

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"README.md": "index.md", "CHANGELOG.md": "CHANGELOG.md"}  # of the root -> where they are on the site
PAGES |= {"CONTRIBUTING.md": "CONTRIBUTING.md", "SECURITY.md": "SECURITY.md"}


def on_files(files: Any, config: Any) -> Any:
    """Pages and files that do not lie in docs/."""
    for name, place in PAGES.items():
        files.append(File.generated(config, place, content=(ROOT / name).read_text()))
    for path in (ROOT / "CITATION.cff", *sorted((ROOT / "configs").rglob("*.yaml"))):
        files.append(File.generated(config, path.relative_to(ROOT).as_posix(), content=path.read_text()))
    for kind in KINDS:
        content = json.dumps(schema_of(kind), indent=2)
        files.append(File.generated(config, f"reference/{kind}.schema.json", content=content))
    files.append(File.generated(config, "reference/command_line.md", content="\n".join(command_line())))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links to files of the repository as links to what the site has of them."""
    place = page.file.src_uri
    source = next((name for name, site in PAGES.items() if site == place), f"docs/{place}")

    def linked(match: re.Match[str]) -> str:
        target, hash_, anchor = match[1].partition("#")
        if not target or re.match(r"\w+:", target):
            return match[0]
        inside = os.path.normpath(PurePosixPath(source).parent / target)
        inside = PAGES.get(inside, inside.removeprefix("docs/"))
        return f"]({os.path.relpath(inside, PurePosixPath(place).parent)}{hash_}{anchor})"

    return re.sub(r"\]\(([^)\s]+)\)", linked, markdown)


def command_line() -> Iterator[str]:
    """The page of all commands: usage, what it does, arguments and options."""
    yield "# Command line\n\nWhat `spine COMMAND --help` tells, of every command. Exit status 0 is success, 1 an error"
    yield "that you can fix, 2 a wrong command, 12 a lack of memory, 130 and 143 an end by Ctrl-C and SIGTERM.\n"
    yield from _commands(typer.main.get_command(app), "spine")


def _commands(command: Any, name: str) -> Iterator[str]:
    for word, inner in sorted(getattr(command, "commands", {}).items()):
        yield from _command(inner, f"{name} {word}")
        yield from _commands(inner, f"{name} {word}")


def _command(command: Any, name: str) -> Iterator[str]:
    told = [one for one in command.params if getattr(one, "help", "")]
    arguments = [_name(one) for one in command.params if one.param_type_name == "argument"]
    options = ["[OPTIONS]"] if len(told) > len(arguments) else []
    yield f"## {name}\n\n    {' '.join([name, *options, *arguments])}\n\n{command.help or ''}\n"
    if told:
        yield "\n".join(["| | |", "|---|---|", *(f"| {_name(one, '`')} | {_in_cell(one.help)} |" for one in told), ""])


def _name(parameter: Any, quote: str = "") -> str:
    if parameter.param_type_name == "option":
        return ", ".join(f"{quote}{option}{quote}" for option in parameter.opts)
    metavar = parameter.metavar or parameter.name.upper()
    return f"`{metavar}`" if quote else metavar


def _in_cell(text: str) -> str:
    return text.replace("|", "\\|")
