"""The packs of Ma et al. 2020 and of the study of 2024 by their commands at a fraction of their phantom scale.

One tiny detector learns for an epoch, each picture twice; the others find what is bright and need no training.
"""

from pathlib import Path

import pytest

from tests.paper_pack_ran import RanPack, read, write, write_data, write_part, write_untrained

PHANTOM = Path("configs/papers/phantom")
SMALL = {"height": 64, "width": 64, "epochs": 1, "repeats": 2, "batch": 4}
LEARNING = {"mobilenet": {"epochs": 1}, "resnet18": None, "bright": {"foreign": True}}
UNTRAINED = {"mobilenet": None, "resnet18": None, "bright": {"foreign": True}}
PACKS = {  # paper -> data, patients, the members of the joint training, which rows they are
    "ma2020_cervical": (
        "phantom_cervical",
        24,
        LEARNING,
        {"vgg16": {"row": "mobilenet"}, "resnet50": {"row": "bright"}},
    ),
    "sci2024_cord": ("phantom_cord", 16, UNTRAINED, {"vgg16": None, "resnet50": {"row": "bright"}}),
}

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", PACKS)
def test_the_table_has_the_papers_numbers_and_those_of_leaderboards(name, tmp_path):
    data, patients, members, rows = PACKS[name]
    write_data(tmp_path, f"configs/data/{data}.yaml", patients=patients, size=[128, 140])
    study = read(PHANTOM / f"{name}.yaml")
    detection, alternating = map(Path, study["experiments"])
    write_part(tmp_path, detection, {"shared": SMALL, "members": members})
    write_part(tmp_path, alternating, {"shared": {"scheme": "alternating"}, "members": UNTRAINED})
    labels = read(detection)["labels"]
    for part in (detection, alternating):
        write_untrained(tmp_path, f"{part.stem}_phantom", labels, (0.5, 1.1, 0.9, 1))
    study["pack"]["tables"][0]["rows"] = rows
    write(tmp_path / PHANTOM / f"{name}.yaml", study)
    ran = RanPack.of(tmp_path, PHANTOM / f"{name}.yaml")
    ran.assert_one_report(2)
    ran.assert_printed()
    ran.assert_measured(least=8)
