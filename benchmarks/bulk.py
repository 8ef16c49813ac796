"""Many studies answered by `spine predict --studies`: against a plain loop, its memory, its jobs, and its shards.

    python benchmarks/bulk.py [--images 1000 10000] [--batch 16] [--rounds 3] [--jobs 5] [--machines 1 2 4 8 16 32 64]
                              [--only speed|jobs|scaling] [--without-ray]

- speed: images a second of bulk inference, from files to Parquet, and of a loop over the same SavedModel that reads a
  file, asks about it and keeps the answer, one picture after the other; each in a process of its own, by turns, with
  its peak memory. The model is a small convolutional classifier that no training made; pictures are 128 x 128 pixels.
- jobs: what a job costs that does nothing, on each executor, above the process that it starts.
- scaling: the same eight shards on 1, 2 and 4 processes at once, with a model that sleeps in place of a GPU; lost is
  the time of processes in which it does not sleep. From that, and from how evenly names fall into shards, the time of
  100,000 studies on several machines. That is computed, not measured.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
SIZE, DISTINCT = 128, 200  # pixels; pictures that differ, the others are links to them
SHARDS, STUDIES, BATCH, SECONDS_A_REQUEST = 8, 480, 8, 1.0
ARCHIVE = 100_000
NOTHING = [sys.executable, "-P", "-m", "site"]  # prints where packages lie
# What imports TensorFlow is imported inside functions: processes that only sleep need none.


def main() -> None:
    arguments = parsed()
    os.environ.update(SPINE_SALT="benchmark", TF_CPP_MIN_LOG_LEVEL="3")
    if arguments.worker:
        return work(*arguments.worker)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.only in ("", "speed"):
            write_model(folder / "model")
            for images in arguments.images:
                tell_speed(folder, images, arguments.batch, arguments.rounds)
        if arguments.only in ("", "jobs"):
            tell_jobs(folder, arguments.jobs, not arguments.without_ray)
        if arguments.only in ("", "scaling"):
            tell_scaling(folder, arguments.machines)
    return None


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=5)
    parser.add_argument("--machines", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--only", choices=("speed", "jobs", "scaling"), default="")
    parser.add_argument("--without-ray", action="store_true")
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    return parser.parse_args()


def work(kind: str, *given: str) -> None:
    """What a process of its own does; it prints how long that took, its peak memory in MiB, and all processor time."""
    kinds: dict[str, Callable[..., float]] = {"bulk": bulk, "loop": loop, "sleep": sleep}
    seconds = kinds[kind](*given)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak": peak, "processor": time.process_time()}))


# Speed and memory.


def write_model(path: Path) -> None:
    import keras
    import tensorflow as tf

    from spine.member.member import Card, Member
    from spine.member.serving import publish_model
    from spine.training.preprocess import decode

    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNet(input_shape=(SIZE, SIZE, 1), alpha=0.25, weights=None, classes=2)

    class Model(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
        def serving_default(self, image_bytes: Any) -> Any:
            spec = tf.TensorSpec([SIZE, SIZE, 1], tf.float32)
            return self.image(tf.map_fn(decode, image_bytes, fn_output_signature=spec))

        @tf.function(input_signature=[tf.TensorSpec([None, SIZE, SIZE, 1], tf.float32, name="image")])
        def image(self, image: Any) -> Any:
            return {"probabilities": self.network(image, training=False)}

    version = publish_model(Model(), path)
    labels = ("healthy", "degenerated")
    Member.publish(
        path, Card(name="mobilenet", task="classification", labels=labels, model_hash=Member.hash_model(version))
    )


def write_pictures(root: Path, count: int) -> Path:
    """A tree of as many pictures of noise, 100 a folder."""
    from spine.images.pictures import write_png16

    random = np.random.default_rng(0)
    for number in range(count):
        path = root / f"{number // 100:04d}" / f"{number:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number < DISTINCT:
            write_png16(random.integers(0, 4096, (SIZE, SIZE)).astype(np.uint16), path)
        else:
            os.link(root / f"{number % DISTINCT // 100:04d}" / f"{number % DISTINCT:06d}.png", path)
    return root


def bulk(model: str, studies: str, output: str, batch: str) -> float:
    from pipeline.bulk.predict import Request, predict

    marks: list[float] = []  # the last line is told when the model is loaded
    outcome = predict(
        Request(Path(model), studies, Path(output), batch=int(batch)), lambda line: marks.append(time.monotonic())
    )
    assert outcome.failed == 0
    return time.monotonic() - marks[-1]


def loop(model: str, studies: str) -> float:
    import tensorflow as tf

    from spine.member.member import Member

    serving = tf.saved_model.load(str(Member.open(model).trusted_model)).signatures["serving_default"]
    paths = sorted(Path(studies).rglob("*.png"))
    begun, answers = time.monotonic(), []
    for path in paths:
        answers.append(serving(image_bytes=tf.constant([path.read_bytes()]))["probabilities"].numpy())
    return time.monotonic() - begun


def tell_speed(folder: Path, images: int, batch: int, rounds: int) -> None:
    tree = write_pictures(folder / f"pictures{images}", images)
    told: dict[str, list[dict[str, float]]] = {"bulk": [], "loop": []}
    for turn in range(rounds):
        output = folder / f"answers{images}-{turn}"
        told["bulk"].append(in_process("bulk", folder / "model", tree, output, batch))
        told["loop"].append(in_process("loop", folder / "model", tree))
    table = Table("", "images a second", "peak memory, MiB", title=f"{images:,} images, batches of {batch}")
    for kind, runs in told.items():
        rate, peak = (
            median(values) for values in ([images / one["seconds"] for one in runs], [one["peak"] for one in runs])
        )
        table.add_row({"bulk": "spine predict --studies", "loop": "plain loop"}[kind], f"{rate:,.0f}", f"{peak:,.0f}")
    Console().print(table)
    ratios = [loop["seconds"] / bulk["seconds"] for bulk, loop in zip(told["bulk"], told["loop"], strict=True)]
    print(f"bulk inference is {median(ratios):.2f} times as fast (median of {rounds} rounds: {shown(ratios)})")


def in_process(*words: Any) -> dict[str, float]:
    command = [sys.executable, __file__, "--worker", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


# What a job costs.


def tell_jobs(folder: Path, count: int, with_ray: bool) -> None:
    from pipeline.jobs.engines import engine_by
    from spine.experiment.executor import ExecutorSettings

    bare = median([timed(lambda: subprocess.run(NOTHING, stdout=subprocess.DEVNULL, check=True)) for _ in range(count)])
    columns = ("executor", "first job, s", "each other, s", "above a bare process, s")
    table = Table(*columns, title="a job that does nothing")
    table.add_row("a bare process", "", f"{bare:.2f}", "")
    executors = {
        "local": ExecutorSettings(cpus=1),
        "slurm, by submitit's local engine": ExecutorSettings(kind="slurm", through="local", cpus=1, minutes=5),
        **({"ray, a cluster of this machine": ExecutorSettings(kind="ray", cpus=1)} if with_ray else {}),
    }
    for name, settings in executors.items():
        records = folder / "jobs" / settings.kind
        engine = engine_by(settings, records, 1)
        first, *others = [timed(partial(one_job, engine, records, number)) for number in range(count + 1)]
        engine.stop([])
        table.add_row(name, f"{first:.2f}", f"{median(others):.2f}", f"{median(others) - bare:.2f}")
    Console().print(table)


def one_job(engine: Any, records: Path, number: int) -> None:
    """Hand over a job and wait for its end."""
    from pipeline.jobs.job import Job, Record

    job = Job(f"job {number}", NOTHING[-1], (), records)
    handle = engine.submit(job, Record(job.name, "waiting").write(job.record))
    while (ended := engine.ended(job, handle)) is None:
        time.sleep(0.01)
    if ended.status:
        raise SystemExit(f"{job.name} {ended.why}")


def timed(act: Callable[[], Any]) -> float:
    begun = time.monotonic()
    act()
    return time.monotonic() - begun


# Shards on several processes.


class Sleeper:
    """Takes as long for each request as a GPU that is fast and far away."""

    needs_one_size = False

    def __init__(self) -> None:
        self.asleep = 0.0

    def outputs_of(self, pictures: Sequence[Any]) -> dict[str, np.ndarray]:
        begun = time.monotonic()
        time.sleep(SECONDS_A_REQUEST)
        self.asleep += time.monotonic() - begun
        return {}

    def read(self, outputs: Any, pictures: Sequence[Any]) -> list[Any]:
        from spine.answers.answer import Answer, Finding, Grade

        finding = Finding("", grades=(Grade("grade", ("low", "high"), np.array([0.5, 0.5])),))
        return [Answer("sleeper", "1", one.height, one.width, findings=(finding,)) for one in pictures]


def sleep(sheet: str, output: str, shard: str, batch: str) -> float:
    """Answer a shard as `spine predict` does, by a model that sleeps; its own seconds asleep."""
    from pipeline.bulk.loop import answer_studies
    from pipeline.bulk.parts import Parts
    from pipeline.bulk.reading import pictures_on_disk
    from pipeline.bulk.shard import Shard
    from pipeline.bulk.studies import in_sheet
    from pipeline.bulk.tables import Tables
    from spine.answers.description import Description

    mine = Shard.of(shard)
    model = Sleeper()
    description = Description(name="sleeper", task="classification", targets={"grade": ("low", "high")})
    studies = [study for study in in_sheet(Path(sheet)) if mine.holds(study.source)]
    pictures = partial(pictures_on_disk, slices=1, neighbours=False)
    parts = Parts(Path(output), mine, Tables(description, "1"))
    outcome = answer_studies(model, studies, pictures, parts, batch=int(batch))
    assert outcome.studies == len(studies), outcome
    return model.asleep


def tell_scaling(folder: Path, machines: Sequence[int]) -> None:
    from pipeline.bulk.studies import in_folder, write_sheet_of

    sheet = write_sheet_of(in_folder(write_pictures(folder / "studies", STUDIES)), folder / "studies.csv")
    columns = ("processes", "seconds", "speed-up", "asleep", "lost a shard, s", "processor time a shard, s")
    table = Table(*columns, title=f"{STUDIES} studies, {SHARDS} shards, {SECONDS_A_REQUEST:g} s a request of {BATCH}")
    alone = lost = 0.0
    for workers in (1, 2, 4):
        seconds, asleep, processor = shards_on(workers, sheet, folder / f"on{workers}")
        of_shard = (seconds * workers - asleep) / SHARDS
        alone, lost = alone or seconds, lost or of_shard
        shares = f"{asleep / (seconds * workers):.0%}", f"{of_shard:.1f}", f"{processor / SHARDS:.1f}"
        table.add_row(str(workers), f"{seconds:.0f}", f"{alone / seconds:.2f}", *shares)
    Console().print(table)
    tell_machines(machines, SECONDS_A_REQUEST / BATCH, lost)


def shards_on(workers: int, sheet: Path, output: Path) -> tuple[float, float, float]:
    """Seconds by the clock until all shards are done by so many processes at once, those that these slept, and those
    of processors.
    """
    from concurrent.futures import ThreadPoolExecutor

    def one(number: int) -> dict[str, float]:
        return in_process("sleep", sheet, output, f"{number + 1}/{SHARDS}", BATCH)

    begun = time.monotonic()
    with ThreadPoolExecutor(workers) as pool:
        ended = list(pool.map(one, range(SHARDS)))
    seconds = time.monotonic() - begun
    return seconds, sum(one["seconds"] for one in ended), sum(one["processor"] for one in ended)


def tell_machines(machines: Sequence[int], seconds_a_study: float, lost: float) -> None:
    """The time of an archive where each machine has one shard: that of the largest one, and what a shard loses."""
    sources = [f"1.2.826.0.1.{number}" for number in range(ARCHIVE)]
    title = f"{ARCHIVE:,} studies, {seconds_a_study * 1000:.0f} ms each, {lost:.1f} s lost a shard (computed)"
    table = Table("machines", "largest shard", "time, minutes", "speed-up", "efficiency", title=title)
    for count, largest in zip(machines, largest_shards(sources, machines), strict=True):
        seconds, alone = largest * seconds_a_study + lost, ARCHIVE * seconds_a_study + lost
        table.add_row(
            str(count),
            f"{largest:,}",
            f"{seconds / 60:.1f}",
            f"{alone / seconds:.1f}",
            f"{alone / seconds / count:.0%}",
        )
    Console().print(table)


def largest_shards(sources: Sequence[str], machines: Sequence[int]) -> Iterator[int]:
    from pipeline.bulk.shard import Shard

    for count in machines:
        yield max(sum(map(Shard(number, count).holds, sources)) for number in range(1, count + 1))


def shown(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


if __name__ == "__main__":
    main()
