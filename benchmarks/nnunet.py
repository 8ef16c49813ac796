"""nnU-Net's 2D network, trained on an experiment's training patients for some CPU time, as an external member of it.

    python -m venv /tmp/nnunet && /tmp/nnunet/bin/pip install nnunetv2
    python benchmarks/nnunet.py configs/spider_segmentation_nnunet.yaml --python /tmp/nnunet/bin/python --minutes 20

The pictures of the splits become nnU-Net's files, with their spacing (1 mm where it is unknown); nnU-Net plans,
preprocesses, trains and predicts in its own environment; its probabilities of validation and test become the
predictions of the member `nnunet`, which the experiment names with `foreign: true`. Then `spine search`, `evaluate` and
`report` take it, and benchmarks/paired.py holds it against another experiment of the same dataset.

nnU-Net's defaults hold but for the time: see benchmarks/nnunet_trainer/timed_trainer.py. `--minutes` are of CPU time,
of all cores together, and of training alone; augmentation runs in the same process, so that it counts. It trains on the
training patients alone (fold `all`), and sees no validation patient. Work that is done is kept: a run that was killed
begins its training again, and nothing before it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import nibabel
import numpy as np

from pipeline.data import build_data
from pipeline.experiments import load_experiment
from spine.core.problems import SpineError
from spine.dataset.truth import MaskTruth
from spine.experiment.config import Experiment
from spine.experiment.foreign import read_samples, write_foreign
from spine.images.pictures import decode_picture
from spine.member.member import Member

NUMBER, TRAINER = "500", "TimedTrainer"
TRAINERS = Path(__file__).resolve().parent / "nnunet_trainer"
PREDICTED = ("validation", "test")


def masks_of(experiment: Experiment, split: str) -> MaskTruth:
    truth = read_samples(experiment, split)
    assert isinstance(truth, MaskTruth), experiment.task  # `require_foreign` lets no other task through
    return truth


def main() -> None:
    options = parse()
    experiment: Experiment = options.experiment
    require_foreign(experiment, options.member)
    if experiment.build:
        build_data(experiment, print)
    train, *others = (masks_of(experiment, split) for split in ("train", *PREDICTED))
    work = Work(options.work or experiment.directory / "nnunet", Path(options.python), options.minutes)
    if not work.planned.exists():
        write_dataset(train, work.dataset)
        work.run(
            "plan_and_preprocess", "-d", NUMBER, "-c", "2d", "-np", "2", "-npfp", "2", "--verify_dataset_integrity"
        )
    if not work.trained.exists():
        work.run("train", NUMBER, "2d", "all", "-tr", TRAINER, "-device", "cpu")
    predicted = {split: work.predictions(truth, split) for split, truth in zip(PREDICTED, others, strict=True)}
    member = write_foreign(experiment, options.member, predicted, trained=train.patients)
    print(summary(json.loads(work.trained.read_text()), member, experiment))


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", metavar="EXPERIMENT")
    parser.add_argument("--python", required=True, help="the interpreter of an environment that has nnunetv2")
    parser.add_argument("--minutes", type=float, default=20, help="of CPU time that the training may take")
    parser.add_argument("--member", default="nnunet", help="the experiment's external member that it becomes")
    parser.add_argument("--work", type=Path, help="nnU-Net's folder; else nnunet/ in the experiment's")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    options = parser.parse_args(arguments)
    if options.minutes <= 0:
        parser.error(f"--minutes is {options.minutes}; give more than 0")
    options.experiment = load_experiment(options.file, options.overrides)
    return options


def require_foreign(experiment: Experiment, member: str) -> None:
    """SpineError, before an hour of training, where the experiment does not take what it gives."""
    if experiment.task != "segmentation" or experiment.folds:
        what = f"{experiment.folds} folds" if experiment.folds else f"the task {experiment.task}"
        raise SpineError(f"{experiment.name} has {what}; give an experiment of segmentation without folds")
    if "foreign" not in getattr(experiment.members.get(member), "model_fields_set", ()):
        raise SpineError(f"{experiment.name} has no external member {member!r}; add `{member}: {{foreign: true}}`")


class Work:
    """nnU-Net's three folders and its commands, run in its own environment."""

    def __init__(self, root: Path, python: Path, minutes: float) -> None:
        self.root, self.bin, self.minutes = root.absolute(), python.absolute().parent, minutes
        if not (self.bin / "nnUNetv2_train").exists():
            raise SpineError(f"{python} has no nnUNetv2_train beside it; install nnunetv2 in its environment")

    @property
    def name(self) -> str:
        """The dataset's, by nnU-Net's rules."""
        return f"Dataset{NUMBER}_spine"

    @property
    def dataset(self) -> Path:
        """What nnU-Net reads."""
        return self.root / "raw" / self.name

    @property
    def planned(self) -> Path:
        """The plan: written by nnU-Net before it preprocesses, so the files of the last case are asked for too."""
        return self.root / "preprocessed" / self.name / "planned"

    @property
    def trained(self) -> Path:
        """Written by the trainer at its end, in the folder of this much time."""
        return self.results / self.name / f"{TRAINER}__nnUNetPlans__2d" / "fold_all" / "trained.json"

    @property
    def results(self) -> Path:
        """A folder for each time, so that another asks for a training of its own."""
        return self.root / f"results-{self.minutes:g}-minutes"

    def run(self, command: str, *arguments: str) -> None:
        """One of nnU-Net's commands; SpineError where it fails."""
        environment = {
            **os.environ,
            "nnUNet_raw": str(self.root / "raw"),
            "nnUNet_preprocessed": str(self.root / "preprocessed"),
            "nnUNet_results": str(self.results),
            "nnUNet_extTrainer": str(TRAINERS),
            "SPINE_NNUNET_CPU_SECONDS": str(60 * self.minutes),
        }
        environment.pop("PYTHONPATH", None)
        if command == "train":
            environment["nnUNet_n_proc_DA"] = "0"  # augmentation in the training's own process
        print(f"nnUNetv2_{command} {' '.join(arguments)}", file=sys.stderr, flush=True)
        done = subprocess.run([str(self.bin / f"nnUNetv2_{command}"), *arguments], env=environment, stdout=sys.stderr)
        if done.returncode:
            raise SpineError(f"nnUNetv2_{command} ended with status {done.returncode}; see above")
        if command == "plan_and_preprocess":
            self.planned.touch()

    def predictions(self, truth: MaskTruth, split: str) -> Iterator[np.ndarray]:
        """Probabilities (H, W, C) of a split's pictures, one after the other; predicted where they were not yet."""
        pictures, answers = self.root / f"images-{split}", self.results / f"predicted-{split}"
        write_pictures(truth, pictures)
        if len([*answers.glob("*.npz")]) < len(truth):
            asked = ("-i", str(pictures), "-o", str(answers), "-d", NUMBER, "-c", "2d", "-f", "all", "-tr", TRAINER)
            self.run("predict", *asked, "-device", "cpu", "--save_probabilities", "-npp", "1", "-nps", "1")
        for number in range(len(truth)):
            with np.load(answers / f"{case(number)}.npz") as stored:
                yield rows_last(stored["probabilities"])


