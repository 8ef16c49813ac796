"""`importance.json` in a member's directory: how much each of the numbers that it decides by matters to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, StrictFloat, StrictInt, StrictStr

from spine.core.files import read_json, write_json
from spine.core.json_models import of_shape

__all__ = ["Importance", "Rise"]

FILE = "importance.json"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Rise(_Frozen):
    """The mean rise of the loss over several shuffles, and its standard deviation."""

    mean: StrictFloat
    deviation: StrictFloat


class Importance(_Frozen):
    """Permutation importance: by how much the cross-entropy, in nats, rises when one number is shuffled among rows.

    `rows` are those of `split`, which also chose how long the member was trained; `loss` is theirs before. Numbers that
    tell the same share their importance: shuffling one leaves the other.
    """

    split: StrictStr
    rows: StrictInt
    repeats: StrictInt
    loss: StrictFloat
    rises: dict[StrictStr, Rise]

    def write(self, directory: Path) -> None:
        """Write it into a member's directory."""
        write_json(self.model_dump(mode="json"), directory / FILE)

    @classmethod
    def of_member(cls, directory: Path) -> Self | None:
        """That of a member, or the mean of its folds'; None where it has none. SpineError where a file is damaged."""
        files = [directory / FILE] if (directory / FILE).exists() else sorted(directory.glob(f"fold-*/{FILE}"))
        return cls._mean([read_json(file, "train the member again", of_shape(cls)) for file in files])

    @classmethod
    def _mean(cls, several: Sequence[Self]) -> Self | None:
        if len(several) < 2:
            return several[0] if several else None
        names = [name for name in several[0].rises if all(name in one.rises for one in several)]
        rises = {
            name: Rise(
                mean=float(np.mean([one.rises[name].mean for one in several])),
                deviation=float(np.std([one.rises[name].mean for one in several])),
            )
            for name in names
        }
        return cls(
            split="folds",
            rows=sum(one.rows for one in several),
            repeats=several[0].repeats,
            loss=float(np.mean([one.loss for one in several])),
            rises=rises,
        )
