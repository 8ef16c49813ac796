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
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

from pipeline import registry
from pipeline.experiments import load_experiment
from spine.core.ending import run_to_the_end
from spine.core.problems import SpineError
from spine.core.processes import as_child, die_with_parent
from spine.core.quiet import silence_tensorflow
from spine.experiment.config import Experiment

__all__ = ["fetch", "fetch_in_own_process", "main"]


def fetch(experiment: Experiment, members: Sequence[str]) -> list[str]:
    """Download or read what these members start from, each once; gives a line for each that cannot be had."""
    of_key = {experiment.members[name].initial_weights: experiment.members[name] for name in members}
    failures: dict[str, list[str]] = defaultdict(list)
    for key, settings in of_key.items():
        try:
            registry.fetch_weights(experiment.task, settings)
        except SpineError as error:
            failures[str(error)] += [name for name in members if experiment.members[name].initial_weights == key]
    return [f"{', '.join(f'members.{name}' for name in names)}: {reason}" for reason, names in failures.items()]


def fetch_in_own_process(file: Path, members: Sequence[str]) -> None:
    """`fetch` for members of an experiment file; SpineError tells of all whose weights cannot be had."""
    command = [sys.executable, "-P", "-m", "pipeline.fetch", str(file), *members]
    done = subprocess.run(command, env=as_child(), stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SpineError(f"fetching the weights of {', '.join(members)} failed (see above); no training was started")
    if failures := json.loads(done.stdout.splitlines()[-1]):
        raise SpineError("\n".join(["no training was started: these weights are not available:", *failures]))


def main() -> None:
    """The command: news on stderr, on stdout the failures as a JSON list."""
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
