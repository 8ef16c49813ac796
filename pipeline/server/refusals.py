"""Why a request is not answered: TF Serving's codes, their HTTP statuses, and what TensorFlow raises in these terms."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from grpc import StatusCode

from spine.core.problems import brief

__all__ = ["HTTP_STATUSES", "Refusal", "as_refusals", "invalid", "place_of"]

# As ToHTTPStatusCode of tensorflow_serving/model_servers/http_server.cc.
HTTP_STATUSES = {
    StatusCode.OK: 200,
    StatusCode.CANCELLED: 499,
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.FAILED_PRECONDITION: 400,
    StatusCode.OUT_OF_RANGE: 400,
    StatusCode.UNAUTHENTICATED: 401,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.NOT_FOUND: 404,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.INTERNAL: 500,
    StatusCode.UNIMPLEMENTED: 501,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DEADLINE_EXCEEDED: 504,
}

_NODES = re.compile(  # of the graph, and where in whose files they were made
    r"Graph execution error:|Detected at node.*?\(most recent call last\):(\s*File .*?\n.*?\n)*"
    r"|<stack traces unavailable>|\{\{.*?\}\}|\[\[.*?\]\]|\[Op:.*?\]|\d+ root error\(s\) found\.|\(1\) .*",
    re.DOTALL,
)
_PATHS = re.compile(r"(?:[A-Za-z]:)?(?:[\\/][\w.@+~-]+){2,}[\\/]?")


class Refusal(Exception):
    """A request that is not answered, by a code of gRPC's and a sentence for whoever sent it.

    `http_status` is another than the code's where HTTP knows better, such as 413 of a body that is too large.
    """

    def __init__(self, code: StatusCode, message: str, http_status: int | None = None) -> None:
        super().__init__(message)
        self.code, self.message = code, message
        self.http_status = http_status or HTTP_STATUSES[code]


def invalid(message: str) -> Refusal:
    """InvalidArgument: the request itself is wrong."""
    return Refusal(StatusCode.INVALID_ARGUMENT, message)


def place_of(error: BaseException) -> str:
    """What a log tells of a defect: its kind and where it was, and no message, which may repeat what was sent."""
    places = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    return f"{type(error).__name__} at {' > '.join(places[-4:])}"


@contextmanager
def as_refusals() -> Iterator[None]:
    """Turn what TensorFlow raises over a request into a Refusal that names neither nodes of the graph nor paths.

    All but a few codes are the request's fault: a model that was loaded and ran fails over what it was given.
    """
    import tensorflow as tf

    codes = {
        tf.errors.ResourceExhaustedError: StatusCode.RESOURCE_EXHAUSTED,
        tf.errors.UnimplementedError: StatusCode.UNIMPLEMENTED,
        tf.errors.UnavailableError: StatusCode.UNAVAILABLE,
        tf.errors.FailedPreconditionError: StatusCode.FAILED_PRECONDITION,
        tf.errors.OutOfRangeError: StatusCode.OUT_OF_RANGE,
    }
    try:
        yield
    except tf.errors.OpError as error:
        code = codes.get(type(error), StatusCode.INVALID_ARGUMENT)
        raise Refusal(code, _told(error.message or "")) from None
    except (TypeError, ValueError) as error:  # as of a tensor that no signature takes
        raise invalid(_told(str(error))) from None
    except MemoryError:
        raise Refusal(StatusCode.RESOURCE_EXHAUSTED, "the request needs more memory than there is") from None


def _told(message: str) -> str:
    shown = _PATHS.sub("...", _NODES.sub(" ", message))
    return f"the model cannot answer this input: {brief(shown.strip()) or 'it gives no reason'}"
