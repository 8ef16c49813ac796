"""Calm output: TensorFlow's start-up noise is silenced before it is imported, and warnings are caught by one thread."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["caught_warnings", "silence_tensorflow"]

_CATCHING = threading.RLock()  # what Python does with a warning is a state of the whole process


def silence_tensorflow() -> None:
    """Keep TensorFlow's and absl's start-up lines off the terminal; errors still show. Call before the first import."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.getLogger("absl").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"(tensorflow|keras|google)\b")


@contextmanager
def caught_warnings() -> Iterator[list[warnings.WarningMessage]]:
    """Keep Python's warnings of the block off the terminal and list them; another thread that catches some waits."""
    with _CATCHING, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught
