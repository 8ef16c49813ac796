"""A fused ensemble against its members' bare networks, against calling them one by one, and what options pay.

    python benchmarks/serving.py [--task classification] [--batches 1 4 16] [--rounds 15] [--no-options]

The bare networks get prepared inputs, one network after another. One by one, each member's SavedModel gets the files
and the client averages. Networks have random weights, and batch norm has the statistics of the pictures. Rounds
alternate in one process. Ratios are medians over rounds of the times on the wall, in brackets those of processor time,
which other processes disturb less. Options of the graph are measured against the same without them, those of oneDNN in
processes of their own, by turns; each with the largest difference of a probability.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
import keras
import numpy as np
import tensorflow as tf

import classification.export
import classification.model
import segmentation.export
import segmentation.model
from classification.config import Settings as Classifier
from ensemble.fusion.fuse import Mean
from ensemble.serving.ensemble import Ensemble
from ensemble.serving.fuse_outputs import FuseProbabilities
from ensemble.serving.fused_model import FusedModel
from segmentation.config import Settings as Segmenter
from spine.member.serving import publish_model
from spine.training.network_input import NetworkInput, prepare_each
from spine.training.preprocess import decode

CLASSES = 4
GRADERS = [Classifier(network=name, weights="none") for name in ("squeezenet", "mobilenet", "mobilenetv2", "plain_cnn")]
OUTLINERS = [
    Segmenter(architecture=architecture, encoder=encoder, encoder_weights="none", height=256, width=256)
    for architecture, encoder in (("unet", "mobilenet0.25"), ("fpn", "mobilenetv2"), ("linknet", "resnet18"))
]
TASKS: dict[str, tuple[Any, Any, list[Any], tuple[int, int]]] = {  # with the size of the pictures
    "classification": (classification.model, classification.export, GRADERS, (160, 200)),
    "segmentation": (segmentation.model, segmentation.export, OUTLINERS, (512, 512)),
}
ENVIRONMENTS = {
    "oneDNN off": {"TF_ENABLE_ONEDNN_OPTS": "0"},
}
Answer = Callable[[], np.ndarray]


class Member(NamedTuple):
    """One of the ensemble: its network, what that reads, and its exported SavedModel, loaded."""

    network: keras.Model
    reads: NetworkInput
    model: Any


def main() -> None:
    options = _options()
    if options.child:
        return _answer_in_child(options.child, options.rounds)
    for task in options.task or TASKS:
        files = _files(TASKS[task][3], max(options.batches))
        with tempfile.TemporaryDirectory() as folder:
            members = _members(task, Path(folder), files)
            fused = _fused(task, members, Path(folder) / "fused")
            print(f"{task}: {len(members)} members, pictures of {TASKS[task][3]}, {os.cpu_count()} cores")
            for batch in options.batches:
                _compare(members, fused, files[:batch], options.rounds)
                if options.options:
                    _try_graphs(task, members, fused, files[:batch], max(3, options.rounds // 3))
                    _try_environments(Path(folder), files[:batch], max(3, options.rounds // 3))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=TASKS, nargs="+")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--no-options", dest="options", action="store_false")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _files(size: tuple[int, int], count: int) -> list[bytes]:
    """Smooth pictures with a scanner's noise, as 16-bit PNG."""
    random = np.random.default_rng(0)
    files = []
    for _ in range(count):
        smooth = cv2.resize(random.uniform(0, 3800, (12, 12)), size[::-1], interpolation=cv2.INTER_CUBIC)
        grey = np.clip(smooth + random.normal(0, 60, size), 0, 4095).astype(np.uint16)
        files.append(cv2.imencode(".png", grey)[1].tobytes())
    return files


def _members(task: str, folder: Path, files: list[bytes]) -> list[Member]:
    build, export, settings, _ = TASKS[task]
    members = []
    for number, one in enumerate(settings):
        keras.utils.set_random_seed(number)
        network, reads = build.build(one, CLASSES), NetworkInput.of(one)
        _settle(network, _prepared(files, reads))
        version = export.export(network, one, folder / str(number))
        members.append(Member(network, reads, tf.saved_model.load(str(version))))
    return members


