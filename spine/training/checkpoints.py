"""Checkpoints of a training, one an epoch, so that a killed run loses at most the epoch it was in.

checkpoints/epoch-0007/{weights.weights.h5, history.csv}     appears complete, or not at all
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spine.files import atomic_directory
from spine.training.history import History

__all__ = ["Checkpoints"]

WEIGHTS = "all.weights.h5"  # the layers', and the optimizer's where the model is compiled


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one training below `path`: the newest and the best are kept."""

    path: Path

    def history(self) -> History:
        """The epochs that are safe: up to the newest checkpoint."""
        newest = max(self.path.glob("epoch-[0-9]*"), default=None)
        return History.read(newest / "history.csv") if newest else History()

    def save(self, model: Any, history: History) -> None:
        """Save a Keras model after the last epoch of `history`, then drop what is neither newest nor best."""
        with atomic_directory(self._of(len(history))) as temporary:
            history.write(temporary / "history.csv")
            model.save_weights(temporary / WEIGHTS)
        assert history.best is not None
        kept = {self._of(len(history)), self._of(int(history.best["epoch"]))}
        for directory in set(self.path.glob("epoch-[0-9]*")) - kept:
            shutil.rmtree(directory)

    def load(self, model: Any, epoch: int | str | float) -> None:
        """Load the weights of an epoch, with the optimizer's state where the model is compiled and has the same."""
        model.load_weights(self._of(int(epoch)) / WEIGHTS)

    def clear(self) -> None:
        """Remove them all."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _of(self, epoch: int) -> Path:
        return self.path / f"epoch-{epoch:04d}"
