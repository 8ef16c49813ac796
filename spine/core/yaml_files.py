"""YAML from a file or a text: plain values, and whatever YAML would drop, guess or blow up is an error with its line.

A key given twice loses its first value without a word in other loaders; dates become objects, `010` becomes 8, and a
few hundred letters of aliases become gigabytes. Here keys are single, numbers decimal and finite, dates are text, and
size and depth have bounds.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, ClassVar

import yaml

from spine.core.numbers import finite
from spine.core.problems import SpineError, brief, printable

__all__ = ["MOST_BYTES", "MOST_DEEP", "load_yaml", "parse_yaml", "read_yaml"]

MOST_BYTES = 2**18  # of a file: no configuration, nor the names of a dataset's classes, is as long
MOST_DEEP = 50  # mappings and lists within one another
MOST_LARGE = 2**20  # values and their letters, those that aliases repeat counted again
MOST_DIGITS = 40  # of a number
_CORE = "tag:yaml.org,2002:"
_MERGE = f"{_CORE}merge"


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the refusals that the module tells; it knows the tags of plain values only."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - a variable of PyYAML's
    yaml_constructors: ClassVar[dict[Any, Any]] = {}

    def __init__(self, stream: str | bytes) -> None:
        super().__init__(stream)
        self.depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """A node and all below it, if it is not too deep."""
        event = self.peek_event()
        self.depth += 1
        if self.depth > MOST_DEEP:
            raise _refusal(event.start_mark, f"mappings and lists are nested over {MOST_DEEP} deep")
        if (tag := getattr(event, "tag", None)) not in (None, "!", f"{_CORE}str"):
            raise _refusal(event.start_mark, f"the tag {tag} is not read; leave it out")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """A mapping, if its keys are text or whole numbers, each there once."""
        node = super().compose_mapping_node(anchor)
        first: dict[str, yaml.Mark] = {}
        for key, _ in node.value:
            name = _name(key)
            if name in first:
                line = first[name].line + 1
                raise _refusal(key.start_mark, f"{name!r} is given again, after line {line}; keep one of them")
            first[name] = key.start_mark
        return node

    def get_single_node(self) -> yaml.Node | None:
        """The document's node, if it is no larger than MOST_LARGE with its aliases written out."""
        node = super().get_single_node()
        if node is not None and _size(node, {}) > MOST_LARGE:
            raise _refusal(None, f"holds over {MOST_LARGE:,} values and letters, its aliases written out")
        return node


