"""The weights of all experiments of a suite, fetched or read before the first of them trains."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pipeline.fetch import Weights, fetch_in_own_process, news_of, require, weights_of
from pipeline.training import members_to_train
from spine.core.problems import SpineError
from spine.experiment.config import Experiment

if TYPE_CHECKING:
    from spine.dataset.manifest import Manifest

__all__ = ["fetch_ahead"]

Show = Callable[[str], None]


def fetch_ahead(
    experiments: Sequence[Experiment],
    built: Collection[Path],
    show: Show,
    only: Sequence[str] = (),
    fold: int | None = None,
) -> frozenset[Weights]:
    """Fetch what the members of several experiments that are not up to date start from; gives what was fetched.

    What an earlier one of them trains is left to the later one's turn, as is all of a single experiment. `built` are
    the data configs that are built; of a dataset that waits for a detector all members count, once anything before it
    trains. `only` and `fold` are those of `train_members`. SpineError names all weights that cannot be had, with the
    experiments of their members.
    """
    if len({one.siblings[0].directory for one in experiments}) < 2:
        return frozenset()
    asked: dict[Weights, list[tuple[Experiment, str]]] = {}
    trained: set[Path] = set()
    for experiment in experiments:
        names = members_to_train(experiment, _dataset(experiment, built, bool(trained)), only, fold)
        for name in names:
            weights = weights_of(experiment, name)
            if weights and trained.isdisjoint(Path(str(part)).resolve() for part in weights):
                asked.setdefault(weights, []).append((experiment, name))
        trained |= {one.member_directory(name).resolve() for one in experiment.siblings for name in names}
    require(_failures(list(asked.values()), show))
    return frozenset(asked)


def _dataset(experiment: Experiment, built: Collection[Path], waits: bool) -> Manifest | None:
    """The experiment's dataset; None where it is not there, or is still to be built of what trains before it."""
    from spine.experiment.dataset import read_dataset

    if waits and experiment.build and experiment.build not in built:
        return None
    try:
        return read_dataset(experiment)
    except SpineError:  # told when it is its turn: a detector may have to build it
        return None


def _failures(asked: Sequence[Sequence[tuple[Experiment, str]]], show: Show) -> dict[str, str]:
    """Member, with its experiment -> why its weights cannot be had. Members that start alike ask once, by the first."""
    first: dict[str, tuple[Experiment, list[str]]] = {}
    for (experiment, name), *_ in asked:
        first.setdefault(experiment.name, (experiment, []))[1].append(name)
    reasons = {named: _of_experiment(experiment, names, show) for named, (experiment, names) in first.items()}
    return {
        f"{experiment.name}, members.{name}": reason
        for alike in asked
        if (reason := reasons[alike[0][0].name].get(alike[0][1]))
        for experiment, name in alike
    }


def _of_experiment(experiment: Experiment, names: Sequence[str], show: Show) -> dict[str, str]:
    show(f"{news_of(experiment, names)} of {experiment.name}")
    with TemporaryDirectory() as folder:
        return fetch_in_own_process(experiment.write(Path(folder) / "experiment.yaml"), names)
