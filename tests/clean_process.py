"""Runs code in a Python that has the installed packages but cannot import this project, nor Keras.

Each code has a process of its own, forked from one that has imported TensorFlow and done nothing with it, since the
import takes longer than what is asked.
"""

import atexit
import json
import os
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

# For each line of standard input, [code, folder, arguments], it forks a process and prints with what status that ended.
# -S leaves out site, and with it the .pth file through which an editable install makes this project importable.
SERVER = """
import json, os, sys, traceback
sys.path.append({packages!r})
for name in ("spine", "classification", "segmentation", "detection", "ensemble"):
    try:
        __import__(name)
    except ImportError:
        continue
    raise SystemExit(f"{{name}} can be imported here")
sys.modules["keras"] = None  # an import of it fails from here on
import tensorflow

def run(code, folder, arguments):
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT), descriptor)
    os.chdir(os.path.join(folder, "cwd"))
    sys.argv[1:] = arguments
    try:
        exec(code, {{"__name__": "__main__", "sys": sys}})
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        os._exit(run(*json.loads(line)))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@cache
def _server() -> subprocess.Popen:
    """The process that forks; it ends with this one."""
    code = SERVER.format(packages=sysconfig.get_paths()["purelib"])
    server = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", code],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(server.communicate)  # it closes the pipe, and waits
    return server


def run_clean(code: str, cwd: Path, *arguments: str) -> str:
    """Run `code` with `arguments` as sys.argv[1:] in `cwd`; gives its standard output, fails on any error."""
    server = _server()
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cwd").symlink_to(cwd.resolve())
        print(json.dumps([code, name, arguments]), file=server.stdin, flush=True)
        status = server.stdout.readline()
        assert status, "the process that forks has ended"
        assert int(status) == 0, f"status {status.strip()}: {(folder / 'stderr').read_text()}"
        return (folder / "stdout").read_text()
