"""Trains a detection member as its command does, and notes its weights before and after each phase.

phases = train_watched(experiment, "vgg16")
phases["whole"].moved                              # {"backbone", "decoder", ...}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from detection.config import PARTS, Phase
from detection.fit import DetectorFitting, Session
from detection.train import train
from spine.experiment.config import Experiment

# Part -> layer and weight -> all its weights, the statistics of batch norm among them.
Weights = Mapping[str, Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Watched:
    """One phase: the network it trains, the one whose proposals that learns from, if any, and both as they began."""

    network: Any
    proposer: Any
    before: Weights
    proposer_before: Weights

    @property
    def after(self) -> Weights:
        """The network's weights, now that the phase is over."""
        return weights_of(self.network)

    @property
    def proposer_after(self) -> Weights:
        """The proposer's."""
        return weights_of(self.proposer)

    @property
    def moved(self) -> set[str]:
        """The parts in which any number is another than before."""
        return {part for part in PARTS if not same(self.before[part], self.after[part])}


def weights_of(network: Any) -> Weights:
    """Copies of a network's weights; none of no network."""
    return {part: _copies(getattr(network, part, None)) for part in PARTS}


def same(ones: Mapping[str, np.ndarray], others: Mapping[str, np.ndarray]) -> bool:
    """Whether two parts are the same to the last bit."""
    return ones.keys() == others.keys() and all(np.array_equal(own, others[name]) for name, own in ones.items())


def equal_kernels(ones: Mapping[str, np.ndarray], others: Mapping[str, np.ndarray]) -> list[str]:
    """The names of a part's kernels that are the same in both."""
    assert ones.keys() == others.keys()
    return [name for name, own in ones.items() if own.ndim > 1 and np.array_equal(own, others[name])]


def train_watched(experiment: Experiment, member: str) -> dict[str, Watched]:
    """Train a member; phase -> what it did."""
    seen, begin = {}, DetectorFitting._begin

    def watch(fitting: DetectorFitting, phase: Phase, *rest: Any) -> Session:
        session = begin(fitting, phase, *rest)
        checkpoint = session.state.checkpoint
        networks = (checkpoint.network, getattr(checkpoint, "proposer", None))
        seen[phase.name] = Watched(*networks, *map(weights_of, networks))
        return session

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DetectorFitting, "_begin", watch)
        train(experiment, member)
    return seen


def _copies(part: Any) -> dict[str, np.ndarray]:
    layers = part if isinstance(part, (list, tuple)) else [part]
    weights = [weight for layer in layers if layer is not None for weight in layer.weights]
    # By name, as their order is another where they do not learn; the heads' begin with a count of the networks so far.
    copies = {re.sub(r"^(faster_rcnn|rpn_head)_\d+/", r"\1/", weight.name): weight.numpy() for weight in weights}
    assert len(copies) == len(weights)
    return copies