def _settle(network: keras.Model, inputs: Any) -> None:
    """Give batch norm the statistics of the inputs, as after a training: activations are then of ordinary size."""
    norms = [layer for layer in network._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in norms:
        layer.momentum = 0.0
    for _ in norms[:2]:
        network(inputs, training=True)


def _prepared(files: list[bytes], reads: NetworkInput) -> Any:
    (inputs,), _ = prepare_each(decode, tf.constant(files), [reads])
    return inputs


def _fused(task: str, members: list[Member], directory: Path, *, frozen: bool = False) -> Any:
    mean = Mean((1 / len(members),) * len(members))
    told = [{"network": member.reads._asdict()} for member in members]
    fuse = FuseProbabilities(mean, gives_mask=task == "segmentation")
    ensemble = Ensemble.of_models([member.model for member in members], fuse, told, frozen=frozen)
    return tf.saved_model.load(str(publish_model(FusedModel(ensemble), directory)))


def _compare(members: list[Member], fused: Any, files: list[bytes], rounds: int) -> None:
    encoded = tf.constant(files)
    together, bare = _asked(fused, encoded), _bare(members, files, [member.network for member in members])

    def one_by_one() -> np.ndarray:
        return np.mean([_asked(member.model, encoded)() for member in members], axis=0)

    difference = np.abs(together() - one_by_one()).max()
    seconds = _alternate([together, bare, one_by_one], rounds)
    ratios = [_ratio(seconds[0], other) for other in seconds[1:]]
    print(
        f"  batch {len(files):2d}: {1e3 * median(seconds[0][:, 0]):7.1f} ms; against the bare networks {ratios[0]}, "
        f"against one by one {ratios[1]}, apart {difference:.0e}",
        flush=True,
    )


def _asked(model: Any, encoded: Any) -> Answer:
    return lambda: model.signatures["serving_default"](image_bytes=encoded)["probabilities"].numpy()


def _bare(members: list[Member], files: list[bytes], networks: list[keras.Model], *, compiled: bool = False) -> Answer:
    """The answers of networks to prepared inputs, one after another; `compiled` by XLA."""
    asked = [
        (
            tf.function(network, input_signature=member.reads.signature[:1], jit_compile=compiled or None),
            _prepared(files, member.reads),
        )
        for member, network in zip(members, networks, strict=True)
    ]
    return lambda: np.concatenate([network(inputs).numpy().ravel() for network, inputs in asked])


def _try_graphs(task: str, members: list[Member], fused: Any, files: list[bytes], rounds: int) -> None:
    networks, encoded = [member.network for member in members], tf.constant(files)
    with tempfile.TemporaryDirectory() as folder:
        frozen = _fused(task, members, Path(folder), frozen=True)
        _tell("frozen graph", _asked(frozen, encoded), _asked(fused, encoded), rounds)
    plain = _bare(members, files, networks)
    _tell("XLA, of the networks", _bare(members, files, networks, compiled=True), plain, rounds)
    for policy in ("mixed_bfloat16", "mixed_float16"):
        _tell(f"{policy}, of the networks", _bare(members, files, _recast(task, networks, policy)), plain, rounds)
    halves = _recast(task, networks, "float32")
    for network in halves:
        network.set_weights([weights.astype(np.float16).astype(np.float32) for weights in network.get_weights()])
    _tell("weights rounded to float16", _bare(members, files, halves), plain, rounds)


def _recast(task: str, networks: list[keras.Model], policy: str) -> list[keras.Model]:
    keras.config.set_dtype_policy(policy)
    recast = [TASKS[task][0].build(one, CLASSES) for one in TASKS[task][2]]
    keras.config.set_dtype_policy("float32")
    for network, like in zip(recast, networks, strict=True):
        network.set_weights(like.get_weights())
    return recast


def _tell(name: str, option: Answer, plain: Answer, rounds: int) -> None:
    difference = np.abs(option().astype(np.float32) - plain()).max()
    seconds = _alternate([option, plain], rounds)
    print(f"      {name}: {_ratio(*seconds)}, apart {difference:.0e}", flush=True)


def _try_environments(folder: Path, files: list[bytes], rounds: int) -> None:
    """Each against the plain one in processes by turns."""
    (folder / "files").mkdir(exist_ok=True)
    for number, file in enumerate(files):
        (folder / "files" / f"{number:03d}.png").write_bytes(file)
    for name, environment in ENVIRONMENTS.items():
        turns = [(_in_child(folder, environment, rounds), _in_child(folder, {}, rounds)) for _ in range(2)]
        option, plain = (np.concatenate([turn[side][0] for turn in turns]) for side in (0, 1))
        difference = np.abs(turns[0][0][1] - turns[0][1][1]).max()
        print(f"      {name}: {_ratio(np.median(option, 0), np.median(plain, 0))}, apart {difference:.0e}", flush=True)


def _in_child(folder: Path, environment: dict[str, str], rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """Seconds (rounds, 2) and probabilities of the fused model in a process of that environment."""
    command = [sys.executable, __file__, "--child", str(folder), "--rounds", str(rounds)]
    subprocess.run(command, env={**os.environ, **environment}, check=True, stderr=subprocess.DEVNULL)
    return np.load(folder / "seconds.npy"), np.load(folder / "answer.npy")


def _answer_in_child(folder: Path, rounds: int) -> None:
    files = [file.read_bytes() for file in sorted((folder / "files").glob("*.png"))]
    asked = _asked(tf.saved_model.load(str(folder / "fused" / "model" / "1")), tf.constant(files))
    np.save(folder / "answer.npy", asked())
    np.save(folder / "seconds.npy", _alternate([asked], rounds)[0])


def _alternate(answers: list[Answer], rounds: int) -> list[np.ndarray]:
    """Seconds (rounds, 2) of each, on the wall and of the processor."""
    for answer in answers:
        answer()  # the first traces
    seconds = np.array([[_seconds(answer) for answer in answers] for _ in range(rounds)])
    return list(seconds.transpose(1, 0, 2))


def _seconds(answer: Answer) -> tuple[float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    answer()
    return time.perf_counter() - wall, time.process_time() - processor


def _ratio(seconds: np.ndarray, others: np.ndarray) -> str:
    wall, processor = np.median(np.atleast_2d(seconds / others), axis=0)
    return f"{wall:.2f} ({processor:.2f})"


if __name__ == "__main__":
    main()
