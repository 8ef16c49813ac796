"""The score of a trained member on validation, found in a process of its own, so that its GPU memory comes back.

`python -m pipeline.tuning.judge EXPERIMENT.yaml MEMBER [KEY=VALUE ...]` prints the score. Cheap to import.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

from pipeline.experiments import load_experiment
from spine.core.ending import run_to_the_end
from spine.core.problems import SpineError
from spine.core.processes import as_child, die_with_parent
from spine.core.quiet import silence_tensorflow

__all__ = ["judge_in_own_process", "main"]


def judge_in_own_process(file: Path, member: str, overrides: Sequence[str], log: Path) -> float:
    """The score of a trained member of an experiment file; SpineError where there is none, the reason in the log."""
    command = [sys.executable, "-P", "-m", "pipeline.tuning.judge", str(file), member, *overrides]
    with log.open("ab") as stream:
        done = subprocess.run(command, env=as_child(), stdout=subprocess.PIPE, stderr=stream, text=True, check=False)
    if done.returncode:
        raise SpineError(
            f"judging {file.parent} on validation failed, see {log}. Run the same command again: it goes on"
        )
    return float(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """The command: news on stderr, on stdout the score as JSON."""
    run_to_the_end(_main, "judging on validation")


def _main() -> None:
    die_with_parent()
    silence_tensorflow()
    from ensemble.validation_score import score_on_validation

    file, member, *overrides = sys.argv[1:]
    with redirect_stdout(sys.stderr):
        score = score_on_validation(load_experiment(Path(file), overrides), member)
    print(json.dumps(score))


if __name__ == "__main__":
    main()
