"""Weights that members start from: published ones are downloaded and files read into their networks before the first
training, or it is told why not.

Keras keeps each download in its cache, where the trainings find it. Building the bases takes TensorFlow, so a process
of its own does it: `python -m pipeline.fetch EXPERIMENT.yaml MEMBER ...`. Cheap to import.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path

from pipeline import registry
from pipeline.experiments import load_experiment
from spine.core.ending import run_to_the_end
from spine.core.problems import SpineError
from spine.core.processes import as_child, die_with_parent
from spine.core.quiet import silence_tensorflow
from spine.experiment.config import Experiment

__all__ = ["Weights", "fetch", "fetch_in_own_process", "fetch_missing", "main", "news_of", "require", "weights_of"]

Weights = tuple[str | int | float, ...]  # what tells weights apart: the task, then a member's `initial_weights`


def weights_of(experiment: Experiment, member: str) -> Weights:
    """What a member starts from; empty where it starts from nothing."""
    initial = experiment.members[member].initial_weights
    return (experiment.task, *initial) if initial else ()


def news_of(experiment: Experiment, members: Sequence[str]) -> str:
    """What `fetch` does for these members, in two words: files are only read."""
    published = any("imagenet" in weights_of(experiment, name) for name in members)
    return "fetch weights" if published else "read weights"


def fetch(experiment: Experiment, members: Sequence[str]) -> dict[str, str]:
    """Download or read what these members start from, each once; gives member -> why its weights cannot be had."""
    named: dict[Weights, list[str]] = defaultdict(list)
    for name in members:
        named[weights_of(experiment, name)].append(name)
    failures: dict[str, str] = {}
    for names in named.values():
        try:
            registry.fetch_weights(experiment.task, experiment.members[names[0]])
        except SpineError as error:
            failures |= dict.fromkeys(names, str(error))
    return {name: failures[name] for name in members if name in failures}


def fetch_missing(
    experiment: Experiment,
    file: Path,
    members: Sequence[str],
    show: Callable[[str], None],
    fetched: Collection[Weights] = (),
) -> None:
    """Have what members start from on this machine before they train, but for what was `fetched` before.

    `file` is the experiment's. SpineError tells of all that cannot be had.
    """
    asked = [name for name in members if (weights := weights_of(experiment, name)) and weights not in fetched]
    if asked:
        show(news_of(experiment, asked))
        failures = fetch_in_own_process(file, asked)
        require({f"members.{name}": reason for name, reason in failures.items()})


def fetch_in_own_process(file: Path, members: Sequence[str]) -> dict[str, str]:
    """`fetch` for members of an experiment file; SpineError where the process itself fails."""
    command = [sys.executable, "-P", "-m", "pipeline.fetch", str(file), *members]
    done = subprocess.run(command, env=as_child(), stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SpineError(f"fetching the weights of {', '.join(members)} failed (see above); no training was started")
    return json.loads(done.stdout.splitlines()[-1])


def require(failures: Mapping[str, str]) -> None:
    """SpineError that tells of all whose weights cannot be had, those with one reason together."""
    of_reason: dict[str, list[str]] = defaultdict(list)
    for name, reason in failures.items():
        of_reason[reason].append(name)
    if told := [f"{', '.join(names)}: {reason}" for reason, names in of_reason.items()]:
        raise SpineError("\n".join(["no training was started: these weights are not available:", *told]))


def main() -> None:
    """The command: news on stderr, on stdout the failures as JSON."""
    run_to_the_end(_main, "fetching weights")


def _main() -> None:
    die_with_parent()
    silence_tensorflow()
    file, *members = sys.argv[1:]
    with redirect_stdout(sys.stderr):  # Keras draws its bars on stdout
        failures = fetch(load_experiment(file), members)
    print(json.dumps(failures))


if __name__ == "__main__":
    main()
