"""The queue: what goes together, what is refused, and what is given up."""

import threading
import time

import numpy as np
import pytest
from grpc import StatusCode

from pipeline.server.batching import Batcher, Task
from pipeline.server.limits import Limits
from pipeline.server.refusals import Refusal, invalid


class Doubles:
    """A signature that doubles numbers once it may; negative ones it refuses. `batches` are the rows it was given."""

    def __init__(self):
        self.may_answer, self.batches = threading.Event(), []
        self.entered = threading.Semaphore(0)

    def __call__(self, inputs):
        self.entered.release()
        assert self.may_answer.wait(30)
        if inputs["x"].any():
            self.batches.append(inputs["x"].tolist())
        if (inputs["x"] < 0).any():
            raise invalid("negative")
        return {"y": 2 * inputs["x"]}


@pytest.fixture
def batcher_of():
    batchers = []

    def make(**limits):
        batchers.append(Batcher(Limits(**{"delay": 0.0, **limits})))
        return batchers[-1]

    yield make
    for batcher in batchers:
        batcher.close()


def task(signature, *numbers, key="k", seconds=30.0, pixels=1):
    return Task(signature, {"x": np.array(numbers)}, len(numbers), pixels, key, time.monotonic() + seconds)


def occupied(batcher) -> Doubles:
    """A signature that keeps both threads of a batcher busy until it may answer."""
    signature = Doubles()
    for _ in range(2):
        batcher.submit(task(signature, 0, key=None))
        assert signature.entered.acquire(timeout=30)
    return signature


def results(signature, futures):
    signature.may_answer.set()
    return [future.result(30)["y"].tolist() for future in futures]


def test_rows_of_one_key_go_together_up_to_a_size(batcher_of):
    batcher = batcher_of(batch=3)
    signature = occupied(batcher)
    futures = [batcher.submit(task(signature, *numbers)) for numbers in ((1,), (2,), (3, 4), (5,))]
    assert results(signature, futures) == [[2], [4], [6, 8], [10]]
    assert sorted(signature.batches) == [[1, 2], [3, 4, 5]]


def test_other_keys_and_many_pixels_go_apart(batcher_of):
    batcher = batcher_of(pixels=10)
    signature = occupied(batcher)
    several = (task(signature, 1), task(signature, 2, key="other"), task(signature, 3, key=None))
    large = (task(signature, 4, pixels=6), task(signature, 5, pixels=6))
    assert results(signature, [batcher.submit(one) for one in (*several, *large)]) == [[2], [4], [6], [8], [10]]
    assert sorted(signature.batches) == [[1, 4], [2], [3], [5]]


def test_a_first_row_waits_for_others(batcher_of):
    batcher = batcher_of(delay=30.0, batch=2)
    signature = Doubles()
    futures = [batcher.submit(task(signature, 1)), batcher.submit(task(signature, 2))]
    assert results(signature, futures) == [[2], [4]]
    assert signature.batches == [[1, 2]]


def test_nobody_pays_for_another(batcher_of):
    batcher = batcher_of()
    signature = occupied(batcher)
    good, bad = batcher.submit(task(signature, 1)), batcher.submit(task(signature, -1))
    assert results(signature, [good]) == [[2]]
    with pytest.raises(Refusal, match="negative"):
        bad.result(30)


def test_an_answer_of_other_rows_is_asked_for_alone(batcher_of):
    batcher = batcher_of()
    signature = occupied(batcher)
    summed = type("Sums", (), {"__call__": lambda self, inputs: {"y": inputs["x"].sum(keepdims=True)}})()
    futures = [batcher.submit(task(summed, *numbers)) for numbers in ((1, 2), (3, 4))]
    assert results(signature, futures) == [[3], [7]]


def test_a_full_queue_refuses(batcher_of):
    batcher = batcher_of(queue=3)
    signature = occupied(batcher)
    waiting = batcher.submit(task(signature, 1))
    with pytest.raises(Refusal, match="The batch scheduling queue to which this task was submitted is full") as refusal:
        batcher.submit(task(signature, 2))
    assert (refusal.value.code, refusal.value.http_status) == (StatusCode.RESOURCE_EXHAUSTED, 429)
    assert results(signature, [waiting]) == [[2]]
    assert results(signature, [batcher.submit(task(signature, 3))]) == [[6]]


def test_what_waited_too_long_is_given_up(batcher_of):
    batcher = batcher_of()
    signature = occupied(batcher)
    late = batcher.submit(task(signature, 1, seconds=0.0))
    signature.may_answer.set()
    with pytest.raises(Refusal, match="the request waited too long") as refusal:
        late.result(30)
    assert refusal.value.http_status == 504


def test_a_closed_queue_answers_what_it_holds(batcher_of):
    batcher = batcher_of()
    signature = occupied(batcher)
    future = batcher.submit(task(signature, 1))
    signature.may_answer.set()
    batcher.close()
    assert future.result(0)["y"].tolist() == [2]
    with pytest.raises(Refusal, match="the server is stopping"):
        batcher.submit(task(signature, 2))
