"""The pack of Sayed et al. 2025 by its command at a fraction of its phantom scale: shape and provenance of its tables.

The parts are those of scale=phantom with few patients, one epoch, the smallest networks under the names of the paper's,
and detectors that need no training. What a table prints must be the paper's facts, and what stands beside it what the
leaderboards of the runs have.
"""

import csv
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest
import yaml

from spine.core.privacy import salt_id
from spine.member.member import Patients
from tests.bright_detector import write_detector

ROOT = Path(__file__).resolve().parents[3]
SPINE = [sys.executable, "-c", "from pipeline.cli import main; main()"]
PHANTOM = Path("configs/papers/phantom")
PACK = Path("configs/papers/tiny.yaml")
RUNS = "runs of the test"
TINY = {"network": "plain_cnn", "filters": [4], "height": 16, "width": 32, "epochs": 1, "head": {"dense": [4]}}
BEFORE = "${SPINE_RUNS:-runs}/sayed2025_pretraining_phantom/members/resnet50"
PARTS = {
    "detection": {},
    "pretraining": {"members": {"resnet50": TINY, "xception": None}},
    "classification": {"members": {"resnet50": {**TINY, "weights": BEFORE}, "xception": {**TINY, "weights": "none"}}},
    "classification_frozen": {"members": {"xception": None}},
    "segmentation": {"shared": {"height": 32, "width": 32, "epochs": 1, "batch": 4}},
}
NOT_RUN = {"ablation": ("no_region", "no_custom_loss"), "detection": ("region",)}

pytestmark = pytest.mark.slow


def read(path):
    return yaml.safe_load((ROOT / path).read_text())


def write(path, raw):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(raw, sort_keys=False))


def write_configs(folder):
    """The phantom pack in `folder`, made small; gives what it says of its report."""
    for name in ("boxes", "discs", "regions", "regions_detected"):
        path = Path(f"configs/data/plid_phantom_{name}.yaml")
        config = read(path)
        if "phantom" in config:
            config["phantom"]["settings"]["patients"] = 14
        else:
            config["crop"]["detector"] = "${SPINE_RUNS:-runs}/bright/members/regions"
        write(folder / path, config)
    for name, changes in PARTS.items():
        own = PHANTOM / f"sayed2025_{name}.yaml"
        small = {"extends": str(ROOT / own), "name": f"sayed2025_{name}_phantom", **changes}
        if name == "classification_frozen":
            small["extends"] = "sayed2025_classification.yaml"
            small["shared"] = {"fine_tuning": None}
        write(folder / own, small)
    study = read(PHANTOM / "sayed2025_plid.yaml")
    study["experiments"] = [str(PHANTOM / f"sayed2025_{name}.yaml") for name in PARTS]
    study["two_stage"][0] |= {"regions": "bright/members/regions", "discs": "bright/members/discs"}
    study["also"] = study["also"][1:]
    pack = study["pack"]
    for table in pack["tables"]:
        table["rows"] |= dict.fromkeys(NOT_RUN.get(table["printed"], ()))
        table.get("extra", {}).pop("on detected discs", None)
    pack["figures"] = [one for one in pack["figures"] if "regions" not in one and "training" not in one]
    write(folder / PACK, study)
    return pack


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The folder in which the pack has run, what it says of its report, and what the command printed."""
    folder = tmp_path_factory.mktemp("pack")
    pack = write_configs(folder)
    seen = Patients(salt=salt_id())
    write_detector(folder / RUNS / "bright/members/regions", ["lumbar_region"], (0.2, 1.1, 0.9, 1), patients=seen)
    write_detector(folder / RUNS / "bright/members/discs", ["disc"], (0.3, 0.6, 0.9, 1), patients=seen)
    command = [*SPINE, "run", str(PACK), f"runs={RUNS}"]
    done = subprocess.run(command, cwd=folder, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder, pack, done.stdout


def tables_of(html):
    """Each table's rows as lists of cells' texts, the lines of a cell parted by spaces."""
    cells = re.compile(r"<t[dh][^>]*>(.*?)</t[dh]>", re.DOTALL)
    return [
        [[text(cell) for cell in cells.findall(row)] for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)]
        for table in re.findall(r"<table>(.*?)</table>", html, re.DOTALL)
    ]


def text(cell):
    without_notes = re.sub(r"<sup>.*?</sup>", "", cell, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]*>", " ", without_notes)).strip()


def leaderboard(folder, experiment, data=None):
    """Row -> column -> value, of the file that the experiment's evaluation wrote."""
    directory = folder / RUNS / experiment / ("evaluation" + (f"-{Path(data).name}" if data else ""))
    with (directory / "leaderboard.csv").open(newline="") as stream:
        return {row["name"]: row for row in csv.DictReader(stream)}


def test_the_command_ends_with_the_one_report(ran):
    folder, pack, printed = ran
    report = Path(RUNS) / pack["name"] / "report.html"
    assert printed.splitlines()[-1] == str(report)
    page = (folder / report).read_text()
    links = re.findall(r'<li><a href="([^"]+)">', page)
    assert len(links) == len(PARTS) + 1  # and one of detected regions
    assert all((folder / report.parent / unescape(link)).is_file() for link in links)
    assert not list(folder.glob("runs/*"))  # all below `runs=`, the detectors' crops too


def test_every_table_has_the_papers_rows_columns_and_numbers(ran):
    folder, pack, _ = ran
    facts = read("pipeline/papers/facts/sayed2025_plid.yaml")["tables"]
    page = (folder / RUNS / pack["name"] / "report.html").read_text()
    for compared, (heads, _, *rows) in zip(pack["tables"], tables_of(page), strict=False):
        printed = facts[compared["printed"]]
        columns = [*compared["columns"], *compared.get("extra", {})]
        names = [*printed["rows"], *compared.get("more", [])]
        assert heads == ["", *(column.replace("_", " ") for column in columns)]
        assert [row[0].split(" ours: ")[0].strip() for row in rows] == [name.replace("_", " ") for name in names]
        for name, row in zip(names, rows, strict=True):
            numbers = dict(zip(printed["columns"], printed["rows"].get(name, ()), strict=False))
            assert row[1::2] == [f"{numbers[column]:g}" if column in numbers else "–" for column in columns], name


def test_every_number_of_ours_is_of_a_leaderboard(ran):
    folder, pack, _ = ran
    facts = read("pipeline/papers/facts/sayed2025_plid.yaml")["tables"]
    page = (folder / RUNS / pack["name"] / "report.html").read_text()
    shown = 0
    for compared, (_, _, *rows) in zip(pack["tables"], tables_of(page), strict=False):
        names = [*facts[compared["printed"]]["rows"], *compared.get("more", [])]
        columns = {**compared["columns"], **compared.get("extra", {})}
        for name, row in zip(names, rows, strict=True):
            for column, told in zip(columns.values(), row[2::2], strict=True):
                expected = value_of(folder, compared, name, column)
                assert told.split(" ")[0] == expected, (compared["printed"], name, column)
                shown += expected != "–"
    assert shown > 30


def value_of(folder, compared, name, column):
    """What a leaderboard has for a printed row and a column, in percent as the page rounds it; a dash where nothing."""
    own = compared.get("rows", {}).get(name, {"row": name})
    if own is None:
        return "–"
    experiment = own.get("experiment") or column.get("experiment") or compared["experiment"]
    row = leaderboard(folder, experiment, column.get("data")).get(own["row"])
    value = row[own.get("metric") or column["metric"]] if row else ""
    return f"{100 * float(value):.2f}" if value else "–"
