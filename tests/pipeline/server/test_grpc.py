"""The gRPC API, through the stubs that tensorflow-serving-api ships."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tests.pipeline.server.models import picture


@pytest.fixture(scope="module")
def channel(served):
    with grpc.insecure_channel(served.grpc_address) as channel:
        yield channel


@pytest.fixture(scope="module")
def stub(channel):
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


def request_of(name="mean", signature="", **inputs) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = name, signature
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return request


def refusal_of(call, request) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as error:
        call(request, timeout=30)
    return error.value.code().name, error.value.details()


def test_predict(stub):
    response = stub.Predict(request_of(image_bytes=[picture(), picture(255)]), timeout=30)
    rows = tf.make_ndarray(response.outputs["probabilities"])
    np.testing.assert_allclose(rows, [[128 / 255, 127 / 255], [1, 0]], atol=1e-6)
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("mean", 1, "serving_default")


def test_labels_versions_and_signatures(stub):
    request = request_of(signature="image", image=np.ones((1, 2, 2, 1), np.float32))
    request.model_spec.version_label = "stable"
    np.testing.assert_array_equal(tf.make_ndarray(stub.Predict(request).outputs["probabilities"]), [[1, 0]])
    request.model_spec.version.value = 1
    assert stub.Predict(request).model_spec.version.value == 1
    request.model_spec.version.value = 3
    assert refusal_of(stub.Predict, request) == ("NOT_FOUND", "Servable not found for request: Specific(mean, 3)")
    request.model_spec.version_label = "blue"
    assert refusal_of(stub.Predict, request) == ("INVALID_ARGUMENT", "Unrecognized servable version label: blue")


def test_a_mask_larger_than_a_client_takes_by_default(served):
    large = ("grpc.max_receive_message_length", -1)
    request = request_of("halves", image_bytes=[picture(200, 800, 800)])
    with grpc.insecure_channel(served.grpc_address, [large]) as channel:
        response = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=30)
    assert tf.make_ndarray(response.outputs["probabilities"]).shape == (1, 800, 800, 2)


def test_chosen_outputs(stub):
    request = request_of("halves", image_bytes=[picture()])
    request.output_filter.append("mask")
    assert list(stub.Predict(request).outputs) == ["mask"]
    request.output_filter.append("mask")
    assert refusal_of(stub.Predict, request) == ("INVALID_ARGUMENT", "duplicate output tensor alias: mask")
    request.output_filter[:] = ["none"]
    assert refusal_of(stub.Predict, request)[1].startswith("output tensor alias not found in signature: none")


@pytest.mark.parametrize(
    ("request_", "code", "details"),
    [
        (request_of("none"), "NOT_FOUND", "Servable not found for request: Latest(none)"),
        (request_of(signature="none"), "FAILED_PRECONDITION", 'Serving signature key "none" not found.'),
        (request_of(), "INVALID_ARGUMENT", "input size does not match signature: 0!=1 len({}) != len({image_bytes})"),
        (request_of(other=["a"]), "INVALID_ARGUMENT", "input tensor alias not found in signature: other. Inputs"),
        (request_of(image_bytes=[1.0]), "INVALID_ARGUMENT", "input 'image_bytes' is of type float32"),
        (request_of(image_bytes="a"), "INVALID_ARGUMENT", "input 'image_bytes' has shape [], and the signature"),
        (request_of(image_bytes=["a"]), "INVALID_ARGUMENT", "image_bytes[0] is not a PNG or JPEG file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_cannot_be_predicted(stub, request_, code, details):
    told = refusal_of(stub.Predict, request_)
    assert told[0] == code
    assert told[1].startswith(details)


def test_a_tensor_that_states_more_than_it_holds(stub):
    request = request_of(signature="image", image=np.ones((1, 1, 1, 1), np.float32))
    for size, why in ((10**9, "would take more than"), (-3, "states no whole shape")):
        request.inputs["image"].tensor_shape.dim[1].size = size
        code, details = refusal_of(stub.Predict, request)
        assert (code, why in details) == ("INVALID_ARGUMENT", True)


def test_one_picture_that_is_said_to_be_there_a_million_times(stub):
    request = request_of(image_bytes=[picture()])
    request.inputs["image_bytes"].tensor_shape.dim[0].size = 10**6
    code, details = refusal_of(stub.Predict, request)
    assert code == "INVALID_ARGUMENT"
    assert "pixels or more" in details or "no tensor that can be read" in details


def test_metadata(stub):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    assert refusal_of(stub.GetModelMetadata, request) == ("INVALID_ARGUMENT", "Missing ModelSpec")
    request.model_spec.name = "mean"
    response = stub.GetModelMetadata(request)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert set(signatures.signature_def) >= {"serving_default", "image"}
    request.metadata_field.append("more")
    assert refusal_of(stub.GetModelMetadata, request)[1] == "Metadata field more is not supported"


def test_status(channel):
    call = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus
    request = get_model_status_pb2.GetModelStatusRequest()
    assert refusal_of(call, request) == ("INVALID_ARGUMENT", "Missing ModelSpec")
    request.model_spec.name = "mean"
    (state,) = call(request).model_version_status
    assert (state.version, state.state) == (1, get_model_status_pb2.ModelVersionStatus.AVAILABLE)
    request.model_spec.name = "none"
    assert refusal_of(call, request) == ("NOT_FOUND", "Could not find any versions of model none")


def test_methods_that_are_not_answered(stub):
    request = classification_pb2.ClassificationRequest()
    assert refusal_of(stub.Classify, request)[0] == "UNIMPLEMENTED"


def test_a_message_that_is_none(channel):
    call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    assert refusal_of(call, b"\xff\xff")[0] == "INVALID_ARGUMENT"
