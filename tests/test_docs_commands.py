"""Every `spine` command that README and docs name is parsed as the command line parses it, its overrides fit the file
that they are for, and each line of shell is run (walked_pages.py, by test_quickstart.py) or told why it is not.
"""

import re
import shlex
import sys
from pathlib import Path

import pytest
import typer

from pipeline.cli import app
from pipeline.experiments import load_experiment
from tests.pages import NAMED, PAGES, ROOT, command_lines, spans
from tests.walked_pages import NOT_RUN, WALKED, is_run, reason

COMMANDS = typer.main.get_command(app)
USAGE = typer.BadParameter.__mro__[1]  # UsageError of the click that typer has in it
OF_FILES = {"run", "train", "tune", "predict", "search", "export", "evaluate", "report"}


def lines_of(page: Path) -> list[str]:
    """The `spine` commands of a page's code, each of alternatives such as `train|predict` apart."""
    lines = [re.sub(r" >.*", "", line[line.index("spine ") :]) for line in command_lines(page) if "spine " in line]
    return [one for line in lines for one in alternatives(line)]


def named_in(page: Path) -> list[str]:
    """The `spine` commands that sentences name, but for patterns such as `spine demo RUN|CASE [KEY=VALUE]...`."""
    named = [span for span in spans(page) if re.match(r"spine [a-z]", span) and "..." not in span]
    return [re.sub(r"\b[A-Z]\b", "1", one) for span in named for one in alternatives(span)]  # --fold K


def alternatives(line: str) -> list[str]:
    spine, verbs, *rest = line.split(maxsplit=2)
    return [" ".join([spine, verb, *rest]) for verb in verbs.split("|")]


def refused(line: str, is_only_named: bool = False) -> str:
    """What the command line would refuse; of a command that is only named words may lack."""
    try:
        parse(shlex.split(re.sub(r"[\[\]]", "", line))[1:])
    except typer.Exit as ended:  # --help, --version
        return "" if ended.exit_code == 0 else "refused"
    except USAGE as error:
        lacks = type(error).__name__ in ("MissingParameter", "NoArgsIsHelpError")
        return "" if lacks and is_only_named else str(error) or type(error).__name__
    return ""


def parse(words: list[str]) -> None:
    """Read the words of a command line, and do nothing."""
    command = COMMANDS
    context = command.make_context("spine", words)
    while hasattr(command, "commands"):
        rest = [*context._protected_args, *context.args]
        if not rest and command.invoke_without_command:
            return
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("page", NAMED)
def test_every_command_is_parsed(page):
    refusals = {line: refused(line) for line in lines_of(page)}
    refusals |= {line: refused(line, is_only_named=True) for line in named_in(page)}
    assert {line: why for line, why in refusals.items() if why} == {}


@pytest.mark.parametrize(
    "line",
    [
        "spine runn a.yaml",
        "spine run a.yaml --trsut",
        "spine data crop d --labl disc",
        "spine serve check u",
        "spine client u f --slices two",
        "spine schema all of them",
    ],
)
def test_a_wrong_command_would_be_told(line):
    assert refused(line)


@pytest.mark.parametrize("page", NAMED)
def test_overrides_fit_the_file_that_they_are_for(page):
    for line in lines_of(page):
        _, verb, *words = shlex.split(line)
        overrides = [word for word in words if re.match(r"[a-z_.\w]+=", word)]
        if verb in OF_FILES and words[0].startswith("configs/") and "papers" not in words[0]:
            load_experiment(ROOT / words[0], overrides) if overrides else None


@pytest.mark.parametrize("page", NAMED)
def test_every_line_of_shell_is_run_or_told_why_not(page):
    name = str(page.relative_to(ROOT))
    for line in command_lines(page):
        assert is_run(name, line) != bool(reason(name, line)), line


def test_no_reason_is_of_a_line_that_is_gone():
    lines = {(str(page.relative_to(ROOT)), line) for page in PAGES for line in command_lines(page)}
    assert all((ROOT / name).exists() for name in WALKED)
    for start in NOT_RUN:
        assert any(name == start or line.startswith(start) for name, line in lines), start


@pytest.mark.slow
@pytest.mark.parametrize("page", NAMED)
def test_every_benchmark_takes_the_options_that_it_is_given(page, monkeypatch):
    import argparse
    import runpy

    monkeypatch.chdir(ROOT)
    parse_args = argparse.ArgumentParser.parse_args
    parsed = []

    def parse_and_end(parser, arguments=None, namespace=None):
        parsed.append(parse_args(parser, arguments, namespace))
        raise SystemExit(0)

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_end)
    for number, line in enumerate(re.findall(r"python (benchmarks/\w+\.py[^`\n#]*)", page.read_text()), start=1):
        monkeypatch.setattr(sys, "argv", [word for word in shlex.split(line) if word != "..."])
        monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
        with pytest.raises(SystemExit, match="0"):
            runpy.run_path(sys.argv[0], run_name="__main__")
        assert len(parsed) == number, line
