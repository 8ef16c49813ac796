"""A training that is killed midway, as by a crash."""

import signal
import subprocess
import time
from pathlib import Path


def kill_after_epoch(epoch: int, process: subprocess.Popen, directory: Path) -> None:
    """Kill the process that trains the member of a directory as soon as an epoch of it is safe."""
    while not (directory / "checkpoints" / f"epoch-{epoch:04d}").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    for stream in filter(None, (process.stdout, process.stderr)):
        stream.close()
