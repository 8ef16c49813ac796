"""The gRPC API of TF Serving: PredictionService.Predict and GetModelMetadata, ModelService.GetModelStatus."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc import StatusCode
from tensorflow_serving.apis import model_service_pb2_grpc, predict_pb2, prediction_service_pb2_grpc

from pipeline.server.admission import Admission
from pipeline.server.descriptions import metadata_of, status_of
from pipeline.server.limits import Limits
from pipeline.server.prediction import Prediction
from pipeline.server.refusals import Refusal, invalid, place_of
from pipeline.server.servable import Outputs, Signature
from pipeline.server.servables import Servables
from pipeline.server.tensors import from_protos, to_proto
from pipeline.server.token import Token

__all__ = ["build_server"]

_LOG = logging.getLogger(__name__)
_SPARE = 8  # threads beyond those that predictions fill: for states and refusals


def build_server(
    servables: Servables, prediction: Prediction, admission: Admission, token: Token, limits: Limits
) -> grpc.Server:
    """A server of both services, that has no port yet. Messages to it are bounded by `limits.body`; its answers only
    by gRPC's own 2 GB, and clients take 4 MB unless they ask for more.
    """
    server = grpc.server(
        ThreadPoolExecutor(limits.queue + _SPARE, "grpc"),
        interceptors=[_Guard(token)],
        options=[
            ("grpc.max_receive_message_length", limits.body),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
        ],
        maximum_concurrent_rpcs=limits.queue + _SPARE,
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        _PredictionService(servables, prediction, admission), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_ModelService(servables), server)
    return server


class _PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, servables: Servables, prediction: Prediction, admission: Admission) -> None:
        self._servables, self._prediction, self._admission = servables, prediction, admission

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:
        """PredictResponse of a PredictRequest."""
        with self._admission.visit() as visit:
            visit.hold(request.ByteSize())
            return self._answer(request, context.time_remaining())

    def _answer(self, request: Any, seconds: float | None) -> Any:
        limit = self._prediction.limits.timeout
        timeout = limit if seconds is None else min(seconds, limit)
        spec = request.model_spec
        with self._servables.lease(*_spec(spec)) as servable:
            signature = servable.signature(spec.signature_name, StatusCode.FAILED_PRECONDITION)
            chosen = _chosen(request.output_filter, signature)
            future = self._prediction.submit(signature, from_protos(request.inputs), timeout)
            try:
                outputs = future.result(timeout)
            except TimeoutError:
                future.cancel()
                raise Refusal(StatusCode.DEADLINE_EXCEEDED, "the answer took longer than was asked for") from None
        return _response(spec.name, servable.version, signature.name, outputs, chosen)

    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:
        """GetModelMetadataResponse; the one field that is known is `signature_def`."""
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != "signature_def":
                raise invalid(f"Metadata field {field} is not supported")
        with self._servables.lease(*_spec(request.model_spec)) as servable:
            return metadata_of(servable)


class _ModelService(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, servables: Servables) -> None:
        self._servables = servables

    def GetModelStatus(self, request: Any, context: grpc.ServicerContext) -> Any:
        """GetModelStatusResponse of all versions, or of the one that is named."""
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        return status_of(self._servables.states(*_spec(request.model_spec)))


class _Guard(grpc.ServerInterceptor):
    """Around every method: the token, and Refusals as statuses.

    Messages are parsed here: what is none is InvalidArgument, where gRPC itself would speak of an internal error.
    """

    def __init__(self, token: Token) -> None:
        self._token = token

    def intercept_service(self, continuation: Callable[..., Any], handler_call_details: Any) -> Any:
        """The handler of a call, guarded."""
        handler = continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler
        try:
            self._token.require(dict(handler_call_details.invocation_metadata).get("authorization"))
        except Refusal as refusal:
            return _refused(refusal)

        def answer(message: bytes, context: grpc.ServicerContext) -> Any:
            refusal = self._try(handler, message, context)
            return context.abort(refusal.code, refusal.message) if isinstance(refusal, Refusal) else refusal

        return grpc.unary_unary_rpc_method_handler(answer, response_serializer=handler.response_serializer)

    def _try(self, handler: Any, message: bytes, context: grpc.ServicerContext) -> Any:
        try:
            return handler.unary_unary(_parsed(handler, message), context)
        except Refusal as refusal:
            return refusal
        except NotImplementedError:
            return Refusal(StatusCode.UNIMPLEMENTED, "this method is not answered here; ask PredictionService/Predict")
        except Exception as error:
            _LOG.error("a call ended in a defect of the server: %s", place_of(error))
            return Refusal(StatusCode.INTERNAL, "a defect of the server; its log tells where")


def _refused(refusal: Refusal) -> Any:
    """A handler that sends a call away without its message: gRPC reads a stream's messages as they are asked for."""
    return grpc.stream_unary_rpc_method_handler(lambda messages, context: context.abort(refusal.code, refusal.message))


def _parsed(handler: Any, message: bytes) -> Any:
    try:
        return handler.request_deserializer(message)
    except DecodeError:
        raise invalid("the message is none of this method's") from None


def _spec(spec: Any) -> tuple[str, int | None, str]:
    return spec.name, spec.version.value if spec.HasField("version") else None, spec.version_label


def _chosen(names: Sequence[str], signature: Signature) -> list[str]:
    """The outputs that are asked for, in the words of TF Serving's predict_util.cc where they are not there."""
    known = signature.outputs
    for number, name in enumerate(names):
        if name not in known:
            raise invalid(
                f"output tensor alias not found in signature: {name} Outputs expected to be in the set "
                f"{{{','.join(sorted(known))}}}."
            )
        if name in names[:number]:
            raise invalid(f"duplicate output tensor alias: {name}")
    return list(names or known)


def _response(name: str, version: int, signature: str, outputs: Outputs, chosen: Sequence[str]) -> Any:
    response = predict_pb2.PredictResponse()
    response.model_spec.name, response.model_spec.signature_name = name, signature
    response.model_spec.version.value = version
    for output in chosen:
        response.outputs[output].CopyFrom(to_proto(outputs[output]))
    return response
