"""What a server tells of its models: states of versions and signatures, as protos and in TF Serving's JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.server.servable import Servable
from pipeline.server.servables import VersionState

__all__ = ["metadata_json", "metadata_of", "status_json", "status_of"]

_SIGNATURES = "signature_def"


def status_of(states: Sequence[VersionState]) -> Any:
    """A GetModelStatusResponse."""
    from tensorflow_serving.apis import get_model_status_pb2 as protos

    response = protos.GetModelStatusResponse()
    for state in states:
        told = response.model_version_status.add(version=state.version)
        told.state = protos.ModelVersionStatus.State.Value(state.state)
        told.status.error_code = state.code.value[0]
        told.status.error_message = state.message
    return response


def status_json(states: Sequence[VersionState]) -> str:
    """The body of `GET /v1/models/NAME`."""
    return _json(status_of(states))


def metadata_of(servable: Servable) -> Any:
    """A GetModelMetadataResponse with the signatures."""
    from tensorflow_serving.apis import get_model_metadata_pb2 as protos

    response = protos.GetModelMetadataResponse()
    response.model_spec.name = servable.name
    response.model_spec.version.value = servable.version
    response.metadata[_SIGNATURES].Pack(_signatures(servable))
    return response


def metadata_json(servable: Servable) -> str:
    """The body of `GET /v1/models/NAME/metadata`."""
    spec = _json(metadata_of(servable).model_spec)
    signatures = _json(_signatures(servable))
    return f'{{\n"model_spec": {spec},\n"metadata": {{"{_SIGNATURES}": {signatures}}}\n}}\n'


def _signatures(servable: Servable) -> Any:
    from tensorflow_serving.apis import get_model_metadata_pb2 as protos

    several = protos.SignatureDefMap()
    for name, definition in servable.definitions.items():
        several.signature_def[name].CopyFrom(definition)
    return several


def _json(message: Any) -> str:
    from google.protobuf import json_format

    return json_format.MessageToJson(
        message, always_print_fields_with_no_presence=True, preserving_proto_field_name=True
    )
