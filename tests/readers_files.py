"""What the reader of a page has before its first line: files of phantoms, in the folder in which the quickstart ran."""

import shutil
from pathlib import Path

import yaml

from tests.pages import ROOT, blocks


def own_experiment(folder: Path) -> None:
    """my_experiment.yaml: two of the quickstart's classifiers, with the `about` and the `tune` of the pages. They are
    copied, for what is trained with the same settings and data is not trained again.
    """
    (about,) = [yaml.safe_load(block) for block in blocks(ROOT / "docs/documents.md", "yaml")]
    tune = yaml.safe_load(blocks(ROOT / "docs/tuning.md", "yaml")[0])
    quickstart = {"extends": "configs/quickstart/classification.yaml", "name": "my_experiment"}
    fewer = {"members": {"squeezenet": None, "mobilenet": None}}
    (folder / "my_experiment.yaml").write_text(yaml.safe_dump({**quickstart, **fewer, **about, **tune}))
    for member in ("plain_cnn", "deeper_cnn"):
        trained = folder / "runs/quickstart_classification/members" / member
        shutil.copytree(trained, folder / "runs/my_experiment/members" / member, dirs_exist_ok=True)


def experiment_of_folds(folder: Path) -> None:
    """my_folds.yaml: one of the quickstart's classifiers, of two folds and an epoch."""
    raw = {
        "extends": "configs/quickstart/classification.yaml",
        "name": "my_folds",
        "folds": 2,
        "jobs": 1,
        "members": {"squeezenet": None, "mobilenet": None, "deeper_cnn": None, "plain_cnn": {"epochs": 1}},
        "search": {"resamples": 20},
        "evaluate": {"resamples": 100},
        "decide": {"calibration": "none", "sensitivity": None, "coverage": None},
    }
    (folder / "my_folds.yaml").write_text(yaml.safe_dump(raw))


def config_and_experiment(folder: Path) -> None:
    """A data config, copied and edited, and an experiment."""
    config = (ROOT / "configs/data/phantom_boxes.yaml").read_text()
    (folder / "my_data.yaml").write_text(config.replace("phantom_boxes", "my_data"))
    own_experiment(folder)


def foreign_experiment(folder: Path) -> None:
    """experiment.yaml, with the external member of the page."""
    own_experiment(folder)
    own = {"extends": "my_experiment.yaml", "name": "with_logistic", "search": {"resamples": 20}}
    (folder / "experiment.yaml").write_text(yaml.safe_dump({**own, "members": {"logistic": {"foreign": True}}}))
    shutil.copytree(folder / "runs/my_experiment/members", folder / "runs/with_logistic/members", dirs_exist_ok=True)


def few_studies(target: Path, folder: Path, patients: int) -> None:
    for study in sorted((folder / "data/phantom/studies").iterdir())[:patients]:
        shutil.copytree(study, target / study.name, dirs_exist_ok=True)


def own_dicom(folder: Path) -> None:
    """Studies, the page's config and table of slices, the same with a grade a disc, and its first experiment."""
    few_studies(folder / "studies", folder, 12)
    slices, of_discs, first = (
        block.replace("/path/to/", "") for block in blocks(ROOT / "docs/howto/own_dicom.md", "yaml")
    )
    (folder / "my_grades.yaml").write_text(slices)
    graded = yaml.safe_load(slices)
    graded |= {"name": "graded_discs", "output": "data/graded_discs", "crop": {"label": "disc", "grow": 0.1}}
    graded["sources"][0]["annotations"] = [yaml.safe_load(of_discs)[0] | {"path": "discs.csv"}]
    (folder / "graded_discs.yaml").write_text(yaml.safe_dump(graded))
    (folder / "my_first.yaml").write_text(first)
    files = [f"{study.name}/t2/IM0001.dcm" for study in sorted((folder / "studies").iterdir())]
    rows = ["file,pfirrmann", *(f"{file},{2 + number % 4}" for number, file in enumerate(files))]
    (folder / "grades.csv").write_text("\n".join(rows) + "\n")
    rows = ["file,level,xmin,ymin,xmax,ymax,pfirrmann"]
    for number, file in enumerate(files):
        rows += [f"{file},1,60,120,90,132,{2 + number % 4}", f"{file},L4/L5,62,95,92,107,{3 + number % 2}"]
    (folder / "discs.csv").write_text("\n".join(rows) + "\n")


def pictures_to_send(folder: Path) -> None:
    few_studies(folder / "scans", folder, 1)
    shutil.make_archive(str(folder / "study"), "zip", folder / "data/phantom/studies/ph002")


def studies_to_answer(folder: Path) -> None:
    few_studies(folder / "some_studies", folder, 4)


def picture_to_send(folder: Path) -> None:
    picture = next((folder / "data/phantom_discs/images").rglob("*.png"))
    shutil.copyfile(picture, folder / "picture.png")


def boxes_to_crop(folder: Path) -> None:
    (folder / "data/my_boxes").symlink_to(folder / "data/phantom_boxes")
