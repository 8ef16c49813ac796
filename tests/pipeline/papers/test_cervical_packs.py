"""The packs of Ma et al. 2020 and of the study of 2024 by their commands at a fraction of their phantom scale.

Detectors that find what is bright stand for those of both trainings, and learn nothing: what is tested is the tables.
"""

from pathlib import Path

import pytest

from tests.paper_pack_ran import RanPack, read, write, write_data, write_part, write_untrained

PHANTOM = Path("configs/papers/phantom")
PACKS = {"ma2020_cervical": ("phantom_cervical", 24), "sci2024_cord": ("phantom_cord", 16)}  # data, patients
UNTRAINED = {"mobilenet": None, "resnet18": None, "bright": {"foreign": True}}

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", PACKS)
def test_the_table_has_the_papers_numbers_and_those_of_leaderboards(name, tmp_path):
    data, patients = PACKS[name]
    write_data(tmp_path, f"configs/data/{data}.yaml", patients=patients, size=[128, 140])
    suite = read(PHANTOM / f"{name}.yaml")
    for part in map(Path, suite["experiments"]):
        write_part(tmp_path, part, {"members": UNTRAINED})
        labels = read(PHANTOM / f"{name.split('_')[0]}_detection.yaml")["labels"]
        write_untrained(tmp_path, f"{part.stem}_phantom", labels, (0.5, 1.1, 0.9, 1))
    suite["pack"]["tables"][0]["rows"] = {"vgg16": None, "resnet50": {"row": "bright"}}
    write(tmp_path / PHANTOM / f"{name}.yaml", suite)
    ran = RanPack.of(tmp_path, PHANTOM / f"{name}.yaml")
    ran.assert_one_report(2)
    ran.assert_printed()
    ran.assert_measured(least=8)
