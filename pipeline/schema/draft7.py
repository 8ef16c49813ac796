"""JSON Schemas of pydantic models, in the draft that editors read: draft 7."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

__all__ = ["DIALECT", "PREFIX", "Schema", "definitions_of", "document", "merged"]

Schema: TypeAlias = dict[str, Any]
DIALECT = "http://json-schema.org/draft-07/schema#"
PREFIX = "#/$defs/"


class _Draft7(GenerateJsonSchema):
    """Pydantic's own, without titles made of keys, and with lists of fixed length as draft 7 writes them."""

    schema_dialect = DIALECT

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never: an editor shows the key itself."""
        return False

    def default_schema(self, schema: Any) -> Schema:
        """Without a default that JSON cannot hold: no number, as what was not measured is."""
        own = super().default_schema(schema)
        if "NaN" in json.dumps(own.get("default")):
            del own["default"]
        return own

    def nullable_schema(self, schema: Any) -> Schema:
        """A plain value or null as one kind, so that what is wrong is told of the value itself."""
        own = self.generate_inner(schema["schema"])
        if "enum" in own or "const" in own or not isinstance(own.get("type"), str):
            return super().nullable_schema(schema)
        return {**own, "type": [own["type"], "null"]}

    def tuple_schema(self, schema: Any) -> Schema:
        """A list of a fixed length has a schema an item."""
        own = super().tuple_schema(schema)
        if "prefixItems" in own:
            own["items"] = own.pop("prefixItems")
        return own


def definitions_of(models: Iterable[type[BaseModel]]) -> tuple[dict[type[BaseModel], str], dict[str, Schema]]:
    """Model -> the name of its definition, and all definitions that they need, by name."""
    models = list(models)
    references, whole = models_json_schema([(model, "validation") for model in models], schema_generator=_Draft7)
    names = {model: references[model, "validation"]["$ref"].removeprefix(PREFIX) for model in models}
    return names, whole["$defs"]


def document(root: Schema, definitions: Mapping[str, Schema], title: str) -> Schema:
    """One schema file: the root, and of the definitions those that it needs."""
    return {"$schema": DIALECT, "title": title, **root, "$defs": _needed(root, definitions)}


def merged(schemas: Iterable[Schema]) -> Schema:
    """Of several kinds of mapping, one that has the keys of them all, none of them required."""
    properties: dict[str, list[Schema]] = {}
    for schema in schemas:
        for key, value in schema["properties"].items():
            known = properties.setdefault(key, [])
            if value not in known:
                known.append(value)
    one = {key: kinds[0] if len(kinds) == 1 else {"anyOf": kinds} for key, kinds in properties.items()}
    return {"type": "object", "additionalProperties": False, "properties": one}


def _needed(root: Schema, definitions: Mapping[str, Schema]) -> dict[str, Schema]:
    needed: dict[str, Schema] = {}
    waiting = list(_references(root))
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed[name] = definitions[name]
            waiting += _references(definitions[name])
    return {name: needed[name] for name in definitions if name in needed}


def _references(schema: Any) -> Iterable[str]:
    if isinstance(schema, Mapping):
        if isinstance(reference := schema.get("$ref"), str):
            yield reference.removeprefix(PREFIX)
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from _references(part)
