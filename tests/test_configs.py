"""Every file in configs/ loads, and says at its top what it is for and how to run it."""

from pathlib import Path

import pytest

from spine.config import load_elsewhere, load_experiment, load_experiments

ROOT = Path(__file__).resolve().parents[1]
STUDIES = [ROOT / "configs" / "quickstart.yaml"]
EXPERIMENTS = sorted(p for p in (ROOT / "configs").rglob("*.yaml") if p.parent.name != "data" and p not in STUDIES)
DATA = sorted((ROOT / "configs" / "data").glob("*.yaml"))


def test_there_are_configs():
    assert EXPERIMENTS
    assert DATA


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_experiment_loads_and_its_data_config_builds_what_it_reads(path, monkeypatch):
    from spine.intake import load_data_config

    monkeypatch.chdir(ROOT)
    experiment = load_experiment(path)
    assert experiment.build, f"{path} names no data config"
    assert load_data_config(experiment.build).output == experiment.data


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_experiment_header_is_a_lab_book(path):
    header = [line for line in path.read_text().splitlines() if line.startswith("#")]
    assert any(f"spine run configs/{path.relative_to(ROOT / 'configs')}" in line for line in header), header


@pytest.mark.parametrize("path", DATA, ids=lambda path: path.stem)
def test_data_config_loads(path, monkeypatch):
    from spine.intake import load_data_config

    monkeypatch.chdir(ROOT)
    config = load_data_config(path)
    assert config.sources or config.dataset


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_study_names_experiments_that_load(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert len({experiment.name for experiment in load_experiments(path)}) > 1
    assert all(config in [data.relative_to(ROOT) for data in DATA] for _, config in load_elsewhere(path))
