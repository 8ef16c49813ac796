"""Readers of the project's own configs and datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from pipeline.experiments import load_experiment, load_experiments, load_other_datasets
from spine.dataset.manifest import Manifest
from spine.intake import load_data_config
from tests.hostile.of_pictures import built, config_of, one_draw
from tests.hostile.readers import Found, Reader
from tests.hostile.samples import write_png

__all__ = ["OF_CONFIGS", "OF_DATASETS"]

_PATIENTS = {"train": 1, "validation": 3, "test": 3}


def _data_config(folder: Path) -> None:
    (folder / "images").mkdir(parents=True)
    for number in (1, 2, 3):
        write_png(folder / "images", number)
    rows = "".join(f"p{number}.png,p{number},{number},1,2,9,10\n" for number in (1, 2, 3))
    (folder / "boxes.csv").write_text(f"image,patient,grade,x0,y0,x1,y1\n{rows}")
    boxes = {
        "format": "table",
        "path": "boxes.csv",
        "box": ["x0", "y0", "x1", "y1"],
        "label": "disc",
        "targets": ["grade"],
    }
    config = config_of(Path(), (boxes,), slices=1)
    config["targets"] = {"severe": {"of": "grade", "at_least": 2, "labels": ["no", "yes"]}}
    config["crop"] = {"label": "disc", "grow": 0.1}
    (folder / "data.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def _load_and_build(folder: Path) -> Found:
    """The config alone, and where it holds what it builds; paths are relative to the folder, where the process is."""
    return built(load_data_config(Path("data.yaml")))


def _load_data(folder: Path) -> Found:
    return Found(told=load_data_config(folder / "data.yaml").model_dump(mode="json"))


_EXPERIMENT: dict[str, Any] = {
    "name": "hostile",
    "task": "classification",
    "data": "data",
    "target": "degeneration",
    "labels": ["healthy", "degenerated"],
    "seed": 3,
    "shared": {"network": "plain_cnn", "weights": "none", "batch": 4},
    "members": {"a": {"epochs": 2}, "b": {"learning_rate": 0.01}, "c": {"foreign": True}},
    "search": {"metric": "accuracy", "step": 0.1, "resamples": 10},
    "evaluate": {"resamples": 100, "confidence": 0.9},
}


def _experiment_file(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "experiment.yaml").write_text(yaml.safe_dump(_EXPERIMENT, sort_keys=False))


def _suite_file(folder: Path) -> None:
    _experiment_file(folder)
    also = [{"experiment": "experiment.yaml", "build": "data.yaml"}]
    (folder / "suite.yaml").write_text(yaml.safe_dump({"experiments": ["experiment.yaml"], "also": also}))


def _load_experiment(folder: Path) -> Found:
    return Found(told=load_experiment(folder / "experiment.yaml").model_dump(mode="json"))


def _load_suite(folder: Path) -> Found:
    loaded = load_experiments(folder / "suite.yaml")
    return Found(
        told=[[one.name for one in loaded], [name.name for name, _ in load_other_datasets(folder / "suite.yaml")]]
    )


_KEYS = ("targets.", "splits.", "source s", "output", "crop")  # of what is built, errors name the config's keys
OF_CONFIGS = [
    Reader("data config", "data.yaml", "yaml", _data_config, (_load_and_build, _load_data), names=_KEYS, seeds=24),
    Reader("experiment", "experiment.yaml", "yaml", _experiment_file, (_load_experiment,), seeds=24),
    Reader("suite", "suite.yaml", "yaml", _suite_file, (_load_suite,), names=("experiment.yaml",), seeds=24),
]


def _dataset(folder: Path) -> None:
    """A dataset with boxes, labels, masks and folds, and what its build says of it."""
    from tests.detection_on_disk import write_boxes

    write_boxes(folder / "data", _PATIENTS)
    manifest = Manifest.read(folder / "data")
    samples = manifest.images["sample"].tolist()
    labels = [{"sample": one, "box": "", "target": "grade", "value": "1"} for one in samples]
    Manifest(
        **{name: getattr(manifest, name) for name in ("root", "images", "boxes", "splits")},
        labels=pd.DataFrame(labels),
        mask_labels=("bone",),
    ).write()


def _read_dataset(folder: Path) -> Found:
    """The dataset and what every task takes from it."""
    from spine.dataset.truth import BoxTruth, ClassTruth

    manifest = Manifest.read(folder / "data")
    told = [manifest.data_hash, manifest.splits_hash]
    boxes = BoxTruth.of_detection(manifest, "test", ("bright", "dark"))
    grades = ClassTruth.of_classification(manifest, "test", "grade", ("1",))
    numbers = np.concatenate([*boxes.boxes, np.array(boxes.sizes, float).reshape(-1, 2).repeat(2, 1)])
    wrong = "" if np.isfinite(numbers).all() and (numbers >= 0).all() else f"boxes or sizes reach to {numbers.max()}"
    return Found(told=[*told, boxes.hash, grades.hash], wrong=wrong)


def _build_again(folder: Path) -> Found:
    """A build over one that is there: its card tells whether anything changed."""
    from spine.core.strict import validate
    from spine.intake import DataConfig, build

    with one_draw():
        result = build(validate(DataConfig, config_of(folder), "the config of the test"))
    return Found(
        tuple(f"{problem.path}: {problem.reason}" for problem in result.problems), told=result.counts.to_json()
    )


def _built_dataset(folder: Path) -> None:
    (folder / "images").mkdir(parents=True)
    for number in (1, 2, 3):
        write_png(folder / "images", number)
    _build_again(folder)


_TABLES = ("images", "boxes", "labels", "splits")
OF_DATASETS = [
    *(Reader(f"{name}.csv", f"data/{name}.csv", "table", _dataset, (_read_dataset,), seeds=18) for name in _TABLES),
    Reader("dataset.json", "data/dataset.json", "json", _dataset, (_read_dataset,)),
    Reader("build.json", "built/build.json", "json", _built_dataset, (_build_again,)),
    Reader("problems.csv", "built.build/problems.csv", "", _built_dataset, (_build_again,), seeds=10),
]
