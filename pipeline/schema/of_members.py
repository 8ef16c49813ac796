"""The schema of one member of a task, and of what members share: a network, what measures, or an external member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from pipeline.registry import task_settings
from pipeline.schema.draft7 import Schema, merged
from pipeline.schema.settings_definitions import Definitions
from spine.experiment import seeds
from spine.experiment.config import Foreign
from spine.experiment.stages import NAME

__all__ = ["members", "shared"]

SEEDS = {
    "type": "integer",
    "minimum": 1,
    "maximum": seeds.MOST,
    "description": "train so many members of these settings, each with a seed of its own",
}


def members(tasks: Sequence[str], definitions: Definitions, whole: bool) -> Schema:
    """Name -> member, of any of the tasks.

    Not `whole` are those of a file that extends another: which kind a member is may stand there.
    """
    name = "_or_".join(tasks)
    if whole and len(tasks) == 1:
        one = definitions.add(f"{name}_member", _member(tasks[0], definitions))
    else:
        one = definitions.add(f"{name}_member_of_any_kind", _any(tasks, definitions))
    return {"type": "object", "propertyNames": {"pattern": NAME}, "additionalProperties": one}


def shared(tasks: Sequence[str], definitions: Definitions) -> Schema:
    """What the members of any of the tasks start from."""
    own = _with_seeds(merged(definitions.of(task_settings(task)) for task in tasks))
    return definitions.add(f"shared_by_{'_or_'.join(tasks)}", own)


def _member(task: str, definitions: Definitions) -> Schema:
    settings: Any = task_settings(task)
    kind = _with_seeds(merged([definitions.of(settings)]))
    if others := _others(settings):  # offered where a network's name is typed; what they may hold is told below
        kind["properties"]["network"] = {
            **kind["properties"]["network"],
            "enum": [*kind["properties"]["network"]["enum"], *others],
        }
    for network, model in others.items():
        is_one = {"type": "object", "required": ["network"], "properties": {"network": {"const": network}}}
        kind = {"if": is_one, "then": merged([definitions.of(model)]), "else": kind}
    is_external = {"type": "object", "required": ["foreign"]}
    return {"if": is_external, "then": definitions.reference(Foreign), "else": kind}


def _any(tasks: Sequence[str], definitions: Definitions) -> Schema:
    models: list[type[BaseModel]] = [Foreign]
    for task in tasks:
        models += [task_settings(task), *_others(task_settings(task)).values()]
    return _with_seeds(merged(map(definitions.of, models)))


def _others(settings: Any) -> Mapping[str, type[BaseModel]]:
    return getattr(settings, "OF_NETWORKS", {})


def _with_seeds(settings: Schema) -> Schema:
    """A member without settings of its own may be empty."""
    return {**settings, "type": ["object", "null"], "properties": {**settings["properties"], "seeds": SEEDS}}