def case(number: int) -> str:
    return f"case_{number:04d}"


def write_dataset(truth: MaskTruth, folder: Path) -> None:
    """The training patients as nnU-Net's raw dataset: a case a picture, named by its number in the split."""
    write_pictures(truth, folder / "imagesTr")
    (folder / "labelsTr").mkdir(parents=True, exist_ok=True)
    for number, mask in enumerate(truth):
        write_nifti(mask.astype(np.uint8), truth.spacings[number], folder / "labelsTr" / f"{case(number)}.nii.gz")
    described = {
        "channel_names": {"0": "MRI"},  # nnU-Net then normalises each picture by its own mean and deviation
        "labels": {label: index for index, label in enumerate(truth.labels)},
        "numTraining": len(truth),
        "file_ending": ".nii.gz",
        "overwrite_image_reader_writer": "SimpleITKIO",
    }
    (folder / "dataset.json").write_text(json.dumps(described, indent=2))


def write_pictures(truth: MaskTruth, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(truth.paths):
        pixels = decode_picture(path.read_bytes(), path)
        write_nifti(pixels, truth.spacings[number], folder / f"{case(number)}_0000.nii.gz")


def write_nifti(pixels: np.ndarray, spacing: tuple[float, float] | None, path: Path) -> None:
    """A picture (H, W) as a 2D image, x before y as NIfTI has it; `spacing` is along y and x in mm."""
    height, width = spacing or (1.0, 1.0)
    image = nibabel.Nifti1Image(np.ascontiguousarray(pixels.T), np.diag([width, height, 1.0, 1.0]))
    image.header.set_zooms((width, height))
    nibabel.save(image, path)


def rows_last(probabilities: np.ndarray) -> np.ndarray:
    """nnU-Net's probabilities (C, 1, H, W) as (H, W, C) that sum to 1."""
    of_pixels = np.moveaxis(probabilities[:, 0].astype(np.float32), 0, -1)
    return of_pixels / of_pixels.sum(axis=-1, keepdims=True)


def summary(trained: dict[str, Any], member: Member, experiment: Experiment) -> str:
    patch = "x".join(map(str, trained["patch"]))
    return (
        f"{member.path}: {trained['iterations']} iterations of {trained['batch']} patches of {patch} in "
        f"{trained['cpu_seconds'] / 60:.1f} minutes of CPU time ({trained['seconds'] / 60:.1f} minutes)\n"
        f"now `spine run {experiment.name}`'s file, and benchmarks/paired.py"
    )


if __name__ == "__main__":
    main()
