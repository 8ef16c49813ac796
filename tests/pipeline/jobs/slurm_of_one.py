"""A Slurm cluster of this machine alone, for a test's time: munge, the controller and one node, as root on Debian."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "sinfo")
CONFIG = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldPort={port}
SlurmdPort={node_port}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
ReturnToService=2
MpiDefault=none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=1000 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


@contextmanager
def slurm_of_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start it, and end it; skips the test, with the reason, where that cannot be."""
    monkeypatch.setenv("PATH", "/usr/sbin", prepend=os.pathsep + os.environ["PATH"] + os.pathsep)
    if os.getuid() != 0 or (missing := [name for name in PROGRAMS if not shutil.which(name)]):
        why = (
            "only root may start it" if os.getuid() else f"no {', '.join(missing)} (Debian: apt-get install slurm-wlm)"
        )
        pytest.skip(f"no Slurm here: {why}")
    for name in ("state", "spool", "munge"):
        (folder / name).mkdir(parents=True)
    key = folder / "munge" / "key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    host, port = socket.gethostname().split(".")[0], free_port()
    (folder / "slurm.conf").write_text(
        CONFIG.format(host=host, folder=folder, port=port, node_port=free_port(), cpus=os.cpu_count())
    )
    monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
    munge = ["munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge/munge.socket"]
    munge += [f"--{name}={folder}/munge/{name}" for name in ("pid-file", "log-file", "seed-file")]
    started = [subprocess.Popen(command) for command in (munge, ["slurmctld", "-D"], ["slurmd", "-D"])]
    try:
        if not is_up(30):
            pytest.skip(f"Slurm does not come up here: {(folder / 'slurmctld.log').read_text()[-500:]}")
        yield
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait(20)


def is_up(seconds: float) -> bool:
    """Whether the node takes jobs by then."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        asked = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True, check=False)
        if asked.stdout.strip() == "idle":
            return runs_a_command(seconds)
        time.sleep(0.3)
    return False


def runs_a_command(seconds: float) -> bool:
    """Whether it can start a process at all: a container may forbid what that needs."""
    try:
        return (
            subprocess.run(["srun", "-n1", "true"], timeout=seconds, capture_output=True, check=False).returncode == 0
        )
    except subprocess.TimeoutExpired:
        return False


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
