"""Why a setting does not hold, in the words of this project: what was received, and what is expected in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from spine.core.bounds import bounds_of, in_words, of_length
from spine.core.near_names import did_you_mean

__all__ = ["NAME", "NAME_OR_NONE", "as_yaml", "refusal"]

MOST_LETTERS = 200  # of what was received; a whole file in the wrong place needs no repeating
_BOUND_OF = {"greater_than": "gt", "greater_than_equal": "ge", "less_than": "lt", "less_than_equal": "le"}
_LENGTH_OF = {"too_short": "min_length", "too_long": "max_length"}
_EXPECTED = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    "finite_number": "a finite number",
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    "string_type": "text",
    "path_type": "a path",
    **dict.fromkeys(("dict_type", "mapping_type"), "a mapping"),
    **dict.fromkeys(("model_type", "model_attributes_type"), "a mapping of settings"),
    **dict.fromkeys(("tuple_type", "list_type"), "a list"),
}
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
NAME_OR_NONE = r"^([A-Za-z0-9][A-Za-z0-9_.-]*)?$"
_IN_WORDS = {
    **dict.fromkeys((NAME, NAME_OR_NONE), "letters a-z, A-Z, digits, '.', '_' and '-', the first a letter or a digit"),
    r"^[A-Z][A-Z0-9_]*$": "letters A-Z, digits and '_', the first a letter",
}


def refusal(error: Mapping[str, Any], field: FieldInfo | None) -> str | None:
    """What an error of the validation library says, of a value of that field; None where its own words have to do."""
    kind, given = error["type"], error["input"]
    if kind in _BOUND_OF:
        return f"is {as_yaml(given)}; it has to be {_bounds(error, field, _BOUND_OF[kind], in_words)}"
    if kind in _LENGTH_OF:
        length = _bounds(error, field, _LENGTH_OF[kind], of_length)
        return f"is {as_yaml(given)}; it has to have {length} {_entries(error['ctx'].get(_LENGTH_OF[kind]))}"
    if kind in ("string_too_short", "string_too_long"):
        length = _bounds(error, field, _LENGTH_OF[kind.removeprefix("string_")], of_length)
        return f"is {as_yaml(given)}; it has to have {length} letters"
    if kind == "literal_error":
        expected = error["ctx"]["expected"]
        known = [name.strip("'") for name in expected.replace(" or ", ", ").split(", ")]
        near = did_you_mean(given, known) if isinstance(given, str) else ""
        return f"is {as_yaml(given)}; it has to be {expected}{near}"
    if kind == "string_pattern_mismatch":
        pattern = error["ctx"]["pattern"]
        return f"is {as_yaml(given)}; it has to be made of {_IN_WORDS.get(pattern, f'what {pattern} matches')}"
    if kind not in _EXPECTED:
        return None
    example = f", such as {as_yaml([given])}" if _EXPECTED[kind] == "a list" and _is_one(given) else ""
    return f"is {as_yaml(given)}, where {_EXPECTED[kind]} is expected{example}"


def _bounds(error: Mapping[str, Any], field: FieldInfo | None, bound: str, words: Callable[..., str]) -> str:
    """Both sides of the range that a value is out of, though an error knows the one that it met."""
    met = {bound: error["ctx"][bound]}
    ranges = bounds_of(field.annotation, field.metadata) if field else ()
    return words(next((one for one in ranges if met.items() <= one.items()), met))


def _entries(count: Any) -> str:
    return "entry" if count == 1 else "entries"


def _is_one(given: Any) -> bool:
    return isinstance(given, str | int | float) and not isinstance(given, bool)


def as_yaml(value: Any) -> str:
    """A value as a file has it, a text in quotes: 'a', 1.5, null, [a, b], {a: 1}."""
    if isinstance(value, str):
        text = repr(value)
    else:
        try:
            text = yaml.safe_dump(_plain(value), default_flow_style=True, width=10**6, sort_keys=False)
        except yaml.YAMLError:  # an object of a caller's
            text = repr(value)
        text = text.removesuffix("...\n").strip()
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]} ..."


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value
