"""The schema of what `spine run` takes: an experiment, of any task, with `extends` or `targets`; or a suite."""

from __future__ import annotations

from typing import Any

from pipeline.papers.facts import PAPERS
from pipeline.papers.pack import Pack
from pipeline.schema.draft7 import Schema, document
from pipeline.schema.of_members import members, shared
from pipeline.schema.settings_definitions import Definitions, extends
from spine.experiment.config import Experiment, Foreign
from spine.experiment.loading import Suite
from spine.experiment.targets import OF_A_TARGET
from spine.tasks import TASKS

__all__ = ["experiment_schema"]

EXTENDS = {"required": ["extends"]}


def experiment_schema() -> Schema:
    """The JSON Schema of experiment files and suites.

    What a key may hold is told; what several have to hold together, `spine` itself checks.
    """
    definitions = Definitions.of_settings([Foreign, Suite])
    definitions.of(Suite)["properties"]["pack"] = _pack(definitions)
    experiment = definitions.add("experiment_file", _experiment(definitions))
    root = {"if": {"required": ["experiments"]}, "then": definitions.reference(Suite), "else": experiment}
    return document(root, definitions.schemas, "An experiment or a suite of spine-ensemble")


def _experiment(definitions: Definitions) -> Schema:
    own = definitions.of(Experiment)
    properties = {**own["properties"]}
    properties["task"] = {**properties["task"], "enum": list(TASKS)}
    properties["extends"] = extends(properties)
    properties["targets"] = _targets(properties)
    for key in ("target", "labels"):  # null takes back what the file that it extends has
        properties[key] = {**properties[key], "type": [properties[key]["type"], "null"]}
    for settings in Experiment.sections().values():
        definitions.of(settings)["type"] = ["object", "null"]
    needed = [key for key in own["required"] if key != "labels"]
    complete = {"required": needed, "anyOf": [{"required": ["labels"]}, {"required": ["targets"]}]}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["name"],
        "properties": properties,
        "allOf": [
            {"if": EXTENDS, "else": complete},
            *({"if": _is_of(task), "then": _of_task(task, definitions)} for task in TASKS),
            {"if": {"required": ["task"]}, "else": _of_tasks(list(TASKS), definitions, whole=False)},
        ],
    }


def _pack(definitions: Definitions) -> Schema:
    """A suite has it as a mapping alone, since the rooms that read suites know of no paper."""
    own = definitions.of(Pack)["properties"]
    own["paper"] = {**own["paper"], "enum": list(PAPERS)}
    return definitions.reference(Pack)


def _targets(properties: dict[str, Any]) -> Schema:
    one = {key: properties[key] for key in OF_A_TARGET}
    target = {"type": "object", "additionalProperties": False, "properties": one}
    told = properties["targets"]["description"]
    return {"type": ["object", "null"], "minProperties": 1, "additionalProperties": target, "description": told}


def _is_of(task: str) -> Schema:
    return {"required": ["task"], "properties": {"task": {"const": task}}}


def _of_task(task: str, definitions: Definitions) -> Schema:
    metric = {"properties": {"metric": {"enum": ["", *TASKS[task].metrics.searchable]}}}
    each = {"additionalProperties": {"properties": {"search": metric}}}
    whole = {"if": EXTENDS, "then": _of_tasks([task], definitions, whole=False), "else": _of_tasks([task], definitions)}
    return {"allOf": [whole], "properties": {"search": metric, "targets": each}}


def _of_tasks(tasks: list[str], definitions: Definitions, whole: bool = True) -> Schema:
    return {"properties": {"members": members(tasks, definitions, whole), "shared": shared(tasks, definitions)}}
