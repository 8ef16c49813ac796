"""The pages that people read, README and docs/ among them, and the blocks and lines of code in them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
SHELL = r"(\w+=\S+ )*((spine|python|pip|git|openssl|export|read|source|curl) |scripts/\w|runs/\S+\.sh|\(printf)"
NAMED = [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES]


def fences(page: Path) -> list[tuple[str, str]]:
    """(language, text) of each fenced block, in order, without the indentation of a list that it stands in."""
    found = re.findall(r"^( *)```(\w*)\n(.*?)^ *```", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [(language, re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)) for indent, language, text in found]


def blocks(page: Path, language: str) -> list[str]:
    """The text of each fenced block of a language."""
    return [text for found, text in fences(page) if found == language]


def spans(page: Path) -> list[str]:
    """What stands in backticks within sentences, each on one line."""
    prose = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]


def steps(page: Path) -> Iterator[tuple[str, str]]:
    """(shell, line) of each line of code that a reader types into a shell, without what is remarked behind it, and
    (python, text) of each block of Python, in order.
    """
    for language, text in code(page):
        line = re.split(r"\s{2,}|\s#", text.strip())[0].strip()
        if language == "python":
            yield language, text
        elif re.match(SHELL, line):
            yield "shell", line


def code(page: Path) -> Iterator[tuple[str, str]]:
    """(python, text) of the blocks of Python; ("", line) of each line of other code that may be for a shell: fenced
    without a language or as bash, or indented by four.
    """
    language, lines = None, []  # outside a fence
    for line in page.read_text().splitlines():
        if fence := re.match(r" *```(\w*)$", line):
            if language == "python":
                yield language, "\n".join([*lines, ""])
            language, lines = (fence[1], []) if language is None else (None, [])
        elif language in ("", "bash") or (language is None and line.startswith("    ")):
            yield "", line
        else:
            lines.append(line)


def command_lines(page: Path) -> list[str]:
    """Those of a shell alone."""
    return [line for kind, line in steps(page) if kind == "shell"]
