"""Greedy ensemble selection with replacement (Caruana et al., ICML 2004)."""

from __future__ import annotations

import numpy as np

from ensemble.engine.grid.choice import Choice, first_choice
from ensemble.engine.scoring.objectives import Objective

__all__ = ["search_greedy"]


def search_greedy(objective: Objective, members: int, picks: int) -> Choice:
    """Add the member that helps most, `picks` times, members repeating; the best of all bags on the way is chosen.

    A member's weight is its share of the bag.
    """
    bag = np.zeros(members, dtype=np.int64)
    weights, gains = [], []
    for _ in range(picks):
        larger = bag + np.eye(members, dtype=np.int64)
        candidates = larger / larger[0].sum()
        gained = objective.gains(candidates)
        bag = larger[first_choice(candidates, gained)]
        weights.append(candidates)
        gains.append(gained)
    return Choice.of(np.concatenate(weights), np.concatenate(gains))
