"""The packs of Ma et al. 2020 and of the study of 2024 by their commands at a fraction of their phantom scale.

One tiny detector learns for an epoch, each picture twice; the others find what is bright and need no training.
"""

from pathlib import Path

import pytest

from spine.core.privacy import salt_id
from spine.member.member import Patients
from tests.bright_detector import write_detector
from tests.paper_pack_ran import RUNS, RanPack, read, write, write_data, write_part

PHANTOM = Path("configs/papers/phantom")
SMALL = {"height": 64, "width": 64, "epochs": 1, "repeats": 2, "batch": 4}
LEARNING = {"mobilenet": {"epochs": 1}, "resnet18": None, "bright": {"foreign": True}}
UNTRAINED = {"mobilenet": None, "resnet18": None, "bright": {"foreign": True}}
PACKS = {  # paper -> data, labels, the members of the joint training, which rows they are
    "ma2020_cervical": ("phantom_cervical", LEARNING, {"vgg16": {"row": "mobilenet"}, "resnet50": {"row": "bright"}}),
    "sci2024_cord": ("phantom_cord", UNTRAINED, {"vgg16": None, "resnet50": {"row": "bright"}}),
}

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", PACKS)
def test_the_table_has_the_papers_numbers_and_those_of_leaderboards(name, tmp_path):
    data, members, rows = PACKS[name]
    write_data(tmp_path, f"configs/data/{data}.yaml", patients=14, size=[128, 140])
    study = read(PHANTOM / f"{name}.yaml")
    detection, alternating = map(Path, study["experiments"])
    write_part(tmp_path, detection, {"shared": SMALL, "members": members})
    write_part(tmp_path, alternating, {"shared": {"scheme": "alternating"}, "members": UNTRAINED})
    labels = read(detection)["labels"]
    for part in (detection, alternating):
        place = tmp_path / RUNS / f"{part.stem}_phantom" / "members" / "bright"
        write_detector(place, labels, (0.5, 1.1, 0.9, 1), patients=Patients(salt=salt_id()))
    study["pack"]["tables"][0]["rows"] = rows
    write(tmp_path / PHANTOM / f"{name}.yaml", study)
    ran = RanPack.of(tmp_path, PHANTOM / f"{name}.yaml")
    ran.assert_one_report(2)
    ran.assert_printed()
    ran.assert_measured(least=8)
