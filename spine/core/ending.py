"""How a command ends: well, with one sentence, or stopped by a person; in a traceback only where the fault is ours."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import typer

from spine.core.memory import NO_MEMORY, is_of_memory
from spine.core.problems import SpineError, brief, printable_lines
from spine.core.processes import PARENT

__all__ = ["Stopped", "run_to_the_end"]


class Stopped(BaseException):
    """A signal asked this process to end. No `except Exception` of a library keeps it, nor does typer."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number  # as shells have it: 130 of Ctrl-C


def run_to_the_end(command: Callable[[], object], work: str) -> None:
    """Run a command of typer's to the exit of this process: status 1 and one message of an error that a user can fix.

    NO_MEMORY is its status where memory ran out. Ctrl-C and SIGTERM end it with a word, after what was half written is
    gone; a reader that is gone ends it without.
    """
    from spine.core.disk import at_work

    is_child = PARENT in os.environ  # then the parent speaks
    try:
        with _signals_raise(is_child), at_work(work):
            try:
                command()
            finally:
                sys.stdout.flush()  # now, while it can be told whether anybody reads
    except SpineError as error:
        _say(f"error: {printable_lines(str(error))}", "red")
        sys.exit(1)
    except Stopped as stopped:
        if not is_child:
            _say("stopped; run the same command to go on")
        _leave(stopped.status)
    except BrokenPipeError:  # such as of `spine data check ... | head`
        _leave(128 + signal.SIGPIPE)
    except Exception as error:
        if not is_of_memory(error):
            raise
        _say(
            f"error: {work} ran out of memory; set a smaller batch, or fewer jobs at once ({brief(str(error))})", "red"
        )
        sys.exit(NO_MEMORY)


def _say(text: str, colour: str | None = None) -> None:
    with suppress(OSError):  # where nobody reads it
        typer.secho(text, fg=colour, err=True)


def _leave(status: int) -> None:
    # At once: threads of TensorFlow may be in the middle of a step, and what Python would flush nobody reads.
    os._exit(status)


@contextmanager
def _signals_raise(is_child: bool) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM raise Stopped. A second one ends the process whatever it does.

    In a child it is not heard: Ctrl-C reaches all processes of a terminal, and then the parent tells its children too.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        for sign in before:
            signal.signal(sign, again)
        raise Stopped(number)

    def again(number: int, frame: FrameType | None) -> None:
        if not is_child:
            _leave(128 + number)

    before = {sign: signal.signal(sign, stop) for sign in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)
