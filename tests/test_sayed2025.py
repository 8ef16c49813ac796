"""The configs of Sayed et al. 2025 on generated data of their shape: they build, and their detection goes through."""

import csv
import json
from pathlib import Path

import pytest

from ensemble.serving.two_stage import publish
from pipeline.experiments import load_experiment
from pipeline.training import train_members
from spine.dataset.manifest import Manifest, rows
from spine.experiment.truth import read_truth, read_truths
from spine.intake import build, load_data_config
from spine.intake.crop import expand_box
from spine.phantom import PhantomSettings, generate
from tests.bright_detector import write_detector

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
EXPERIMENTS = ("classification", "segmentation", "detection_regions", "detection_discs", "detection")
REGION = (0.2, 1.1, 0.9, 1)  # the box around all that is brighter than a fifth of white


def write_plid(root: Path) -> None:
    """DICOM studies with masks, regions.csv and discs.csv, as the data configs of PLID describe them."""
    generate(PhantomSettings(patients=12, seed=3, size=(128, 160), slices=(3,)), root)
    coco = json.loads((root / "annotations.coco.json").read_text())
    images = {image["id"]: image["file_name"] for image in coco["images"]}
    (region,) = (one["id"] for one in coco["categories"] if one["name"] == "lumbar_region")
    regions = [(images[one["image_id"]], one["bbox"]) for one in coco["annotations"] if one["category_id"] == region]
    told = [(image, x, y, x + width, y + height) for image, (x, y, width, height) in regions]
    write_table(root / "regions.csv", ["image", "xmin", "ymin", "xmax", "ymax"], told)
    with (root / "discs.csv").open(newline="") as stream:
        discs = list(csv.DictReader(stream))
    columns = ["image", "xmin", "ymin", "xmax", "ymax", "ivd_level"]
    told = [[*(row[name] for name in columns), finding(row["pfirrmann"])] for row in discs]
    write_table(root / "discs.csv", [*columns[:5], "level", "finding"], told)


def finding(grade: str) -> str:
    return "PLID" if grade in ("4", "5") else "NO_PLID"


def write_table(path, header, told):
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *told])


@pytest.fixture(scope="module")
def plid(tmp_path_factory):
    """The folder in which the three datasets of true boxes were built."""
    folder = tmp_path_factory.mktemp("plid")
    write_plid(folder / "source")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLID", str(folder / "source"))
        patch.setenv("SPINE_SALT", "salt of the tests")
        patch.chdir(folder)
        for name in ("plid", "plid_boxes", "plid_regions"):
            assert built(name).problems == []
    return folder


def built(name):
    return build(load_data_config(CONFIGS / "data" / f"{name}.yaml"))


@pytest.fixture
def here(plid, monkeypatch):
    monkeypatch.setenv("PLID", str(plid / "source"))
    monkeypatch.chdir(plid)


def splits_of(name: str) -> dict[str, str]:
    manifest = Manifest.read(Path("data") / name)
    both = manifest.images.merge(manifest.splits, on="sample")
    return dict(zip(both["patient"], both["split"], strict=True))


def test_the_three_datasets_share_their_split(here):
    assert splits_of("plid") == splits_of("plid_boxes") == splits_of("plid_regions")
    assert set(splits_of("plid").values()) == {"train", "validation", "test"}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_member_could_train_on_them(name, here):
    experiment = load_experiment(CONFIGS / "papers" / f"sayed2025_{name}.yaml")
    train, _ = read_truths(experiment, Manifest.read(experiment.data))
    for member, settings in experiment.members.items():
        if member != "two_stage":
            settings.check(train)
    assert len(read_truth(experiment, Manifest.read(experiment.data), "test").samples)


def test_the_discs_of_the_second_stage_lie_in_grown_regions(here):
    whole, crops = (Manifest.read(Path("data") / name) for name in ("plid_boxes", "plid_regions"))
    regions = whole.boxes[whole.boxes["label"] == "lumbar_region"].set_index("sample")
    for crop in rows(crops.images):
        parent = whole.images.set_index("sample").loc[crop["parent"]]
        corners = regions.loc[crop["parent"], ["x0", "y0", "x1", "y1"]]
        expected = expand_box(tuple(corners), 0.1, int(parent["height"]), int(parent["width"]))
        assert [crop[corner] for corner in ("x0", "y0", "x1", "y1")] == list(expected)
    assert set(crops.boxes["label"]) == {"disc"}
    assert len(crops.boxes) == (whole.boxes["label"] == "disc").sum()


def test_detected_regions_and_discs_are_cropped_for_the_other_two_tasks(here):
    stages = {
        name: Path("runs") / f"sayed2025_detection_{name}" / "members" / "resnet50" for name in ("regions", "discs")
    }
    write_detector(stages["regions"], ["lumbar_region"], REGION)
    write_detector(stages["discs"], ["disc"], (0.3, 0.6, 0.9, 1))
    experiment = load_experiment(CONFIGS / "papers" / "sayed2025_detection.yaml")
    two_stage = experiment.member_directory("two_stage")
    publish(stages["regions"], stages["discs"], two_stage)
    assert train_members(experiment, lambda line: None, ["two_stage"]) == [two_stage]  # nothing to train
    regions = Manifest.read(built("plid_regions_detected").root)
    assert len(regions.images) == 12
    assert (regions.images["mask_sha256"] != "").all()
    assert splits_of("plid_regions_detected") == splits_of("plid_boxes")
    segmentation = load_experiment(CONFIGS / "papers" / "sayed2025_segmentation.yaml")
    assert len(read_truth(segmentation, regions, "test"))
