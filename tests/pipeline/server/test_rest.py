"""The REST API: every route, both formats, and what is refused in whose words."""

import base64
import gzip
import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from spine.images.decoders import png
from spine.images.pictures import encode_png
from tests.pipeline.server.models import picture

PREDICT = "/v1/models/mean:predict"
HALF = [128 / 255, 127 / 255]  # of Mean, of a picture of grey 128


def b64(data: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(data).decode()}


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [b64(picture())]},
        {"instances": [{"image_bytes": b64(picture())}]},
        {"inputs": [b64(picture())]},
        {"inputs": {"image_bytes": [b64(picture())]}},
        {"signature_name": "serving_default", "instances": [b64(picture())]},
        {"signature_name": "image", "instances": [[[[128 / 255]]]]},
        {"signature_name": "image", "inputs": [[[[128 / 255], [128 / 255]]]]},
    ],
    ids=["rows", "named rows", "columns", "named columns", "signature", "image rows", "image columns"],
)
@pytest.mark.parametrize("of", ["", "/versions/1", "/labels/stable", "/labels/canary", "/labels/latest"])
def test_both_formats_of_every_path(client, body, of):
    answer = client.post(f"/v1/models/mean{of}:predict", json=body)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    ((key, rows),) = answer.json().items()
    assert key == ("predictions" if "instances" in body else "outputs")
    np.testing.assert_allclose(rows, [HALF], atol=1e-6)


def test_several_outputs_are_named(client):
    answer = client.post("/v1/models/halves:predict", json={"instances": [b64(picture(200, 1, 2))] * 2})
    rows = answer.json()["predictions"]
    assert [row["mask"] for row in rows] == [[[1, 1]]] * 2
    assert np.shape(rows[0]["probabilities"]) == (1, 2, 2)
    columns = client.post("/v1/models/halves:predict", json={"inputs": [b64(picture(200, 1, 2))]}).json()["outputs"]
    assert columns == {name: [rows[0][name]] for name in ("mask", "probabilities")}


def test_types_go_there_and_back(client):
    row = {"text": "é", "real": [1, 0.2], "count": 3, "flag": True}
    (answer,) = client.post("/v1/models/echo:predict", json={"instances": [row]}).json()["predictions"]
    assert answer == {**row, "raw_bytes": b64("é".encode())}
    text = client.post("/v1/models/echo:predict", json={"instances": [row]}).text
    assert "[1.0, 0.2]" in text


def test_a_number_that_is_none_is_written_as_such(client):
    sent = b'{"signature_name": "image", "inputs": [[NaN, 1]]}'
    assert client.post("/v1/models/echo:predict", content=sent).text == '{"outputs": NaN}'


def test_a_body_packed_by_gzip(client):
    body = gzip.compress(json.dumps({"instances": [b64(picture())]}).encode())
    assert client.post(PREDICT, content=body, headers={"content-encoding": "gzip"}).status_code == 200
    for wrong in (body[:-9], b"none"):
        answer = client.post(PREDICT, content=wrong, headers={"content-encoding": "gzip"})
        assert (answer.status_code, "gzip" in answer.json()["error"]) == (400, True)
    assert client.post(PREDICT, content=body, headers={"content-encoding": "br"}).status_code == 400


def test_status(client):
    expected = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    for of in ("", "/versions/1", "/labels/stable"):
        assert client.get(f"/v1/models/mean{of}").json() == {"model_version_status": [expected]}


