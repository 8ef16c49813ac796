"""Publishing a model that is to be served: checked against what it is made of, and warmed up, in one loading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ensemble.serving.kit.warm_up import write_warm_up
from spine.member.serving import publish_model

__all__ = ["publish_served"]


def publish_served(
    module: Any, directory: Path, measure: Callable[[Any], float], pictures: Sequence[Path]
) -> tuple[Path, float]:
    """Publish a module below `directory` with warm-up requests of the height of the `pictures`.

    Gives its path, and what `measure` says of the saved model, loaded: how far it is from what it is made of. Where
    that, or a warm-up request, raises, nothing is published.
    """
    import tensorflow as tf

    measured: list[float] = []

    def check(saved: Path) -> None:
        model = tf.saved_model.load(str(saved))
        measured.append(measure(model))
        write_warm_up(saved, model, pictures)

    return publish_model(module, directory, check), measured[0]
