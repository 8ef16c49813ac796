"""What has no value in metrics.json is null, and says why: of a metric, of an interval's bounds, of a test's p."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from spine.metrics.undefined import why_undefined

__all__ = ["explained", "footnotes", "reasons_of"]

SAME_AS_ONE = "with fewer than two patients there is nothing to draw"
NO_RESAMPLE = "no resample of the patients has a value"
NO_VARIANCE = "the difference has no variance"


def explained(found: dict[str, Any]) -> dict[str, Any]:
    """metrics.json, nulls in place of NaN, with a `why` beside each null; told in place."""
    patients = found["counts"]["patients"]
    for metric, one in _measured(found):
        if one["value"] is None:
            one["why"] = why_undefined(metric, found["task"])
        elif one["low"] is None:
            one["why"] = SAME_AS_ONE if patients < 2 else NO_RESAMPLE
    for comparison in found["comparisons"]:
        if (test := comparison.get("delong")) and test["p"] is None:
            test["why"] = NO_VARIANCE
    lacking = [name for name, score in found["validation"].items() if score is None]
    found["undefined"] = dict.fromkeys(lacking, why_undefined(found["search"]["metric"], found["task"]))
    return found


def footnotes(found: Mapping[str, Any], metrics: Iterable[str]) -> list[str]:
    """A sentence on each of these metrics that some row lacks, for readers of a table with dashes."""
    told = []
    for metric in metrics:
        lacking = [row for row in found["rows"] if row["metrics"][metric]["value"] is None]
        if lacking:
            whom = "any row" if len(lacking) == len(found["rows"]) else " and ".join(row["name"] for row in lacking)
            why = lacking[0]["metrics"][metric].get("why") or why_undefined(metric, found["task"])
            told.append(f"–: {found['names'][metric]} of {whom} is undefined, since {why}.")
    return told


def reasons_of(row: Mapping[str, Any]) -> str:
    """Of one row, each metric without a value and why, such as "precision: no box has the score ..."."""
    lacking = {name: one.get("why", "") for name, one in row["metrics"].items() if one["value"] is None}
    return "; ".join(f"{name}: {why}" for name, why in lacking.items())


def _measured(found: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every value with an interval, and the metric that it is of."""
    headline = found["headline"]
    for row in found["rows"]:
        yield from row["metrics"].items()
    for comparison in found["comparisons"]:
        yield from comparison["differences"].items()
        yield from comparison["all_differences"].items()
    for one in found["without"]:
        yield from ((headline, one[key]) for key in ("score", "difference"))
    for pair in found["pairs"]["pairs"]:
        yield from ((key, pair[key]) for key in ("disagreement", "double_fault"))
    yield from ((headline, one) for one in found.get("against_own_dataset", {}).values())
