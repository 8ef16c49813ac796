"""Publishing a SavedModel: complete, checked and fingerprinted before its version number exists."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from spine.core.disk import require_room
from spine.core.files import atomic_directory, remove_directory
from spine.core.tracing import without_autograph
from spine.member.member import Member
from spine.member.seals import is_sealed

__all__ = [
    *("drop_unnamed_versions", "for_any_number", "needed_by", "next_version", "package_versions", "publish_model"),
]

OPTIONAL = ("prepared", "regions", "slices", "members", "describe")  # signatures that some SavedModels have
_PACKAGES = ("spine-ensemble", "tensorflow", "keras", "numpy")


def publish_model(module: Any, directory: Path, check: Callable[[Path], None] = lambda saved: None) -> Path:
    """Save a tf.Module under `directory/model/<next version>/` and return that path.

    `module` has the tf.functions `serving_default` and `image`, each with one input signature and a dict of named
    outputs, and may have those of `OPTIONAL` (docs/serving.md). `check` is called with the saved model's temporary path
    and may raise: then nothing is published, and a running TF Serving never sees it.
    """
    import tensorflow as tf

    size = sum(math.prod(variable.shape) * variable.dtype.size for variable in module.variables)
    require_room(directory, 2**23 + size, "a SavedModel")  # with its graph
    optional = {name: getattr(module, name) for name in OPTIONAL if getattr(module, name, None) is not None}
    signatures = {"serving_default": module.serving_default, "image": module.image, **optional}
    version = next_version(directory)
    with atomic_directory(version) as temporary:
        tf.saved_model.save(module, str(temporary), signatures=signatures)
        check(temporary)
    return version


def needed_by(functions: Sequence[Any], model: Any) -> Any:
    """What another model tracks to be saved with some functions of a loaded one: their variables alone.

    All of the model, with its other functions, where they hold something else, such as a table.
    """
    variables = {id(variable.handle): variable for function in functions for variable in function.variables}
    captured = {id(tensor) for function in functions for tensor in function.captured_inputs}
    return list(variables.values()) if captured <= set(variables) else model


def drop_unnamed_versions(directory: Path) -> None:
    """Remove the versions that a killed process published without naming them in `member.json`.

    Those above the last that was named, or all where none ever was. Each goes in one step, so that a running TF
    Serving never sees half of one.
    """
    versions = Member.versions_of(directory)
    unnamed = list(itertools.takewhile(lambda version: not _was_named(directory, version), reversed(versions)))
    if unnamed == versions[::-1] and (directory / "member.json").exists():
        return  # the card, or the model that it names, is damaged: the next version takes its place
    for version in unnamed:
        remove_directory(version)


def _was_named(directory: Path, version: Path) -> bool:
    model_hash = Member.hash_model(version)
    member = Member.open_if_whole(directory)
    return is_sealed(directory, model_hash) or (member is not None and member.card.model_hash == model_hash)


def for_any_number(answer: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """`answer`, from a batch of images or files to named outputs, such that an empty batch has an empty answer.

    Kernels fail on an empty batch, so it is answered for one black image, and that is cut off again; of files the
    answer is then of 1 x 1 pixels. A client that found nothing to ask about, such as no disc to grade, needs no case
    of its own. What goes with the batch, such as the sizes of its images, are further arguments, a row of each for each
    image: an error in the graph where one has other rows, most of which would go unanswered without a word.
    """
    import tensorflow as tf

    def answer_any(batch: Any, *others: Any) -> dict[str, Any]:
        count = tf.shape(batch)[0]
        with tf.control_dependencies([_require_rows(count, one) for one in others]):
            lacking = tf.maximum(1 - count, 0)
            outputs = answer(*(_longer(one, lacking) for one in (batch, *others)))
        return {name: value[:count] for name, value in outputs.items()}

    return without_autograph(answer_any)


def _require_rows(count: Any, other: Any) -> Any:
    """An error in the graph unless there are `count` rows of it."""
    import tensorflow as tf

    rows = tf.shape(other)[0]
    message = "each input has a row for each picture, which may be sent several times; received"
    return tf.debugging.Assert(tf.equal(rows, count), [message, count, "pictures and", rows, "rows beside them"])


def _longer(batch: Any, lacking: Any) -> Any:
    """With so many rows more: black files, black images, sizes of 1."""
    import tensorflow as tf

    if batch.dtype == tf.string:
        black = tf.io.encode_png(tf.zeros([1, 1, 1], tf.uint8))
        return tf.concat([batch, tf.repeat(black, lacking)], axis=0)
    padding = [[0, lacking], *([0, 0] for _ in batch.shape[1:])]
    return tf.pad(batch, padding, constant_values=1 if batch.dtype.is_integer else 0)


def next_version(directory: Path) -> Path:
    """`directory/model/<n>`, n one above the highest there is, from 1."""
    versions = Member.versions_of(directory)
    return directory / "model" / str(int(versions[-1].name) + 1 if versions else 1)


def package_versions() -> dict[str, str]:
    """The versions of the packages that shape a model, for `member.json`."""
    return {name: metadata.version(name) for name in _PACKAGES}
