"""Show one input and what becomes of it, or try a reader with many seeds.

python -m tests.hostile.fuzz READER SEED     # the traceback, if there is one; the input stays in ./hostile_input
python -m tests.hostile.fuzz READER          # all its seeds
python -m tests.hostile.fuzz all             # all readers, or `foreign`, or `ours`; `all 5` with five times the seeds
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import traceback
from pathlib import Path

from spine.core.problems import SpineError
from tests.hostile.all_readers import FOREIGN, OURS, READERS
from tests.hostile.runner import run_trials, table
from tests.hostile.trial import GOOD, Outcome, Trials, mutate_input

__all__ = ["main"]

_GROUPS = {"all": {**FOREIGN, **OURS}, "foreign": FOREIGN, "ours": OURS}


def main(name: str, number: str = "") -> None:
    """As the module tells."""
    if name in _GROUPS or not number:
        readers = _GROUPS.get(name) or {other: READERS[other] for other in READERS if other.startswith(name)}
        times = int(number or 1)
        tasks = [(one.name, seed) for one in readers.values() for seed in range(one.seeds * times)]
        print(table(run_trials(tasks, show=_show)))
        return
    reader, seed = READERS[name], int(number)
    with tempfile.TemporaryDirectory() as folder:
        print(Trials(Path(folder)).run(reader, seed))
        kept = Path("hostile_input").resolve()
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(Trials(Path(folder)).prepare(reader), kept)
    mutate_input(reader, kept, seed)
    for way in reader.ways:
        try:
            print(Trials.read(way, kept))
        except SpineError as error:
            print(f"SpineError: {error}")
        except Exception:
            traceback.print_exc()


def _show(outcome: Outcome) -> None:
    """Each that must not be, as soon as it is there: the table may be an hour away."""
    if outcome.kind not in GOOD:
        print(outcome, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
