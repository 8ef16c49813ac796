"""What a server is asked to serve: experiments, suites, cases and directories, as names and members' directories."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.server.version_policy import name_in
from spine.core.problems import SpineError
from spine.member.member import Member

__all__ = ["Source", "sources_of"]

_OTHER = re.compile(r"[^A-Za-z0-9_.-]")  # than what a name in a URL may hold, as `ExportSettings.name` has it


@dataclass(frozen=True)
class Source:
    """A model to serve: its name in requests, and the directory that holds member.json and model/<version>/."""

    name: str
    directory: Path


def sources_of(paths: Sequence[Path]) -> list[Source]:
    """The models of experiment, suite and case files, and of directories of members or ensembles.

    A name is that of the exported model: of an experiment or a case its `export.name` or name, of a directory the one
    that its models.config has for TF Serving, else the member's.
    SpineError where one is not there, or two would be served by one name.
    """
    sources = list(dict.fromkeys(source for path in paths for source in _sources(path)))
    for source in sources:
        if others := [str(other.directory) for other in sources if other.name == source.name and other != source]:
            raise SpineError(
                f"{source.directory} and {others[0]} would both be served as {source.name!r}; give one of them another "
                "name (`export.name` in its file, and export again), or serve it on other ports"
            )
    return sources


def _sources(path: Path) -> Iterator[Source]:
    if path.is_dir():
        path = _exported_in(path)
        yield Source(name_in(path) or _OTHER.sub("_", Member.open(path).name), path)
        return
    if not path.exists():
        raise SpineError(f"{path} does not exist; give an experiment, suite or case file, or a member's directory")
    for name, directory in _of_file(path):
        if not Member.versions_of(directory):
            raise SpineError(f"{directory} holds no model yet; run `spine export {path}` first")
        yield Source(name, directory)


def _exported_in(path: Path) -> Path:
    """The exported ensemble of an experiment's directory, `runs/NAME`; any other directory itself."""
    exported = [one for one in sorted(path.glob("ensembles/*")) if Member.versions_of(one)]
    if len(exported) > 1:
        raise SpineError(f"{path} has several ensembles; name one of them: {', '.join(map(str, exported))}")
    return exported[0] if exported else path


def _of_file(path: Path) -> Iterator[tuple[str, Path]]:
    from ensemble.case.config import is_case, load_case
    from pipeline.cases import cases_of
    from pipeline.experiments import load_experiments

    if is_case(path):
        case = load_case(path)
        yield case.exported_name, case.directory
        return
    for experiment in load_experiments(path):
        yield experiment.exported_name, experiment.ensemble_directory
    for case in map(load_case, cases_of(path)):
        if Member.versions_of(case.directory):  # `spine run` exports it last of all
            yield case.exported_name, case.directory
