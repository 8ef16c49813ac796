"""The two studies of the neck as their data configs read them: classes, formats, and who is divided how."""

import shutil
from pathlib import Path

import pytest

from pipeline.papers.pack import pack_of
from spine.annotations import read_annotations, write_annotations
from spine.dataset.manifest import Manifest
from spine.intake import build, load_data_config
from spine.phantom import CervicalSettings, generate

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).resolve().parents[3] / "configs"
NECKS = CervicalSettings(
    kind="cervical", patients=15, seed=3, size=(128, 140), slices=(3,), disc=0.6, injury=0.8, t1=0.3, difficulty=0.5
)
# Pack -> its data config, the folder of the generated boxes, their format and classes.
STUDIES = {
    "ma2020_cervical": ("cervical_lesions", "boxes", "voc", {"disc", "injury"}),
    "sci2024_cord": ("cord", "cord", "labelme", {"hemorrhagic", "edematous", "mixed"}),
}
# Patients of the 15: 64/16/20 %, and 8 to 2 to 5 as 800 to 200 to 500.
DIVIDED = {
    "ma2020_cervical": {"train": 10, "validation": 2, "test": 3},
    "sci2024_cord": {"train": 8, "validation": 2, "test": 5},
}


@pytest.fixture(scope="module")
def necks(tmp_path_factory):
    return generate(NECKS, tmp_path_factory.mktemp("necks") / "source")


def laid(pack, necks, folder, format):
    """The user's folder of a pack as docs/papers.md has it, its boxes in `format`."""
    config, boxes, own, _ = STUDIES[pack]
    shutil.copytree(necks / "images", folder / "images")
    if format == own:
        shutil.copytree(necks / boxes, folder / "boxes")
    else:
        read = read_annotations(own, necks / boxes, images=necks / "images")
        write_annotations(format, read.annotations, folder / "boxes")
    return config


@pytest.fixture
def built(necks, tmp_path, monkeypatch):
    """Build a pack's data with its boxes in a format."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPINE_SALT", "salt of the tests")

    def build_of(pack, format):
        layout = pack_of(CONFIGS / "papers" / f"{pack}.yaml").data
        config = laid(pack, necks, tmp_path / "source", format)
        monkeypatch.setenv(layout.variable, str(tmp_path / "source"))
        monkeypatch.delenv(f"{layout.variable}_FORMAT", raising=False)
        if format != "voc":
            monkeypatch.setenv(f"{layout.variable}_FORMAT", format)
        assert layout.missing() == []
        found = build(load_data_config(CONFIGS / "data" / f"{config}.yaml"))
        assert found.problems == []
        return Manifest.read(found.root)

    return build_of


@pytest.mark.parametrize("pack", STUDIES)
@pytest.mark.parametrize("format", ["voc", "labelme"])
def test_boxes_of_either_format_are_those_of_the_studys_own_classes(pack, format, built, necks):
    manifest = built(pack, format)
    _, boxes, own, classes = STUDIES[pack]
    drawn = read_annotations(own, necks / boxes, images=necks / "images").annotations
    labels = [box.label for one in drawn for box in one.boxes]
    assert set(labels) <= classes
    assert sorted(manifest.boxes["label"]) == sorted(labels)
    assert len(manifest.images) == len(list((necks / "images").rglob("*.dcm")))  # every slice of every series
    assert set(manifest.boxes["sample"]) < set(manifest.images["sample"])  # normal ones are background
    patients = manifest.images.merge(manifest.splits, on="sample").drop_duplicates(["patient", "split"])
    assert patients["split"].value_counts().to_dict() == DIVIDED[pack]
