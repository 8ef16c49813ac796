"""Weights that a base starts from, for either Keras generation: the download, the file, and the scale of its pixels."""

from __future__ import annotations

import socket
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from spine.core.problems import SpineError
from spine.training.pretrained.state_dict import files
from spine.training.pretrained.state_dict.opcodes import BadStateDict

__all__ = ["DOWNLOAD_TIMEOUT", "SUFFIXES", "checked_file", "download", "load_file", "scale_and_offset"]

DOWNLOAD_TIMEOUT = 30.0  # seconds without a byte
SUFFIXES = (".h5", ".keras", *files.SUFFIXES)


_OF_KERAS = "the base without its top, .h5"


@contextmanager
def download(network: str, setting: str = "weights", file: str = _OF_KERAS) -> Iterator[None]:
    """Around what may download: a download that cannot be made becomes one SpineError that says how to give a file.

    `setting` is where the user gives it, `file` what kind of file the network takes, with its address where known.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
    try:
        yield
    except Exception as error:
        if not _is_download_failure(error):
            raise
        raise SpineError(
            f"the ImageNet weights of {network} cannot be downloaded: {error}. Fetch the file elsewhere, "
            f"then set `{setting}` to its path ({file}), or to none to train from scratch"
        ) from None
    finally:
        socket.setdefaulttimeout(before)


def checked_file(file: str, network: str, setting: str = "weights", suffixes: tuple[str, ...] = SUFFIXES) -> Path:
    """The path of a base's weights; SpineError where it is missing or no weights file by its name."""
    path = Path(file)
    if not path.is_file():
        raise SpineError(
            f"{setting} {file!r} is not a file; give imagenet, none, or the path of the weights of {network}"
        )
    if path.suffix not in suffixes:
        raise SpineError(
            f"{setting} {file!r} ends in {path.suffix!r}; a weights file ends in .h5, .weights.h5 or .keras, "
            f"of PyTorch in {', '.join(files.SUFFIXES)}{', of Model Garden in .tar.gz' * ('.gz' in suffixes)}"
        )
    return path


def load_file(base: Any, file: str, network: str, layout: str = "", setting: str = "weights") -> None:
    """Give a base of either Keras the weights of a file of Keras, or of PyTorch where `layout` names its modules.

    SpineError where it is damaged or does not fit.
    """
    if Path(file).suffix in files.SUFFIXES:
        _load_state_dict(base, file, network, layout, setting)
    else:
        _load_keras(base, Path(file), network, f"{setting} {file!r}")


def _load_keras(base: Any, path: Path, network: str, told: str) -> None:
    from spine.training.pretrained import keras_file
    from spine.training.pretrained.whole_model import load_base_of

    try:
        keras_file.require_whole(path)
        with _fitting(base, path, network, told):
            if not load_base_of(base, str(path)):
                base.load_weights(str(path))
    except keras_file.DAMAGES as error:
        raise SpineError(
            f"{told} cannot be read: {keras_file.damage_of(path, error)}. Fetch it again, and compare its size with "
            "the published one's"
        ) from None


def _load_state_dict(base: Any, file: str, network: str, layout: str, setting: str) -> None:
    from spine.training.pretrained.state_dict.loading import load_state_dict

    try:
        load_state_dict(base, Path(file), layout)
    except (BadStateDict, OSError) as error:
        raise SpineError(f"{setting} {file!r} cannot be read into {network}: {error}") from None


@contextmanager
def _fitting(base: Any, path: Path, network: str, told: str) -> Iterator[None]:
    """Around the loading of a whole file into a base: one that does not fit becomes a SpineError."""
    from spine.training.pretrained.keras_file import difference
    from spine.training.pretrained.whole_model import OtherNetwork

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # Keras only warns where layers would keep their random start
            yield
    except (ValueError, KeyError, TypeError, UserWarning) as error:
        reason = str(error) if isinstance(error, OtherNetwork) else difference(base, path)
        raise SpineError(
            f"{told} do not fit {network} without its top ({base.count_params():,} parameters): {reason}. "
            "Take the file of the same network, width (alpha) and Keras layout, saved with include_top=False"
        ) from None


def scale_and_offset(preprocess_input: Callable[[Any], Any]) -> tuple[np.ndarray, np.ndarray]:
    """Scale and offset (3,) that take grey in [0, 1] to what a published preprocessing gives, in its channel order.

    Every one of them (Caffe's, TensorFlow's, Torch's, or none) takes [0, 255] and is affine in each channel, so black
    and white determine it.
    """
    black, white = (np.ravel(preprocess_input(np.full((1, 1, 1, 3), level))) for level in (0.0, 255.0))
    return white - black, black


def _is_download_failure(error: Exception) -> bool:
    # keras.utils.get_file raises a bare Exception on HTTP and URL errors, ValueError on a wrong hash; sockets, OSError.
    return isinstance(error, OSError) or "URL fetch failure" in str(error) or "corrupted file" in str(error)
