"""A shard of the studies, for one of several machines: a study's name tells its shard, so that all of them agree."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from spine.core.problems import SpineError

__all__ = ["ALL", "Shard"]

_FORM = re.compile(r"(\d{1,6})/(\d{1,6})")


@dataclass(frozen=True)
class Shard:
    """The `number`-th, from 1 on, of `count` shards of about the same size."""

    number: int
    count: int

    @classmethod
    def of(cls, text: str) -> Shard:
        """The shard that `I/N` names; SpineError where it is none."""
        found = _FORM.fullmatch(text)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise SpineError(f"the shard is {text!r}; give I/N with I from 1 to N, such as 1/8")
        return cls(int(found[1]), int(found[2]))

    def holds(self, source: str) -> bool:
        """Whether a study of this name is in it."""
        digest = hashlib.sha256(source.encode(errors="surrogatepass")).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.number - 1

    @property
    def every(self) -> slice:
        """Its items of a list that is short and the same everywhere."""
        return slice(self.number - 1, None, self.count)

    @property
    def suffix(self) -> str:
        """Of names of its files: "-2-of-8", and "" where there is only one shard."""
        return f"-{self.number}-of-{self.count}" if self.count > 1 else ""

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


ALL = Shard(1, 1)
