"""What a source says about its images: boxes, labels and masks, one reader and one writer a format.

Every format's module has `read(path, *, labels=None, images=None, ...) -> Reading` and `write(annotations, path, ...)`.
`labels` are the known labels: a box of any other is a problem. `images` is the folder of the pictures where it is not
`path` itself; names of images are relative to it. A bad file or record is a `Problem` and the good ones go on; a path
that does not exist or a setting that cannot hold raises SpineError.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from spine.annotations.types import Annotation, Box, Reading
from spine.core.near_names import unknown_name
from spine.core.problems import SpineError

__all__ = [
    "FORMATS",
    "Annotation",
    "Box",
    "Reading",
    "check_options",
    "read_annotations",
    "write_annotations",
    "writer",
]

FORMATS: Mapping[str, str] = {
    "coco": "spine.annotations.coco",
    "folders": "spine.annotations.folders",
    "labelme": "spine.annotations.labelme",
    "labelme-xml": "spine.annotations.labelme_xml",
    "mask": "spine.annotations.mask",
    "table": "spine.annotations.table",
    "tfrecord": "spine.annotations.tfrecord",
    "voc": "spine.annotations.voc",
    "yolo": "spine.annotations.yolo",
}

_LISTS = ("box", "labels", "names", "targets")  # a text would be taken as a list of its letters


def read_annotations(format: str, path: Path | str, **options: Any) -> Reading:
    """Read a source in one of FORMATS; options as its `read` has them. SpineError on an unknown name or option."""
    read = _module(format).read
    check_options(format, read, options)
    if options.get("images") is not None:
        options["images"] = Path(options["images"])
    return read(Path(path), **options)


def write_annotations(format: str, annotations: Iterable[Annotation], path: Path | str, **options: Any) -> None:
    """Write annotations in one of FORMATS; what a format cannot hold, its `write` says."""
    write = writer(format)
    check_options(format, write, options)
    write(annotations, Path(path), **options)


def writer(format: str) -> Callable[..., None]:
    """The `write` of a format in FORMATS."""
    return _module(format).write


def _module(format: str) -> ModuleType:
    if format not in FORMATS:
        raise SpineError(unknown_name("annotation format", format, sorted(FORMATS)))
    return import_module(FORMATS[format])


def check_options(format: str, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """SpineError where options of a format are not keywords of its function, lack one, or are a text for a list."""
    parameters = inspect.signature(function).parameters.values()
    known = {parameter.name: parameter.default for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
    for name in options:
        if name not in known:
            raise SpineError(f"format {format!r} has no option {name!r}; its options are {', '.join(known) or 'none'}")
        if name in _LISTS and isinstance(options[name], str):
            raise SpineError(f"option {name!r} is the text {options[name]!r}; it is a list, such as [{options[name]}]")
    for name, default in known.items():
        if default is inspect.Parameter.empty and name not in options:
            raise SpineError(f"format {format!r} needs the option {name!r}; its options are {', '.join(known)}")
