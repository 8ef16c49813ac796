"""A server under load: 64 clients at once for a minute; latencies, throughput, lost requests, and memory.

    python benchmarks/load.py [RUN|CASE] [--seconds 60] [--clients 64] [--protocol rest] [--bad 0.1] [--picture FILE]

Three times in one run: good requests alone; the same while new versions of the model are loaded, one every few seconds;
and while a share of the requests is bad (no JSON, a truncated PNG, 100 megapixels, an unknown model). A request is lost
where a good one is not answered with 200, or a bad one with anything but a 4xx. Memory is that of the server's process,
which is started as `spine serve`. Clients are processes of their own, so that they do not share its interpreter.

Without RUN a small convolutional classifier is served, which no training made: it costs about what a MobileNet costs at
64 x 64 pixels. The model's directory is copied first, for the versions that are added.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from load_clients import Heard, clients_of
from rich.console import Console
from rich.table import Table

from spine.core.quiet import silence_tensorflow

# What imports TensorFlow is imported inside functions: the clients' processes, which import this file, need none.

EVERY = 5.0  # seconds between new versions


def main() -> None:
    options = parse()
    silence_tensorflow()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, context.Pool(options.processes) as pool:
        directory, name = model_in(Path(folder), options.run)
        process, url, address = started(directory)
        try:
            ask = (address if options.protocol == "grpc" else url, name, options)
            run_phase(pool, ask, min(options.seconds, 5.0), 0.0)
            rows = [
                measured("good requests", pool, process.pid, ask, 0.0),
                measured("while versions are loaded", pool, process.pid, ask, 0.0, adds_versions_to=directory),
                measured(f"{options.bad:.0%} bad requests", pool, process.pid, ask, options.bad),
            ]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
    show(rows, options)
    if any(heard.lost for _, heard, *_ in rows):
        sys.exit(f"lost: {[dict(heard.outcomes) for _, heard, *_ in rows]}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?", help="an experiment, a case, or a member's directory")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each of the three phases")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--processes", type=int, default=4, help="that the clients are threads of")
    parser.add_argument("--protocol", choices=("rest", "grpc"), default="rest")
    parser.add_argument("--bad", type=float, default=0.1, help="share of bad requests in the third phase")
    parser.add_argument("--picture", type=Path, help="a PNG or JPEG to send (default: noise of 256 x 256)")
    return parser.parse_args()


def model_in(folder: Path, run: Path | None) -> tuple[Path, str]:
    """A directory with a copy of the model, to which versions may be added, and its name."""
    from pipeline.server.sources import sources_of
    from spine.member.member import Card, Member
    from spine.member.serving import publish_model

    if run:
        (source,) = sources_of([run])
        shutil.copytree(source.directory, folder / "model")
        return folder / "model", Member.open(folder / "model").name
    publish_model(small_network(), folder / "network")
    version = folder / "network" / "model" / "1"
    card = Card(name="network", task="classification", labels=("a", "b"), model_hash=Member.hash_model(version))
    Member.publish(folder / "network", card)
    return folder / "network", "network"


def small_network():
    import tensorflow as tf

    from spine.training.preprocess import decode, to_grey

    random = np.random.default_rng(0)
    shapes = [(3, 3, 1, 32), (3, 3, 32, 64), (3, 3, 64, 128), (3, 3, 128, 128)]

    class Network(tf.Module):
        def __init__(self):
            super().__init__()
            self.kernels = [tf.Variable(random.normal(0, 0.1, shape).astype(np.float32)) for shape in shapes]
            self.last = tf.Variable(random.normal(0, 0.1, (128, 2)).astype(np.float32))

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
        def serving_default(self, image_bytes):
            spec = tf.TensorSpec([64, 64, 1], tf.float32)
            small = tf.map_fn(
                lambda file: tf.image.resize(decode(file), (64, 64)), image_bytes, fn_output_signature=spec
            )
            return self._answer(small)

        @tf.function(input_signature=[tf.TensorSpec([None, None, None, None], tf.float32, name="image")])
        def image(self, image):
            return self._answer(tf.image.resize(to_grey(image), (64, 64)))

        def _answer(self, x):
            for kernel in self.kernels:
                x = tf.nn.relu(tf.nn.conv2d(x, kernel, 2, "SAME"))
            return {"probabilities": tf.nn.softmax(tf.reduce_mean(x, (1, 2)) @ self.last)}

    return Network()


def started(directory: Path) -> tuple[subprocess.Popen, str, str]:
    """The server's process, and the addresses of its two ports."""
    command = [sys.executable, "-m", "pipeline.cli", "serve", str(directory), "--rest-port", "0", "--grpc-port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    url = address = ""
    while not (url and address):
        line = process.stderr.readline()
        if not line:
            sys.exit("the server did not start")
        url = line.split()[-1].partition("/v1/")[0] if " POST " in line else url
        address = line.split(";")[0].split()[-1] if " gRPC at " in line else address
    threading.Thread(target=process.stderr.read, daemon=True).start()
    return process, url, address


def measured(title, pool, pid, ask, bad, adds_versions_to=None):
    """One phase's row: its title, what was heard, and the server's memory before and after, in bytes."""
    *_, options = ask
    before, stop = memory_of(pid), threading.Event()
    adding = threading.Thread(target=add_versions, args=(adds_versions_to, stop))
    if adds_versions_to:
        adding.start()
    heard = run_phase(pool, ask, options.seconds, bad)
    stop.set()
    if adds_versions_to:
        adding.join()
        time.sleep(3)  # until the last is loaded and the one before unloaded
    return title, heard, before, memory_of(pid)


def add_versions(directory: Path, stop: threading.Event) -> None:
    """The newest version once more under the next number, every few seconds, as exports write it: all at once.

    Of those before, the last three stay on disk.
    """
    from spine.core.files import atomic_directory
    from spine.member.member import Member
    from spine.member.serving import next_version

    while not stop.wait(EVERY):
        with atomic_directory(next_version(directory)) as temporary:
            shutil.copytree(Member.versions_of(directory)[-1], temporary, dirs_exist_ok=True)
        for old in Member.versions_of(directory)[:-3]:
            shutil.rmtree(old)


def run_phase(pool, ask, seconds, bad) -> Heard:
    *_, options = ask
    each, begin = -(-options.clients // options.processes), time.monotonic() + 1
    several = pool.starmap(clients_of, [(ask, each, begin, seconds, bad, seed) for seed in range(options.processes)])
    heard = Heard()
    for one in several:
        heard.latencies += one.latencies
        heard.outcomes += one.outcomes
    return heard


def memory_of(pid: int) -> int:
    """Resident bytes of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def show(rows, options) -> None:
    table = Table("phase", "answered", "per second", "p50", "p95", "p99", "slowest", "lost", "memory")
    for title, heard, before, after in rows:
        milliseconds = np.array(heard.latencies or [np.nan]) * 1e3
        cuts = [f"{np.percentile(milliseconds, cut):.0f} ms" for cut in (50, 95, 99, 100)]
        count = sum(heard.outcomes.values())
        memory = f"{before / 2**20:,.0f} -> {after / 2**20:,.0f} MiB"
        table.add_row(title, f"{count:,}", f"{count / options.seconds:,.0f}", *cuts, str(heard.lost), memory)
    table.title = (
        f"{options.clients} clients, {options.protocol}, {options.seconds:g} s a phase, {os.cpu_count()} cores"
    )
    Console(width=120).print(table)
    for title, heard, *_ in rows:
        told = ", ".join(f"{kind}: {count:,}" for (kind, _), count in sorted(heard.outcomes.items()))
        print(f"{title}: {told}")


if __name__ == "__main__":
    main()
