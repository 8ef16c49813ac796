"""Runs code in a Python that has the installed packages but cannot import this project."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

# -S leaves out site, and with it the .pth file through which an editable install makes this project importable.
PRELUDE = """
import sys
sys.path.append({packages!r})
for name in ("spine", "classification", "segmentation", "detection", "ensemble"):
    try:
        __import__(name)
    except ImportError:
        continue
    raise SystemExit(f"{{name}} can be imported here")
"""


def run_clean(code: str, cwd: Path, *arguments: str) -> str:
    """Run `code` with `arguments` as sys.argv[1:] in `cwd`; gives its standard output, fails on any error."""
    prelude = PRELUDE.format(packages=sysconfig.get_paths()["purelib"])
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", prelude + code, *arguments],
        cwd=cwd,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
