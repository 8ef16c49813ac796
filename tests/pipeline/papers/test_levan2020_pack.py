"""The pack of Le Van et al. 2020 by its command at a fraction of its phantom scale: its tables, and the source alone.

A plain CNN of a few filters learns for an epoch on crops of 48 x 48; a detector that needs no training finds metal.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.paper_pack_ran import RanPack, read, write, write_data, write_part, write_untrained

PHANTOM = Path("configs/papers/phantom")
PACK = PHANTOM / "levan2020_implant.yaml"
TINY = {"network": "plain_cnn", "filters": [4], "head": {"dense": [4]}}
UNTRAINED = {"mobilenet": None, "resnet18": None, "bright": {"foreign": True}}
BRIGHT = {"inception_v2": {"row": "bright"}, "inception_resnet_v2_atrous": None}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pack")
    for name in ("phantom_implant", "phantom_implant_records"):
        write_data(folder, f"configs/data/{name}.yaml", patients=42, size=[128, 140])
    members = {"resnet50": TINY, "squeezenet": None}
    write_part(folder, PHANTOM / "levan2020_transfer.yaml", {"shared": {"epochs": 1}, "members": members})
    write_part(folder, PHANTOM / "levan2020_detection.yaml", {"members": UNTRAINED, "search": {"step": 1.0}})
    suite = read(PACK)
    suite["pack"]["tables"][1]["rows"] = BRIGHT
    write(folder / PACK, suite)
    write_untrained(folder, "levan2020_detection_phantom", ["Lum", "sco"], (0.8, 1.1, 0.9, 1), (0.4, 0.8, 0.6, 2))
    return RanPack.of(folder, PACK)


def test_tables_have_the_papers_numbers_and_those_of_leaderboards(ran):
    ran.assert_one_report(2)
    ran.assert_printed()
    ran.assert_measured(least=20, others={"source alone": source_alone(ran.folder / "data" / "phantom_implant")})


def source_alone(data):
    """Metrics on test of who says how often each training source is sco, each label counted once more."""
    images, labels, splits = (pd.read_csv(data / f"{name}.csv", dtype=str) for name in ("images", "labels", "splits"))
    table = images.merge(labels[labels["target"] == "finding"], on="sample").merge(splits, on="sample")
    train, test = (table[table["split"] == split] for split in ("train", "test"))
    counts = pd.crosstab(train["source"], train["value"]) + 1
    share = test["source"].map(counts["sco"] / counts.sum(axis=1)).to_numpy()
    truth = (test["value"] == "sco").to_numpy()
    right = (share > 0.5) == truth
    return {
        "accuracy": right.mean(),
        "log_loss": -np.log(np.where(truth, share, 1 - share)).mean(),
        "sensitivity": right[truth].mean(),
        "specificity": right[~truth].mean(),
    }