def test_metadata(client):
    told = client.get("/v1/models/mean/versions/1/metadata").json()
    assert told["model_spec"] == {"name": "mean", "signature_name": "", "version": "1"}
    signatures = told["metadata"]["signature_def"]["signature_def"]
    given = signatures["serving_default"]["inputs"]["image_bytes"]
    assert given["dtype"] == "DT_STRING"
    assert given["tensor_shape"] == {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
    assert signatures["image"]["method_name"] == "tensorflow/serving/predict"


def test_health(client):
    assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("POST", "/v1/models/mean", 400, "Malformed request: POST /v1/models/mean"),
        ("POST", "/v1/models/mean:explain", 400, "Malformed request: POST /v1/models/mean:explain"),
        ("GET", "/v1/models/mean:predict", 400, "Malformed request: GET /v1/models/mean:predict"),
        ("DELETE", "/v1/models/mean", 400, "Malformed request: DELETE /v1/models/mean"),
        ("GET", "/v1/models/mean/versions/one", 400, "Malformed request: GET /v1/models/mean/versions/one"),
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("GET", "/v1/models/none", 404, "Could not find any versions of model none"),
        ("GET", "/v1/models/mean/versions/3", 404, "Could not find version 3 of model mean"),
        ("GET", "/v1/models/none/metadata", 404, "Servable not found for request: Latest(none)"),
        ("GET", "/v1/models/mean/labels/blue", 400, "Unrecognized servable version label: blue"),
        ("POST", "/v1/models/none:predict", 404, "Servable not found for request: Latest(none)"),
        ("POST", "/v1/models/mean/versions/3:predict", 404, "Servable not found for request: Specific(mean, 3)"),
        ("POST", "/v1/models/none/versions/3:predict", 404, "Servable not found for request: Specific(none, 3)"),
        ("POST", "/v1/models/mean/labels/blue:predict", 400, "Unrecognized servable version label: blue"),
        ("POST", f"/v1/models/mean/versions/{2**63}:predict", 400, f"Failed to convert version: {2**63} to numeric."),
        ("POST", "/v1/models/mean:classify", 501, "classify is not answered here; send the same model a :predict"),
        ("GET", "/index.html", 404, "Not found: GET /index.html"),
    ],
)
def test_paths_that_lead_nowhere(client, method, path, status, error):
    answer = client.request(method, path, json={"instances": [b64(picture())]})
    assert (answer.status_code, answer.json()) == (status, {"error": error})


OF_FIRST = "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: "


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("", "JSON Parse error: The document is empty"),
        ("{", "JSON Parse error: Expecting property name enclosed in double quotes at offset: 1"),
        ("[]", "JSON Value: [] Is not object"),
        ("{}", "Missing 'inputs' or 'instances' key"),
        ('{"instances": 1}', "JSON Value: {\"instances\": 1} Excepting 'instances' to be an list/array"),
        ('{"instances": []}', "JSON Value: {\"instances\": []} No values in 'instances' array"),
        (
            '{"instances": [], "inputs": []}',
            'JSON Value: {"instances": [], "inputs": []} Not formatted correctly expecting only one of '
            "'inputs' or 'instances' keys to exist ",
        ),
        (
            '{"signature_name": 1}',
            "JSON Value: {\"signature_name\": 1} not formatted correctly. 'signature_name' key must be a string value.",
        ),
        ('{"signature_name": "x"}', 'Serving signature name: "x" not found in signature def'),
        ('{"instances": [1]}', OF_FIRST + "JSON Value: 1 Type: Number is not of expected type: string"),
        ('{"instances": [{"b64": "%"}]}', OF_FIRST + "Unable to base64 decode"),
        (
            '{"instances": [{"other": "a"}]}',
            "Failed to process element: 0 key: other of 'instances' list. Error: JSON object: does not have named "
            "input: other",
        ),
        ('{"inputs": {"other": "a"}}', "Missing named input: image_bytes in 'inputs' object."),
        (
            '{"signature_name": "image", "instances": ["a"]}',
            OF_FIRST + 'JSON Value: "a" Type: String is not of expected type: float',
        ),
        (
            '{"signature_name": "image", "instances": [[1, 2], [3]]}',
            "Failed to process element: 1 of 'instances' list. Error: Expecting tensor size: 2 but got: 1",
        ),
        (
            '{"signature_name": "image", "inputs": [[1, 2], [3]]}',
            "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
        ),
        (
            '{"signature_name": "image", "inputs": [1e39]}',
            "Cannot convert JSON value: 1e+39 to float without loss of precision.",
        ),
        (
            '{"signature_name": "image", "inputs": [16777217]}',
            "Cannot convert JSON value: 16777217 to float without loss of precision.",
        ),
        (
            '{"signature_name": "image", "inputs": [1]}',
            "input 'image' has shape [1], and the signature takes [?, ?, ?, ?]",
        ),
        ('{"signature_name": "image", "inputs": [[[]]]}', "input 'image' has shape [1, 1, 0], and the signature takes "
         "[?, ?, ?, ?]"),
        ("[" * 5000, "JSON Parse error: The document is nested too deeply"),
        ('{"inputs": ' + "[" * 200 + "]" * 200 + "}", "the lists are nested too deeply"),
    ],
)  # fmt: skip
def test_bodies_that_ask_for_nothing(client, body, error):
    answer = client.post(PREDICT, content=body)
    assert (answer.status_code, answer.json()) == (400, {"error": error})


