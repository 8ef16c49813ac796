"""What a YOLO folder tells beside its label files: the classes' names and the shape of key points.

Both stand in `data.yaml` (Ultralytics, Roboflow); names alone in `classes.txt` (LabelImg), `obj.names` or another file
of that suffix (Darknet), or `_darknet.labels` (Roboflow). Format: https://docs.ultralytics.com/datasets/pose
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spine.annotations.safe_json import brief_repr
from spine.annotations.text_file import read_text
from spine.annotations.types import Malformed
from spine.core.numbers import whole
from spine.core.problems import SpineError, brief, fault_of
from spine.core.yaml_files import parse_yaml

__all__ = ["CLASS_LISTS", "FolderInfo", "read_info"]

CLASS_LISTS = ("classes.txt", "_darknet.labels")
_MOST_LETTERS = 2**20  # of a data.yaml: a thousand names are some tens of thousands


@dataclass(frozen=True)
class FolderInfo:
    """The names of the classes from 0, and the number of key points with the numbers of each, 2 or 3.

    `key_points` is None where nothing is told of them, and (0, 2) where it is told that there are none; `fault` tells
    of a file whose `kpt_shape` does not hold.
    """

    names: tuple[str, ...]
    key_points: tuple[int, int] | None = None
    fault: tuple[Path, str] | None = None


def read_info(
    path: Path, files: Sequence[Path], names: Collection[str] | None, label_files: Collection[Path]
) -> FolderInfo:
    """What the files below a folder tell; `names`, where given, hold in place of theirs. `label_files` are of pictures.

    SpineError where no file tells the names, one does not hold, or two tell different ones.
    """
    yamls = [(file, content) for file in _yaml_files(path, files) if (content := _mapping(file)) is not None]
    lists = [file for file in files if _lists_classes(file) and file not in label_files]
    classes = tuple(names) if names else _names(path, yamls, lists)
    shapes = {file: content["kpt_shape"] for file, content in yamls if content.get("kpt_shape") not in (None, *_NONE)}
    try:
        key_points = {file: _shape(shape) for file, shape in shapes.items()}
    except ValueError as error:
        file = next(iter(shapes))
        return FolderInfo(classes, fault=(file, f"kpt_shape is {brief_repr(shapes[file])}: {error}"))
    if len(set(key_points.values())) > 1:
        return FolderInfo(classes, fault=(path, f"kpt_shape differs: {_values_by_file(key_points)}"))
    return FolderInfo(classes, next(iter(key_points.values()), None))


_NONE = ("", "~", "null", "Null", "NULL")  # what YAML writes for nothing


def _names(path: Path, yamls: list[tuple[Path, dict[str, Any]]], lists: list[Path]) -> tuple[str, ...]:
    by_file = {file: _names_of(file, content["names"]) for file, content in yamls if "names" in content}
    by_file |= {file: tuple(line.strip() for line in _text(file).strip().splitlines()) for file in lists}
    if not by_file:
        lacks = f"{yamls[0][0]} tells no names" if yamls else f"{path} has neither data.yaml nor classes.txt"
        raise SpineError(f"{lacks}; give `names`, the classes from index 0")
    longest = max(by_file.values(), key=len)
    if any(some != longest[: len(some)] for some in by_file.values()):
        raise SpineError(
            f"{path} tells different names of classes: {_values_by_file(by_file)}; remove one, or give `names`"
        )
    return longest


def _lists_classes(file: Path) -> bool:
    return file.name in CLASS_LISTS or file.suffix == ".names"


def _values_by_file(told: Mapping[Path, tuple[Any, ...]]) -> str:
    return " and ".join(f"{file.name} tells {brief(', '.join(map(str, value)), 80)}" for file, value in told.items())


def _yaml_files(path: Path, files: Iterable[Path]) -> list[Path]:
    """`data.yaml` wherever it lies below `path`, and any other of its suffix in `path` itself."""
    yamls = [file for file in files if file.suffix in (".yaml", ".yml")]
    return [file for file in yamls if file.stem == "data" or file.parent == path]


def _mapping(file: Path) -> dict[str, Any] | None:
    """The content of a YAML file; None of one that is no data.yaml, by its name and by what it holds."""
    try:
        content = _parsed(file)
    except SpineError:
        if file.stem == "data":
            raise
        return None
    if isinstance(content, dict):
        return content
    if file.stem == "data":
        raise SpineError(f"{file} tells no names; write `names: [first, second]` in it")
    return None


def _parsed(file: Path) -> Any:
    text = _text(file)
    try:
        if len(text) > _MOST_LETTERS:
            raise ValueError(f"it has {len(text):,} letters")
        return parse_yaml(text, texts=True)  # texts, since `no` may name a class
    except ValueError as error:
        raise SpineError(f"{file} tells no names ({fault_of(error)}); write `names: [first, second]` in it") from error


def _names_of(path: Path, names: Any) -> tuple[str, ...]:
    if isinstance(names, dict) and set(names) == {str(index) for index in range(len(names))}:
        names = [names[str(index)] for index in range(len(names))]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise SpineError(f"{path} holds names {brief_repr(names)}; a list, or a mapping from 0, 1, 2 ... is expected")
    return tuple(names)


def _shape(told: Any) -> tuple[int, int]:
    if not isinstance(told, list) or len(told) != 2:
        raise ValueError("it holds two numbers, how many key points and how many numbers each")
    count, numbers = map(whole, told)
    if count < 0 or numbers not in (2, 3):
        raise ValueError("it holds how many key points, and 2 or 3 numbers each")
    return count, numbers


def _text(file: Path) -> str:
    try:
        return read_text(file)
    except Malformed as error:
        raise SpineError(f"{file} {error}; {error.advice}") from error
