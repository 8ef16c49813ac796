"""Choices of a member's settings by name, each an entry of a task's table. Cheap to import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import core_schema

from spine.core.near_names import unknown_name

__all__ = ["NameIn"]


@dataclass(frozen=True)
class NameIn:
    """Of a setting, as in `Annotated[str, NameIn(NETWORKS, "network")]`: a name that the table has.

    The JSON Schema of the settings lists the table's names, so that editors offer them.
    """

    table: Mapping[str, Any]
    what: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        """The text, which must be one of the names."""
        return core_schema.no_info_after_validator_function(self._require_known, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """The text, one of the names."""
        return {**handler(schema), "enum": sorted(self.table)}

    def _require_known(self, name: str) -> str:
        """The name; ValueError, which lists those of the table, where it is none of them."""
        names = sorted(self.table)
        if name not in names:
            raise ValueError(unknown_name(self.what, name, names))
        return name
