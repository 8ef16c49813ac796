import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spine.core.problems import SpineError
from spine.core.processes import PARENT, as_child, die_with_parent, exclusive_lock

HOLD = """
import sys, time
from pathlib import Path
from spine.core.processes import exclusive_lock
with exclusive_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
WATCHED = (
    "import time; from spine.core.processes import die_with_parent; die_with_parent(); print('up', flush=True); "
    + ("time.sleep(60)")
)
STARTER = f"""
import subprocess, sys
from spine.core.processes import as_child
child = subprocess.Popen([sys.executable, "-c", {WATCHED!r}], env=as_child(), stdout=subprocess.PIPE, text=True)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""


def start(code: str, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)


def test_a_second_process_is_refused_and_told_which_holds_the_directory(tmp_path):
    with start(HOLD, str(tmp_path / "member")) as holder:
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(SpineError, match=rf"member is being written by process {holder.pid} on \S+; wait until"),
            exclusive_lock(tmp_path / "member"),
        ):
            pytest.fail("two hold it")
        holder.kill()


def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path):
    with start(HOLD, str(tmp_path / "member")) as holder:
        holder.stdout.readline()
        holder.kill()
    with exclusive_lock(tmp_path / "member"):
        assert re.match(rf"process {os.getpid()} ", (tmp_path / ".member.lock").read_text())


def test_other_directories_are_free_and_one_is_free_again(tmp_path):
    with exclusive_lock(tmp_path / "a"), exclusive_lock(tmp_path / "b"):
        pass
    with exclusive_lock(tmp_path / "a"):
        pass


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="tells the living from the dead by /proc")
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_dies_with_its_parent(sign):
    with start(STARTER) as starter:
        child = int(starter.stdout.readline())
        assert is_alive(child)
        starter.send_signal(sign)
    until = time.monotonic() + 10
    while is_alive(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_alive(child)


def test_a_process_started_by_hand_goes_on(monkeypatch):
    monkeypatch.delenv(PARENT, raising=False)
    die_with_parent()
    time.sleep(0.01)


def test_a_child_does_not_hand_its_parent_on(monkeypatch):
    monkeypatch.setenv(PARENT, str(os.getppid()))
    die_with_parent()
    assert PARENT not in os.environ
    assert as_child()[PARENT] == str(os.getpid())
