"""Jobs that are one line of Python, for engines to run in processes of their own."""

from pathlib import Path

from pipeline.jobs.job import Job

MODULES = {
    "well": "print('all is well')",
    "badly": "print('error: no such thing'); raise SystemExit(3)",
    "cut_once": (
        "import os, pathlib, signal, sys\n"
        "mark = pathlib.Path(sys.argv[1])\n"
        "if not mark.exists():\n"
        "    mark.touch()\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
    ),
    "cores": "import os, sys\nprint(sys.argv[1], os.environ['TF_NUM_INTRAOP_THREADS'])\nraise SystemExit(3)",
    "gpus": "import os\nprint(os.environ['CUDA_VISIBLE_DEVICES'])",
}


def write_jobs(folder: Path, monkeypatch, *modules: str) -> list[Job]:
    """A job a module, in a folder that their processes find."""
    for name in modules:
        (folder / f"job_{name}.py").write_text(MODULES[name])
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{Path(__file__).resolve().parents[3]}")
    return [
        Job(f"train {name}", f"job_{name}", (str(folder / f"{name}.mark"),), folder / "jobs", folder)
        for name in modules
    ]
