"""A `spine` whose commands are processes forked from one that has imported TensorFlow and done nothing with it, since
the import takes longer than most of them.
"""

import atexit
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.pages import ROOT

# It takes one command after another: words, directory and environment as JSON, and its three streams. The process that
# it forks leaves the loop and ends as any command does; its status goes back.
SERVER = """
import json, os, socket, sys
from pipeline.cli import main
from spine.core.quiet import silence_tensorflow
silence_tensorflow()
import keras, tensorflow

def asked(server):
    while True:
        command, _ = server.accept()
        with command:
            words, streams, _, _ = socket.recv_fds(command, 1 << 20, 3)
            child = os.fork()
            if child == 0:
                server.close()
                for number, stream in enumerate(streams):
                    os.dup2(stream, number)
                return json.loads(words)
            for stream in streams:
                os.close(stream)
            command.sendall(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())

server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
print("ready", flush=True)
sys.argv, directory, environment = asked(server)
os.chdir(directory)
os.environ.clear()
os.environ.update(environment)
main()
"""
SPINE = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    asked = json.dumps([sys.argv, os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(server, [asked], [0, 1, 2])
    sys.exit(int(server.recv(100) or 1))
"""


def write_spine(file: Path) -> None:
    """Write the program `spine` that has its commands forked."""
    file.write_text(SPINE.format(python=sys.executable, address=_address()))
    file.chmod(0o755)


@cache
def _address() -> str:
    """Where the process that forks listens; it ends with this one."""
    folder = TemporaryDirectory()
    address = str(Path(folder.name) / "spine")
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, address],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(_end, server, folder)
    assert server.stdout.readline() == "ready\n"
    return address


def _end(server: subprocess.Popen, folder: TemporaryDirectory) -> None:
    server.terminate()
    server.wait()
    folder.cleanup()
