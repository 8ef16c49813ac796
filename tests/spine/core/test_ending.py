"""How commands end: one sentence of what a person can fix, a word after Ctrl-C, nothing where nobody reads."""

import os
import signal
import subprocess
import sys
import time

import pytest

from spine.core.memory import NO_MEMORY

# It ends by Ctrl-C without a word, which would come between the parent's.
CHILD = (
    "import os, signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); os.write(1, b'child up\\n'); time.sleep(20)"
)
PARENT = f"""
import sys, threading, time
from spine.core.ending import run_to_the_end
from spine.core.files import atomic_directory
from spine.core.processes import as_child, run_child
from pathlib import Path
from concurrent.futures import ThreadPoolExecutor
from spine.core.processes import end_children
def work():
    with atomic_directory(Path(sys.argv[1])) as half, ThreadPoolExecutor(2) as pool:
        (half / "x").write_text("half")
        try:
            list(pool.map(lambda _: run_child([sys.executable, "-c", {CHILD!r}], as_child()), range(2)))
        except BaseException:
            end_children()
            raise
run_to_the_end(work, "the work")
"""
RAISES = """
import errno, sys
from spine.core.ending import run_to_the_end
from spine.core.problems import SpineError
def work():
    {0}
run_to_the_end(work, "the work")
"""


def run(code: str, *arguments: str, **settings) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **settings)


@pytest.mark.parametrize(
    ("sign", "whole_group"), [(signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGTERM, False)]
)
def test_a_signal_ends_the_children_too_and_leaves_nothing_half(tmp_path, sign, whole_group):
    command = [sys.executable, "-c", PARENT, str(tmp_path / "out")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, start_new_session=True, **pipes) as parent:
        assert [parent.stdout.readline() for _ in range(2)] == ["child up\n"] * 2
        os.killpg(parent.pid, sign) if whole_group else parent.send_signal(sign)
        said = parent.communicate(timeout=30)[1]
    assert parent.returncode == 128 + sign
    assert said.splitlines()[-1] == "stopped; run the same command to go on"
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(parent.pid, 0)  # none of its group is left


def test_a_child_that_is_stopped_leaves_the_word_to_its_parent():
    code = RAISES.format("import os, signal; os.kill(os.getpid(), signal.SIGTERM); __import__('time').sleep(9)")
    done = run(code, env={**os.environ, "SPINE_PARENT": "1"})
    assert (done.returncode, done.stderr) == (143, "")


def test_a_second_ctrl_c_ends_at_once_what_does_not_end():
    code = RAISES.format(
        "import os, signal, time\n"
        "    try:\n        os.kill(os.getpid(), signal.SIGINT); time.sleep(9)\n"
        "    finally:\n        print('tidying', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "tidying\n"
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        ("raise SpineError('a is b; do c')", "error: a is b; do c"),
        ("raise SpineError('a\\x1b[31m\\nb\\x07')", "error: a\\x1b[31m\nb\\x07"),
        (
            "raise OSError(errno.ENOSPC, 'x', 'runs/a')",
            "error: the work stopped at runs/a: No space left on device; make room, and run the same command again",
        ),
        (
            "raise OSError(errno.EDQUOT, 'x', 'runs/a')",
            "error: the work stopped at runs/a: Disk quota exceeded; make room, and run the same command again",
        ),
        (
            "raise OSError(errno.EROFS, 'x', 'runs/a')",
            "error: the work stopped at runs/a: Read-only file system; give the right to it, or another path, and run "
            "the same command again",
        ),
        (
            "raise PermissionError(errno.EACCES, 'x', 'e\\x1b[2J')",
            "error: the work stopped at e\\x1b[2J: Permission denied; give the right to it, or another path, and run "
            "the same command again",
        ),
        (
            "open('/nowhere/at/all', 'w')",
            "error: the work stopped at /nowhere/at/all: No such file or directory; fix the path, and run the same "
            "command again",
        ),
        (
            "raise RuntimeError('write failed: errno = 28, message = No space left on device')",
            "error: the work stopped at RuntimeError: write failed: errno = 28, message = No space left on device; "
            "make room, and run the same command again",
        ),
    ],
)
def test_what_a_person_can_mend_is_one_sentence(raised, told):
    done = run(RAISES.format(raised))
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{told}\n")


@pytest.mark.parametrize("raised", ["{}['x']", "raise OSError('of no path')", "raise ValueError('x')", "1 / 0"])
def test_a_defect_of_ours_keeps_its_traceback(raised):
    done = run(RAISES.format(raised))
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")


@pytest.mark.parametrize("printed", ["[print(n, flush=True) for n in range(10**5)]", "print('x' * 10**6)", "print(0)"])
def test_a_reader_that_went_away_is_no_error(tmp_path, printed):
    (tmp_path / "code.py").write_text(RAISES.format(printed))
    line = f"{sys.executable} {tmp_path / 'code.py'} | true"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("", "")


def test_a_file_that_may_grow_no_further_is_named(tmp_path):
    code = RAISES.format(
        "import resource, signal\n    from pathlib import Path\n    from spine.core.files import atomic_file\n"
        "    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "    with atomic_file(Path(sys.argv[1])) as file:\n        file.write_bytes(bytes(2000))"
    )
    done = run(code, str(tmp_path / "big"))
    assert done.stderr.startswith(f"error: the work stopped at {tmp_path / 'big'}: File too large; make room")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "raised",
    [
        "raise MemoryError('of 8 GiB')",
        "raise type('ResourceExhaustedError', (Exception,), {})('OOM when allocating tensor')",
        "__import__('numpy').empty(2**55)",
    ],
)
def test_memory_that_ran_out_has_a_status_of_its_own_and_one_sentence(raised):
    done = run(RAISES.format(raised))
    assert done.returncode == NO_MEMORY
    assert done.stderr.startswith("error: the work ran out of memory; set a smaller batch")
    assert len(done.stderr.splitlines()) == 1


def test_a_full_disk_is_not_taken_for_memory():
    full = "raise type('ResourceExhaustedError', (Exception,), {})('write failed; No space left on device')"
    done = run(RAISES.format(full))
    assert done.returncode == 1
    assert "No space left on device; make room" in done.stderr
