"""A model over TF Serving's gRPC API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pipeline.client.address import Address, Spec
from pipeline.client.refusals import ServerError
from pipeline.client.signatures import Inputs, Output, Served
from spine.core.problems import SpineError
from spine.core.quiet import silence_tensorflow

__all__ = ["OverGrpc"]

# A mask of 512 x 640 pixels and 4 classes is 5 MB as probabilities; gRPC takes 4 MB where nothing is said.
_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),  # no proxy gets to see a picture
)


class OverGrpc:
    """Asks for those outputs that are wanted, and takes messages of any size."""

    def __init__(self, address: Address, token: str, timeout: float) -> None:
        silence_tensorflow()
        import grpc
        from tensorflow_serving.apis import prediction_service_pb2_grpc

        self.server, self._timeout = address.server, timeout
        self._metadata = [("authorization", f"Bearer {token}")] if token else []
        if address.scheme == "grpcs":
            self._channel = grpc.secure_channel(address.authority, grpc.ssl_channel_credentials(), _OPTIONS)
        else:
            self._channel = grpc.insecure_channel(address.authority, _OPTIONS)
        self._service = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)

    def served(self, spec: Spec) -> Served:
        """What is told of a version; ServerError where there is none."""
        from tensorflow_serving.apis import get_model_metadata_pb2

        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        _fill(request.model_spec, spec)
        answer = self._call(self._service.GetModelMetadata, request)
        told = get_model_metadata_pb2.SignatureDefMap()
        if not answer.metadata["signature_def"].Unpack(told):
            raise SpineError(f"{self.server} tells no signatures of {spec.name}; see what answers at this address")
        signatures = {name: _outputs(one) for name, one in told.signature_def.items()}
        return Served(answer.model_spec.version.value, signatures)

    def predict(
        self, spec: Spec, signature: str, inputs: Inputs, outputs: Mapping[str, Output]
    ) -> dict[str, np.ndarray]:
        """Those outputs of a signature, by name."""
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest(output_filter=list(outputs))
        _fill(request.model_spec, spec)
        request.model_spec.signature_name = signature
        for name, values in inputs.items():
            is_array = isinstance(values, np.ndarray)
            tensor = tf.make_tensor_proto(values) if is_array else tf.make_tensor_proto(list(values), tf.string)
            request.inputs[name].CopyFrom(tensor)
        answer = self._call(self._service.Predict, request)
        if lacking := sorted(outputs.keys() - answer.outputs.keys()):
            raise SpineError(f"the answer of {self.server} lacks the outputs {lacking}; see what answers there")
        try:
            return {name: tf.make_ndarray(answer.outputs[name]) for name in outputs}
        except (TypeError, ValueError) as error:
            raise SpineError(f"the answer of {self.server} holds no whole tensors ({error}); ask again") from None

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def _call(self, method: Callable[..., Any], request: Any) -> Any:
        import grpc

        try:
            return method(request, timeout=self._timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            words = error.details() or ""
            too_large = "larger than max" in words
            raise ServerError(self.server, error.code().name, words, final=too_large) from None


def _fill(model_spec: Any, spec: Spec) -> None:
    model_spec.name = spec.name
    if spec.version is not None:
        model_spec.version.value = spec.version
    elif spec.label:
        model_spec.version_label = spec.label


def _outputs(signature: Any) -> dict[str, Output]:
    from tensorflow.core.framework import types_pb2

    return {
        name: Output(
            types_pb2.DataType.Name(info.dtype),
            None if info.tensor_shape.unknown_rank else tuple(axis.size for axis in info.tensor_shape.dim),
        )
        for name, info in signature.outputs.items()
    }
