"""The definitions of all settings models, with what docs/settings.md tells of each key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from pipeline.schema.draft7 import PREFIX, Schema, definitions_of
from pipeline.schema.sections import SECTIONS, meanings
from spine.training.augment import Augmentation
from spine.training.augment.settings import PRESETS

__all__ = ["Definitions", "extends"]


@dataclass(frozen=True)
class Definitions:
    """JSON Schemas by name, and the name of each model's."""

    names: Mapping[type[BaseModel], str]
    schemas: dict[str, Schema]

    @classmethod
    def of_settings(cls, others: Iterable[type[BaseModel]] = ()) -> Definitions:
        """Those of docs/settings.md, and of other models."""
        names, schemas = definitions_of([*SECTIONS.values(), *others])
        told = meanings()
        for section, model in SECTIONS.items():
            properties = schemas[names[model]]["properties"]
            for key in properties.keys() & told[section].keys():
                properties[key] = _described(properties[key], told[section][key])
        schemas[names[Augmentation]] = _with_presets(schemas[names[Augmentation]])
        return cls(names, schemas)

    def of(self, model: type[BaseModel]) -> Schema:
        """The schema of a model."""
        return self.schemas[self.names[model]]

    def reference(self, model: type[BaseModel]) -> Schema:
        """A reference to it."""
        return {"$ref": f"{PREFIX}{self.names[model]}"}

    def add(self, name: str, schema: Schema) -> Schema:
        """A reference to a schema that is kept under this name."""
        self.schemas[name] = schema
        return {"$ref": f"{PREFIX}{name}"}


def _described(schema: Schema, meaning: str) -> Schema:
    """Draft 7 reads nothing beside a reference, so that moves into a list of its own."""
    if "$ref" in schema:
        schema = {"allOf": [{"$ref": schema["$ref"]}], **{key: schema[key] for key in schema if key != "$ref"}}
    return {**schema, "description": meaning}


def _with_presets(augmentation: Schema) -> Schema:
    """A preset's name, or settings that may start from one."""
    preset = {"type": "string", "enum": list(PRESETS)}
    told = {**preset, "description": "a preset; values beside it replace its own"}
    return {"anyOf": [preset, {**augmentation, "properties": {"preset": told, **augmentation["properties"]}}]}


def extends(properties: Mapping[str, Schema]) -> Schema:
    """What a file of settings with these properties may extend: the path of another."""
    return {"type": "string", "minLength": 1, "description": properties["extends"]["description"]}