def test_a_bomb_of_lists(client):
    answer = client.post(PREDICT, content=b'{"instances": [' + b"[]," * 2**21 + b"[]]}")
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("the body has 2,097,155 lists and objects")


def test_a_bomb_of_zeros(client):
    body = gzip.compress(b" " * (64 * 2**20 + 1), 1)
    answer = client.post(PREDICT, content=body, headers={"content-encoding": "gzip"})
    assert (answer.status_code, "67,108,864" in answer.json()["error"]) == (413, True)


def test_rows_that_are_not_even(client):
    row = {"text": "a", "real": [1, 2], "count": 3, "flag": True}
    url = "/v1/models/echo:predict"
    (plain, mixed, lacking, late, wrong) = (
        client.post(url, json={"instances": rows}).json()["error"]
        for rows in ([1], [row, 1], [{"text": "a"}], [row, {**row, "real": [1]}], [{**row, "count": 1.5}])
    )
    assert plain.startswith("instances is a plain list, but expecting list of objects as multiple input tensors")
    assert mixed == "Expecting object but got list at item 1 of input list"
    assert lacking.endswith("keys must be equal to: count,flag,real,text")
    assert late == "Failed to process element: 1 of 'instances' list. Error: Expecting tensor size: 2 but got: 1"
    assert wrong.endswith("JSON Value: 1.5 Type: Number is not of expected type: int32")


def short_of_pixels() -> bytes:
    chunks = png._chunks(picture(height=40, width=40), Path("x"))
    chunks[b"IDAT"] = zlib.compress(b"\0" * 100)
    return png._bare(chunks)


@pytest.mark.parametrize(
    ("file", "error"),
    [
        (b"", "image_bytes[0] is empty; send the bytes of a PNG or JPEG file"),
        (b"GIF89a", "image_bytes[0] is not a PNG or JPEG file"),
        (picture()[:-6], "image_bytes[0] is truncated: its end is missing"),
        (picture()[:44] + b"\0\0" + picture()[46:], "image_bytes[0] is damaged: a checksum in it does not hold"),
        (b"\xff\xd8\xff\xe0", "image_bytes[0] is truncated"),
        (short_of_pixels(), "the model cannot answer this input: Invalid PNG data, size"),
        (encode_png(np.zeros((10_000, 10_000), np.uint8)), "the request holds 100,000,000 pixels"),
    ],
    ids=["empty", "gif", "truncated", "damaged", "half a jpeg", "short of pixels", "100 megapixels"],
)
def test_pictures_that_cannot_be_answered(client, file, error):
    answer = client.post(PREDICT, json={"instances": [b64(file)]})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(error)
    assert "/" not in answer.json()["error"]


def test_pixels_count_for_all_pictures_as_networks_pad_them(client):
    row = b64(encode_png(np.zeros((1, 600_000), np.uint8)))
    answer = client.post(PREDICT, json={"instances": [row, row]})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("the request holds 38,400,000 pixels or more, its largest")


def test_pictures_of_two_sizes_in_one_segmentation(client):
    files = [b64(picture()), b64(picture(height=9))]
    answer = client.post("/v1/models/halves:predict", json={"instances": files})
    assert answer.status_code == 400
    assert "the images of one request differ in size" in answer.json()["error"]


def test_an_output_without_rows_cannot_be_asked_for_by_row(client):
    answer = client.post("/v1/models/echo:predict", json={"signature_name": "image", "instances": [[1, 2]]})
    assert (answer.status_code, answer.json()["error"]) == (400, "Tensor name: sum has no shape information ")


def test_no_picture_is_answered_with_no_rows(client):
    assert client.post(PREDICT, json={"inputs": []}).json() == {"outputs": []}


def test_inputs_of_other_numbers_of_rows_are_refused_by_both(client):
    columns = {"text": ["a", "b", "c"], "real": [[1, 2]], "count": [1, 2, 3], "flag": [True] * 3}
    answer = client.post("/v1/models/echo:predict", json={"inputs": columns})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("the request has 3 of 'count', 3 of 'flag', 1 of 'real', 3 of 'text':")


def test_more_rows_than_are_answered_are_refused(client):
    for count, status in ((2**15, 200), (2**15 + 1, 400)):
        columns = {"text": [""] * count, "real": [[0, 0]] * count, "count": [0] * count, "flag": [True] * count}
        answer = client.post("/v1/models/echo:predict", json={"inputs": columns})
        assert answer.status_code == status
    assert answer.json()["error"] == "the request has 32,769 rows, and 32,768 can be answered; send it in parts"
