"""The pack of Sayed et al. 2025 by its command at a fraction of its phantom scale: shape and provenance of its tables.

The parts are those of scale=phantom with few patients, one epoch, the smallest networks under the names of the paper's,
and detectors that need no training. What a table prints must be the paper's facts, and what stands beside it what the
leaderboards of the runs have.
"""

from pathlib import Path

import pytest

from spine.core.privacy import salt_id
from spine.member.member import Patients
from tests.bright_detector import write_detector
from tests.paper_pack_ran import ROOT, RUNS, RanPack, read, write

PHANTOM = Path("configs/papers/phantom")
PACK = Path("configs/papers/tiny.yaml")
TINY = {"network": "plain_cnn", "filters": [4], "height": 16, "width": 32, "epochs": 1, "head": {"dense": [4]}}
BEFORE = "${SPINE_RUNS:-runs}/sayed2025_pretraining_phantom/members/resnet50"
PARTS = {
    "detection": {},
    "pretraining": {"members": {"resnet50": TINY, "xception": None}},
    "classification": {
        "shared": {"fine_tuning": {"epochs": 1}},
        "members": {"resnet50": {**TINY, "weights": BEFORE}, "xception": {**TINY, "weights": "none"}},
    },
    "classification_frozen": {"members": {"xception": None}},
    "segmentation": {
        "shared": {"height": 32, "width": 32, "epochs": 1, "batch": 4},
        "members": {"unet_resnet34": {"encoder": "mobilenet0.25"}, "linknet_resnet34": {"encoder": "mobilenet0.25"}},
    },
}
NOT_RUN = {"ablation": ("no_region", "no_custom_loss"), "detection": ("region",)}

pytestmark = pytest.mark.slow


def write_configs(folder):
    """The phantom pack in `folder`, made small."""
    for name in ("boxes", "discs", "regions", "regions_detected"):
        path = Path(f"configs/data/plid_phantom_{name}.yaml")
        config = read(path)
        if "phantom" in config:
            config["phantom"]["settings"]["patients"] = 14
        elif "dataset" in config:
            config["crop"]["detector"] = "${SPINE_RUNS:-runs}/bright/members/regions"
        write(folder / path, config)
    for name, changes in PARTS.items():
        own = PHANTOM / f"sayed2025_{name}.yaml"
        small = {"extends": str(ROOT / own), "name": f"sayed2025_{name}_phantom", **changes}
        if name == "classification_frozen":
            small["extends"] = "sayed2025_classification.yaml"
            small["shared"] = {"fine_tuning": None}
        write(folder / own, small)
    suite = read(PHANTOM / "sayed2025_plid.yaml")
    suite["experiments"] = [str(PHANTOM / f"sayed2025_{name}.yaml") for name in PARTS]
    suite["two_stage"][0] |= {"regions": "bright/members/regions", "discs": "bright/members/discs"}
    suite["also"] = suite["also"][1:]
    pack = suite["pack"]
    for table in pack["tables"]:
        table["rows"] |= dict.fromkeys(NOT_RUN.get(table["printed"], ()))
        table.get("extra", {}).pop("on detected discs", None)
    pack["figures"] = [one for one in pack["figures"] if "regions" not in one and "training" not in one]
    write(folder / PACK, suite)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pack")
    write_configs(folder)
    seen = Patients(salt=salt_id())
    write_detector(folder / RUNS / "bright/members/regions", ["lumbar_region"], (0.2, 1.1, 0.9, 1), patients=seen)
    write_detector(folder / RUNS / "bright/members/discs", ["disc"], (0.3, 0.6, 0.9, 1), patients=seen)
    return RanPack.of(folder, PACK)


def test_the_command_ends_with_the_one_report(ran):
    ran.assert_one_report(len(PARTS) + 1)  # and one of detected regions


def test_every_table_has_the_papers_rows_columns_and_numbers(ran):
    ran.assert_printed()


def test_every_number_of_ours_is_of_a_leaderboard(ran):
    ran.assert_measured(least=49)
