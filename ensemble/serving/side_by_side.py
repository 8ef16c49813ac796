"""Ensembles that answer the same pictures inside a graph: what members of any of them share is prepared once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from ensemble.serving.asked_boxes import AskedBoxes
from ensemble.serving.ensemble import Ensemble
from ensemble.serving.fuse_outputs import Fuse, Outputs

__all__ = ["SideBySide", "answer_of"]

Tensor = Any
Answers = dict[str, dict[str, Tensor]]  # of each ensemble, its outputs by name


class SideBySide(tf.Module):
    """Ensembles by name; each gives its fused outputs, with `members` what each of its members says too."""

    def __init__(self, ensembles: Mapping[str, Ensemble]) -> None:
        super().__init__()
        self._fuses = {name: (ensemble.fuse, len(ensemble.models)) for name, ensemble in ensembles.items()}
        # What is tracked here is saved: of all ensembles together, so that what they share is saved once too.
        self._together = Ensemble.joined(list(ensembles.values()))

    def of_images(self, images: Tensor, members: bool = False) -> Answers:
        """Of images (N, H, W, 1 or 3) float32 in [0, 1]."""
        return self._apart(self._together.members_of_images(images), members)

    def of_boxes(self, asked: AskedBoxes, members: bool = False) -> Answers:
        """Of boxes in pictures, each member by its own view of them."""
        return self._apart(self._together.members_of_boxes(asked), members)

    def _apart(self, outputs: Sequence[Outputs], members: bool) -> Answers:
        answers, start = {}, 0
        for name, (fuse, count) in self._fuses.items():
            stop = start + count
            answers[name] = answer_of(fuse, outputs[start:stop], members)
            start = stop
        return answers


def answer_of(fuse: Fuse, outputs: Sequence[Outputs], members: bool) -> dict[str, Tensor]:
    """What is fused of members' outputs; with `members` what each of them says too."""
    return {**fuse(outputs), **(fuse.members(outputs) if members else {})}