def _name(key: yaml.Node) -> str:
    """The name that a key gives; what YAML takes for something else than text or a whole number is refused."""
    if not isinstance(key, yaml.ScalarNode):
        raise _refusal(key.start_mark, "a list or mapping stands where a key is expected; a key is text")
    if key.tag == f"{_CORE}int":
        return str(int(_digits(key)))
    if key.tag not in (f"{_CORE}str", _MERGE):
        kind = key.tag.removeprefix(_CORE)
        raise _refusal(key.start_mark, f'the key {key.value} is a {kind} to YAML; write "{key.value}", in quotes')
    return str(key.value)


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Values and their letters, each alias counted as what it repeats; one that holds itself has no size."""
    if isinstance(node, yaml.ScalarNode):
        return 1 + len(node.value)
    if id(node) not in known:
        known[id(node)] = MOST_LARGE + 1  # until it is counted: meeting it again now, it would hold itself
        inner = node.value if isinstance(node, yaml.SequenceNode) else [part for pair in node.value for part in pair]
        known[id(node)] = 1 + sum(_size(part, known) for part in inner)
    return known[id(node)]


def _refusal(mark: yaml.Mark | None, what: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=what, problem_mark=mark)


def _whole(loader: _Loader, node: yaml.ScalarNode) -> int:
    return int(_digits(node))


def _real(loader: _Loader, node: yaml.ScalarNode) -> float:
    try:
        return finite(_digits(node))
    except ValueError as error:
        raise _refusal(node.start_mark, f"{error}; give a finite one") from None


def _digits(node: yaml.ScalarNode) -> str:
    if len(node.value) > MOST_DIGITS:
        raise _refusal(node.start_mark, f"a number of {len(node.value)} digits; give at most {MOST_DIGITS}")
    return str(node.value)


# Each pattern matches less than PyYAML's own, so that what PyYAML writes is read back as it was.
def _implicit(name: str, pattern: str, first: str) -> None:
    """Plain text that matches is of this tag; `first` are the letters that it may begin with, for speed."""
    _Loader.add_implicit_resolver(f"{_CORE}{name}", re.compile(pattern, re.ASCII), list(first) if first else [""])


_implicit("bool", "(true|True|TRUE|yes|Yes|YES|on|On|ON|false|False|FALSE|no|No|NO|off|Off|OFF)$", "tTyYoOfFnN")
_implicit("int", r"[-+]?(0|[1-9][0-9]*)$", "-+0123456789")
_implicit("float", r"([-+]?[0-9]+\.[0-9]*|\.[0-9]+)([eE][-+][0-9]+)?$", "-+.0123456789")
_implicit("float", r"([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$", "-+.")
_implicit("merge", "<<$", "<")
for _first in ("", *"~nN"):
    _Loader.add_implicit_resolver(f"{_CORE}null", re.compile("(~|null|Null|NULL|)$"), [_first])

for _kind in ("null", "bool", "str", "seq", "map"):
    _Loader.add_constructor(f"{_CORE}{_kind}", getattr(yaml.SafeLoader, f"construct_yaml_{_kind}"))
_Loader.add_constructor(f"{_CORE}int", _whole)
_Loader.add_constructor(f"{_CORE}float", _real)


class _TextLoader(_Loader):
    """Every scalar as its text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - a variable of PyYAML's


def parse_yaml(text: str | bytes, *, texts: bool = False) -> Any:
    """The value of a YAML text, or with `texts` every scalar as its text; ValueError tells the line and the reason."""
    try:
        return yaml.load(text, _TextLoader if texts else _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(printable(f"{where}{_describe(error)}")) from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(printable(f"{brief(str(error))}; save it as plain text in UTF-8")) from None


def _describe(error: yaml.MarkedYAMLError) -> str:
    return " ".join(f"{error.context or ''} {error.problem or ''}".split())[:300]


def load_yaml(path: Path | str) -> Any:
    """The value that a YAML file holds, None where it is empty; SpineError where it is none, too long or not YAML."""
    path = Path(path)
    if not path.is_file():
        start = "" if path.is_absolute() else f" (relative paths begin at the working directory, {Path.cwd()})"
        raise SpineError(f"{path} is not a file; give the path of a YAML configuration{start}")
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise SpineError(f"{path} cannot be opened ({error.strerror}); check its permissions") from error
    if len(data) > MOST_BYTES:
        raise SpineError(f"{path} is longer than {MOST_BYTES:,} bytes; no YAML file of ours is, so look what it holds")
    try:
        return parse_yaml(data)
    except ValueError as error:
        raise SpineError(f"{path} is not valid YAML: {error}") from None


def read_yaml(path: Path | str) -> dict[str, Any]:
    """The mapping that a configuration file holds, `${NAME:-default}` filled in from the environment."""
    raw = load_yaml(path)
    if not isinstance(raw, dict):
        kind = "nothing" if raw is None else f"a {type(raw).__name__}"
        raise SpineError(f"{path} holds {kind}; a configuration is a mapping of keys to values")
    filled: dict[str, Any] = _filled(raw, Path(path))
    return filled


_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def _filled(value: Any, path: Path) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, path) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, path) for inner in value]
    return _VARIABLE.sub(lambda match: _variable(match, path), value) if isinstance(value, str) else value


def _variable(match: re.Match[str], path: Path) -> str:
    name, default = match.groups()
    found = os.environ.get(name) or default
    if found is None:
        raise SpineError(f"{path} uses ${{{name}}}, which is not set; set {name} in the environment")
    return found
