"""A task's metrics: what each is called, computes, and is undefined for, in one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from spine.core.near_names import unknown_name
from spine.core.problems import SpineError

__all__ = ["Metric", "MetricTable"]


class Metric(NamedTuple):
    """A metric's function, whether higher is better, and its `title` in leaderboard and report; "" leaves it out there.

    The function takes (truth, probabilities, weights=None) in classification, (counts, weights=None) in segmentation,
    (matches, weights=None) in detection. One of segmentation that `rises` is never lower after an error is corrected,
    so that a search can bound it over many weights at once.
    """

    function: Callable[..., Any]
    higher_is_better: bool
    title: str = ""
    rises: bool = False


@dataclass(frozen=True)
class MetricTable(Mapping[str, Metric]):
    """The metrics of a task by name; `headline` is what its verdict is about, `searched` what weights are searched by
    where no metric is named.

    `undefined` tells why a metric has no value, by how its name begins: the longest beginning counts. `unsearched`
    tells of the metrics that no weights are searched by why that is so.
    """

    metrics: Mapping[str, Metric]
    headline: str
    searched: str
    undefined: Mapping[str, str]
    unsearched: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Metric:
        return self.metrics[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.metrics)

    def __len__(self) -> int:
        return len(self.metrics)

    def named(self, name: str) -> Metric:
        """The metric of that name; SpineError lists the known ones."""
        if name not in self.metrics:
            raise SpineError(unknown_name("metric", name, self.metrics))
        return self.metrics[name]

    def of_search(self, name: str) -> Metric:
        """The metric of that name, to search by; SpineError lists those that can be searched by."""
        if why := self.unsearched.get(name):
            raise SpineError(f"metric {name!r} {why}; use one of {', '.join(self.searchable)}")
        return self.named(name)

    @property
    def searchable(self) -> tuple[str, ...]:
        """The metrics that weights can be searched by."""
        return tuple(name for name in self.metrics if name not in self.unsearched)

    @property
    def titles(self) -> dict[str, str]:
        """Metric -> its title, of those that are reported."""
        return {name: metric.title for name, metric in self.metrics.items() if metric.title}

    def why_undefined(self, name: str) -> str:
        """Why a metric, by its name or that of one class (`dice.disc`), may have no value."""
        beginnings = [beginning for beginning in self.undefined if name.startswith(beginning)]
        return self.undefined[max(beginnings, key=len)] if beginnings else "there is nothing to measure"
