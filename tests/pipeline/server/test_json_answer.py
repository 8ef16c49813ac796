"""Answers as JSON: numbers that lead back to what they were, bytes, rows and columns."""

import json

import numpy as np
import pytest

from pipeline.server.json_answer import encode, shortest
from pipeline.server.refusals import Refusal

MOST = 2**20


def texts(*values: bytes) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def test_numbers_lead_back():
    random = np.random.default_rng(0)
    special = [0, -0.0, 1e-45, 3.4028235e38, 2**24, 0.1, 123456.7, np.inf, -np.inf, np.nan]
    values = np.concatenate([random.random(999), 10 ** random.uniform(-44, 38, 999), special]).astype(np.float32)
    written = json.loads(json.dumps(shortest(values).tolist()))
    np.testing.assert_array_equal(np.array(written, np.float32), values)
    assert json.dumps(shortest(np.float32([0.2, 0.3, 1, 0.123456789])).tolist()) == "[0.2, 0.3, 1.0, 0.123456791]"


def test_large_arrays_are_written_part_by_part():
    values = np.random.default_rng(0).random((2, 300, 300, 2), np.float32)
    read = json.loads(encode({"p": values}, True, MOST))["predictions"]
    np.testing.assert_array_equal(np.array(read, np.float32), values)


@pytest.mark.parametrize(
    ("outputs", "by_row", "text"),
    [
        ({"a": np.array([1, 2])}, True, '{"predictions": [1, 2]}'),
        ({"a": np.array([1, 2])}, False, '{"outputs": [1, 2]}'),
        ({"a": np.array(3.0)}, False, '{"outputs": 3.0}'),
        ({"a": np.zeros((2, 0))}, True, '{"predictions": [[], []]}'),
        ({"a": np.zeros((0, 2))}, True, '{"predictions": []}'),
        ({"b": np.array([1]), "a": np.array([True])}, True, '{"predictions": [{"a": true, "b": 1}]}'),
        ({"b": np.array([1]), "a": np.array([2])}, False, '{"outputs": {"a": [2], "b": [1]}}'),
        ({"a": texts(b"x\0")}, True, r'{"predictions": ["x\u0000"]}'),
        ({"a_bytes": texts(b"\xff\0")}, True, '{"predictions": [{"b64": "/wA="}]}'),
    ],
)
def test_rows_and_columns(outputs, by_row, text):
    assert encode(outputs, by_row, MOST) == text.encode()


def test_rows_of_different_number():
    with pytest.raises(Refusal, match="Tensor name: b has inconsistent batch size: 2 expecting: 1"):
        encode({"a": np.zeros(1), "b": np.zeros(2)}, True, MOST)


def test_an_answer_that_would_be_too_long():
    with pytest.raises(Refusal, match="the answer holds 9 numbers, and 8 are written as JSON") as refusal:
        encode({"a": np.zeros(9)}, False, 8)
    assert refusal.value.http_status == 400
