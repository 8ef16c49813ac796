"""Checkpoints of a training, one an epoch, so that a killed run loses at most the epoch it was in.

checkpoints/epoch-0007/{weights.npz, history.csv}     appears complete, or not at all
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from spine.core.disk import require_room
from spine.core.files import atomic_directory
from spine.training.history import History

__all__ = ["Checkpoints", "Saveable"]

WEIGHTS = "weights.npz"  # the layers', and the optimizer's where the model is compiled


class Saveable(Protocol):
    """What checkpoints hold: a model of Keras 3 as a `KeptModel`, or what saves and loads as one does."""

    @property
    def variables(self) -> Sequence[Any]:
        """The tensors that it saves, an optimizer's left out."""
        ...

    def save_weights(self, path: Path) -> None:
        """Write all that there is to `path`, or to files whose names begin with it."""
        ...

    def load_weights(self, path: Path) -> None:
        """Read it back."""
        ...


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one training below `path`: the newest, the best and `others` are kept.

    `watched` is what says which is best, as of a `History`; `others` gives further epochs of one.
    """

    path: Path
    weights: str = WEIGHTS
    watched: str | None = None
    others: Callable[[History], Iterable[int]] = lambda history: ()

    def history(self) -> History:
        """The epochs that are safe: up to the newest checkpoint."""
        newest = max(self.path.glob("epoch-[0-9]*"), default=None)
        return History.read(newest / "history.csv", self.watched) if newest else History(watched=self.watched)

    def save(self, model: Saveable, history: History) -> None:
        """Save a model after the last epoch of `history`, then drop those that are not kept."""
        require_room(self.path, _size_of(model), "a checkpoint")
        with atomic_directory(self._of(len(history))) as temporary:
            history.write(temporary / "history.csv")
            model.save_weights(temporary / self.weights)
        assert history.best is not None
        kept = {self._of(epoch) for epoch in (len(history), int(history.best["epoch"]), *self.others(history))}
        for directory in set(self.path.glob("epoch-[0-9]*")) - kept:
            shutil.rmtree(directory)

    def load(self, model: Saveable, epoch: int | str | float) -> None:
        """Load the weights of an epoch, with the optimizer's state where the model is compiled and has the same."""
        model.load_weights(self._of(int(epoch)) / self.weights)

    def clear(self) -> None:
        """Remove them all."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _of(self, epoch: int) -> Path:
        return self.path / f"epoch-{epoch:04d}"


def _size_of(model: Saveable) -> int:
    """Bytes of a checkpoint, rather too many."""
    variables = [*model.variables, *getattr(getattr(model, "optimizer", None), "variables", ())]
    return 2**21 + 5 * sum(math.prod(variable.shape) for variable in variables)  # of 4 bytes each, and their names
