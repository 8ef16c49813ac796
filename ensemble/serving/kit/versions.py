"""Which versions of a model TF Serving keeps loaded, and which of them `stable` and `canary` name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spine.core.problems import SpineError
from spine.experiment.stages import ExportSettings

__all__ = ["Served"]


@dataclass(frozen=True)
class Served:
    """The versions that `stable` and `canary` name, and how many of the newest are loaded so that both are."""

    stable: int
    canary: int
    loaded: int

    @classmethod
    def of(cls, versions: Sequence[int], settings: ExportSettings) -> Served:
        """What the settings ask for of the versions that there are, in ascending order; SpineError where one is not.

        TF Serving takes no label to a version that is not loaded yet, and loads no version of a configuration whose
        labels it did not take. So versions are loaded by their number of the newest, which needs no new configuration:
        they are loaded as they appear, and the labels follow.
        """
        newest = versions[-1]
        match settings.stable:
            case "newest":
                stable = newest
            case "previous":
                stable = versions[-2:][0]
            case int(number):
                stable = number
        if stable not in versions:
            raise SpineError(
                f"export.stable is {stable}, and there is no such version; those there are: "
                f"{', '.join(map(str, versions))}. Give one of them, or newest or previous"
            )
        return cls(stable, newest, max(settings.versions, sum(version >= stable for version in versions)))
