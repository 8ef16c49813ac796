"""The schema of a data config, with the options of each format of annotations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import reduce
from importlib import import_module
from operator import or_
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from pipeline.schema.draft7 import Schema, document
from pipeline.schema.settings_definitions import Definitions, extends
from spine.annotations import FORMATS
from spine.intake.config import AnnotationSource, DataConfig

__all__ = ["READERS", "data_schema", "options_of"]

READERS: Mapping[str, tuple[str, str]] = {
    **{name: (module, "read") for name, module in FORMATS.items()},
    "spider": ("spine.intake.spider", "read_release"),
    "dicom-seg": ("spine.intake.dicom_seg", "read_segmentations"),
}


def data_schema() -> Schema:
    """The JSON Schema of data configs."""
    options = {name: _options(name) for name in READERS}
    definitions = Definitions.of_settings([AnnotationSource, *options.values()])
    schemas = {**definitions.schemas}
    schemas[definitions.names[AnnotationSource]] = _annotations(definitions, options)
    properties = schemas[definitions.names[DataConfig]]["properties"]
    properties["extends"] = extends(properties)
    root = {
        "allOf": [definitions.reference(DataConfig)],
        "anyOf": [{"required": ["sources"]}, {"required": ["dataset", "crop"]}, {"required": ["extends"]}],
    }
    return document(root, schemas, "A data config of spine-ensemble")


def options_of(read: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The keywords of a format's reader, which a data config may give beside `format`, `path` and `join`."""
    parameters = inspect.signature(read).parameters
    return {name: one for name, one in parameters.items() if one.kind is one.KEYWORD_ONLY}


def _annotations(definitions: Definitions, options: Mapping[str, type[BaseModel]]) -> Schema:
    own = definitions.of(AnnotationSource)
    own["properties"]["format"]["enum"] = list(options)
    return {
        "type": "object",
        "required": own["required"],
        "properties": own["properties"],
        "allOf": [
            {"if": _is_of(name), "then": _of_format(own, definitions.of(model))} for name, model in options.items()
        ],
    }


def _is_of(format: str) -> Schema:
    return {"required": ["format"], "properties": {"format": {"const": format}}}


def _of_format(own: Schema, options: Schema) -> Schema:
    base: Schema = {key: {} for key in own["properties"]}
    return {**options, "properties": {**base, **options["properties"]}}


def _options(format: str) -> type[BaseModel]:
    """A model whose fields are the keywords of a format's reader."""
    module, function = READERS[format]
    read = getattr(import_module(module), function)
    hints, missing = get_type_hints(read), inspect.Parameter.empty
    fields: dict[str, Any] = {
        name: (_readable(hints[name]), ... if one.default is missing else one.default)
        for name, one in options_of(read).items()
    }
    return create_model(f"options_of_{format}", __config__=ConfigDict(extra="forbid"), **fields)


def _readable(hint: Any) -> Any:
    """The type as pydantic knows it, which has no Collection."""
    if isinstance(hint, UnionType):
        return reduce(or_, map(_readable, get_args(hint)))
    return Sequence[get_args(hint)[0]] if get_origin(hint) is Collection else hint  # type: ignore[misc]
