"""JSON Schemas of the files that people write and that runs write, made of the models that read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import BaseModel

from pipeline.schema.draft7 import Schema, definitions_of, document
from pipeline.schema.of_data import data_schema
from pipeline.schema.of_experiments import experiment_schema
from pipeline.schema.settings_definitions import Definitions
from spine.core.near_names import unknown_name
from spine.core.problems import SpineError

__all__ = ["KINDS", "schema_of"]


def schema_of(kind: str) -> Schema:
    """The JSON Schema (draft 7) of a kind of file; SpineError where the kind is none of KINDS."""
    if kind not in KINDS:
        raise SpineError(unknown_name("schema", kind, KINDS))
    return KINDS[kind]()


def _case() -> Schema:
    from ensemble.case.config import CaseSettings

    definitions = Definitions.of_settings()
    return document(definitions.reference(CaseSettings), definitions.schemas, "A case of spine-ensemble")


def _weights() -> Schema:
    from ensemble.results.found_weights import FoundWeights

    return _written(FoundWeights, "weights.json of spine-ensemble")


def _metrics() -> Schema:
    from ensemble.results import evaluation

    tasks: list[type[BaseModel]] = [
        evaluation.ClassificationEvaluation,
        evaluation.SegmentationEvaluation,
        evaluation.DetectionEvaluation,
    ]
    names, schemas = definitions_of(tasks)
    return document(
        {"anyOf": [{"$ref": f"#/$defs/{names[task]}"} for task in tasks]}, schemas, "metrics.json of spine-ensemble"
    )


def _member() -> Schema:
    from spine.member.member import Card

    return _written(Card, "member.json of spine-ensemble")


def _written(model: type[BaseModel], title: str) -> Schema:
    names, schemas = definitions_of([model])
    return document({"$ref": f"#/$defs/{names[model]}"}, schemas, title)


KINDS: Mapping[str, Callable[[], Schema]] = {
    "experiment": experiment_schema,
    "data": data_schema,
    "case": _case,
    "weights": _weights,
    "metrics": _metrics,
    "member": _member,
}
