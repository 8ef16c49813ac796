"""Where a base's weights come from: keras' own download, or a file at hand."""

from __future__ import annotations

import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile

import keras

from spine.problems import SpineError

__all__ = ["DOWNLOAD_TIMEOUT", "download", "load_base"]

DOWNLOAD_TIMEOUT = 30.0  # seconds without a byte


@contextmanager
def download(network: str) -> Iterator[None]:
    """Around what may download: a download that cannot be made becomes one SpineError that says how to give a file."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
    try:
        yield
    except Exception as error:
        if not _is_download_failure(error):
            raise
        raise SpineError(
            f"the ImageNet weights of {network} cannot be downloaded: {error}. Fetch the file elsewhere, "
            "then set `weights` to its path (the base without its top, .h5), or to none to train from scratch"
        ) from None
    finally:
        socket.setdefaulttimeout(before)


def load_base(base: keras.Model, file: str, network: str) -> None:
    """Load a base's weights from a .h5, .weights.h5 or .keras file; SpineError where it is missing or does not fit."""
    path = Path(file)
    if not path.is_file():
        raise SpineError(
            f"weights {file!r} is not a file; give imagenet, none, or the path of the weights of {network}"
        )
    if path.suffix not in (".h5", ".keras"):
        raise SpineError(f"weights {file!r} ends in {path.suffix!r}; a weights file ends in .h5, .weights.h5 or .keras")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # Keras only warns where layers would keep their random start
            base.load_weights(path)
    except (ValueError, OSError, KeyError, BadZipFile, UserWarning) as error:
        reason = str(error).strip().splitlines()[0]
        raise SpineError(
            f"weights {file!r} do not fit {network} without its top ({base.count_params():,} parameters): {reason}. "
            "Take the file of the same network, width (alpha) and Keras layout, saved with include_top=False"
        ) from None


def _is_download_failure(error: Exception) -> bool:
    # keras.utils.get_file raises a bare Exception on HTTP and URL errors, ValueError on a wrong hash; sockets, OSError.
    return isinstance(error, OSError) or "URL fetch failure" in str(error) or "corrupted file" in str(error)
