"""Mutations of JSON and YAML: a value replaced, a key dropped, told twice or renamed, a list shortened, bombs."""

from __future__ import annotations

import json
from typing import Any

import yaml

from tests.hostile.values import TOKENS, Random

__all__ = ["MUTATIONS"]

_RAW = "raw~"  # marks a text that is written as a token of its own
_TWICE = "twice~"  # marks a key whose mark is taken off again when it is written


def replace_a_value(data: bytes, random: Random) -> bytes:
    tree, places = _parsed(data)
    holder, key = random.choice(places)
    holder[key] = _RAW
    return _written(tree, random.choice(TOKENS))


def replace_a_number(data: bytes, random: Random) -> bytes:
    tree, places = _parsed(data)
    numbers = [(holder, key) for holder, key in places if isinstance(holder[key], (int, float))]
    holder, key = random.choice(numbers or places)
    holder[key] = _RAW
    return _written(tree, random.choice(TOKENS))


def drop_a_key(data: bytes, random: Random) -> bytes:
    tree, places = _parsed(data)
    holder, key = _keyed(places, random)
    del holder[key]
    return _written(tree)


def rename_a_key(data: bytes, random: Random) -> bytes:
    tree, places = _parsed(data)
    holder, key = _keyed(places, random)
    holder[random.choice(["", "word", f"{key} ", str(key).upper()])] = holder.pop(key)
    return _written(tree)


def add_a_key(data: bytes, random: Random) -> bytes:
    tree, places = _parsed(data)
    holder, _ = _keyed(places, random)
    holder["word"] = random.choice([None, 1, "x", [], {}])
    return _written(tree)


def tell_a_key_twice(data: bytes, random: Random) -> bytes:
    tree, places = _parsed(data)
    holder, key = _keyed(places, random)
    holder[f"{_TWICE}{key}"] = random.choice([holder[key], None, "word"])
    return _written(tree)


def shorten_a_list(data: bytes, random: Random) -> bytes:
    tree, places = _parsed(data)
    lists = [holder[key] for holder, key in places if isinstance(holder[key], list) and holder[key]]
    if lists:
        del random.choice(lists)[random.choice([0, -1]) :]
    return _written(tree)


def of_another_encoding(data: bytes, random: Random) -> bytes:
    return data.decode().replace("p1", "pä").encode(random.choice(["utf-16", "latin-1", "utf-8-sig", "utf-32"]))


def of_another_top(data: bytes, random: Random) -> bytes:
    return random.choice([b"[]", b"{}", b"null", b"1", b'"word"', b"[" + data + b"]", b"{}{}", b"[[1, 2], [3]]"])


def nest_deeply(data: bytes, random: Random) -> bytes:
    depth = random.choice([500, 100_000])
    opened, closed = random.choice([("[", "]"), ('{"a":', "}")])
    return _with_token(data, random, f"{opened * depth}1{closed * depth}")


def yaml_bomb(data: bytes, random: Random) -> bytes:
    """Billion laughs: each list holds ten of the one before (`copies`), or each mapping merges it."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    return data + "\n".join(["", *lines, ""]).encode()


def yaml_odd_tag(data: bytes, random: Random) -> bytes:
    tags = ("!!python/object/apply:os.getcwd []", "!!timestamp 2001-99-99", "2001-99-99", "!!binary word", "!!int word")
    return _with_token(
        data, random, random.choice([*tags, "!!set {a, b}", "&a [*a]", "0b" + "1" * 9000, "1:" * 90 + "1"])
    )


def _with_token(data: bytes, random: Random, token: str) -> bytes:
    tree, places = _parsed(data)
    holder, key = random.choice(places)
    holder[key] = _RAW
    return _written(tree, token)


def _parsed(data: bytes) -> tuple[Any, list[tuple[Any, Any]]]:
    """The tree, and every place in it: a mapping or list, and the key or index there."""
    is_json = data.lstrip()[:1] in (b"{", b"[")
    tree = json.loads(data) if is_json else yaml.safe_load(data)
    tree = tree if is_json else _Yaml(tree)
    return tree, list(_places(tree))


class _Yaml(dict):
    """A mapping that is written as YAML again."""


def _places(tree: Any) -> Any:
    keys = list(tree) if isinstance(tree, dict) else range(len(tree))
    for key in keys:
        yield tree, key
        if isinstance(tree[key], (dict, list)):
            yield from _places(tree[key])


def _keyed(places: list[tuple[Any, Any]], random: Random) -> tuple[dict[Any, Any], Any]:
    return random.choice([(holder, key) for holder, key in places if isinstance(holder, dict)])


def _written(tree: Any, token: str = "") -> bytes:
    if isinstance(tree, _Yaml):
        text = yaml.safe_dump(dict(tree), sort_keys=False, width=10_000)
    else:
        text = json.dumps(tree, indent=1)
    text = text.replace(_TWICE, "").replace(f'"{_RAW}"', token).replace(_RAW, token)
    return text.encode("utf-8", "surrogatepass")


_OF_BOTH = (
    *(replace_a_value, replace_a_number, drop_a_key, rename_a_key, add_a_key, tell_a_key_twice, shorten_a_list),
    *(of_another_encoding, of_another_top, nest_deeply),
)
_OFTEN = (replace_a_value, replace_a_number)
MUTATIONS = {"json": _OF_BOTH, "yaml": (*_OF_BOTH, yaml_bomb, yaml_odd_tag)}
