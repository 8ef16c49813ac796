"""What a run answers to an item of CLAIM 2024."""

from __future__ import annotations

from dataclasses import dataclass

from spine.dataset.population import Group

__all__ = ["CARD", "METRICS", "REPORT", "SETTINGS", "WEIGHTS", "Answer", "counted"]

METRICS, WEIGHTS, SETTINGS, CARD = "evaluation/metrics.json", "weights.json", "experiment.yaml", "dataset_card.json"
REPORT = "report.html"


@dataclass(frozen=True)
class Answer:
    """What the run `told`, the files or figures it comes from, and what is `left` for people to write."""

    told: str = ""
    sources: tuple[str, ...] = ()
    left: str = ""


def counted(group: Group) -> str:
    """Such as `Female 8, Male 7, left out in small groups 6`; where no group is shown, why."""
    if not group.is_known:
        return "kept, but not shown" if group.is_kept else "not known"
    rest = [f"left out in small groups {group.left_out}"] if group.left_out else []
    return ", ".join([*(f"{name} {count}" for name, count in group.shown.items()), *rest])
