"""How much the patients of one pool say of a rule: what the means of weight_rules.py scatter by through chance alone.

    python benchmarks/luck_of_pools.py [--pools 40] [--patients 38] [--chosen 25] [--spread 0.1]

Pools of simulated patients (weight_rules_pools.py); of each, weights are chosen again and again on some of its
patients, and judged on its others and on 300 fresh ones. Told is the score less that of equal weights, times 1,000:
over the pools the mean, the standard deviation and quantiles of a pool's mean over its draws.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from weight_rules import evidence_of
from weight_rules_pools import Draw, Simulated

from ensemble.engine.rules.rules import RULES

SHOWN = ("exponential", "shrunk", "optimum")


def main() -> None:
    options = parse()
    within, fresh = defaultdict(list), defaultdict(list)
    for seed in range(options.pools):
        of_pool = means(options, np.random.default_rng(seed))
        for name in SHOWN:
            within[name].append(of_pool[name][0])
            fresh[name].append(of_pool[name][1])
    for name in SHOWN:
        print(f"{name}: {told(within[name])} on the pool's others; {told(fresh[name])} on fresh patients")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pools", type=int, default=40)
    parser.add_argument("--patients", type=int, default=38, help="of a pool")
    parser.add_argument("--chosen", type=int, default=25, help="of them, that weights are chosen on")
    parser.add_argument("--spread", type=float, default=0.1, help="of the members' d'")
    parser.add_argument("--draws", type=int, default=12, help="of a pool")
    parser.add_argument("--resamples", type=int, default=100)
    return parser.parse_args(arguments)


def means(options: argparse.Namespace, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Rule -> what it is ahead of equal weights in one pool, on its others and on fresh patients (2,)."""
    simulated = Simulated(options.spread)
    whole = simulated.draw(options.patients, random)
    equal = np.full(simulated.members, 1 / simulated.members)
    ahead = defaultdict(list)
    for number in range(options.draws):
        own = np.isin(whole.patients, random.permutation(whole.patients)[: options.chosen])
        draw = Draw(whole.grid, whole.scorers, whole.patients, own, whole.scorers, ~own)
        if (evidence := evidence_of(draw, options.resamples, number)) is None:
            continue
        for name in SHOWN:
            weights = RULES[name](evidence).weights
            ahead[name].append([judge.judged(weights, 0) - judge.judged(equal, 0) for judge in (draw, whole)])
    return {name: np.nanmean(values, axis=0) for name, values in ahead.items()}


def told(of_pools: Sequence[float]) -> str:
    values = 1000 * np.array(of_pools)
    low, quarter, high = np.quantile(values, [0.05, 0.25, 0.95])
    return (
        f"mean {values.mean():+.1f}, standard deviation {values.std():.1f}, a quarter below {quarter:+.1f}, "
        f"the middle 90 % {low:+.1f} to {high:+.1f}"
    )


if __name__ == "__main__":
    main()
