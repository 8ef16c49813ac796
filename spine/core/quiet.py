"""Calm output: TensorFlow's start-up noise is silenced before TensorFlow is imported."""

from __future__ import annotations

import logging
import os
import warnings

__all__ = ["silence_tensorflow"]


def silence_tensorflow() -> None:
    """Keep TensorFlow's and absl's start-up lines off the terminal; errors still show. Call before the first import."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.getLogger("absl").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"(tensorflow|keras|google)\b")
