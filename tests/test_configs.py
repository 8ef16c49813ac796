"""Every file in configs/ loads, and says at its top what it is for and how to run it."""

from pathlib import Path

import pytest
import yaml

from ensemble.evaluators.segmentation import NAMES_HERE, RATES
from pipeline.cases import load_case
from pipeline.experiments import load_experiment, load_experiments, load_other_datasets
from pipeline.papers.facts import PAPERS, read_facts
from pipeline.papers.pack import pack_of
from spine.tasks import TASKS

ROOT = Path(__file__).resolve().parents[1]
RUN = sorted(path for path in (ROOT / "configs").rglob("*.yaml") if path.parent.name not in ("data", "cases"))
SUITES = [path for path in RUN if "experiments" in yaml.safe_load(path.read_text())]
EXPERIMENTS = [path for path in RUN if path not in SUITES]
CASES = sorted((ROOT / "configs" / "cases").glob("*.yaml"))
DATA = sorted((ROOT / "configs" / "data").glob("*.yaml"))


def test_there_are_configs():
    assert EXPERIMENTS
    assert DATA
    assert {path.stem for path in SUITES} == {
        "quickstart",
        "spider_case",
        "spider_regions",
        "sayed2025_regions",
        "sayed2025_spider",
        *PAPERS,
    }


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_experiment_loads_and_its_data_config_builds_what_it_reads(path, monkeypatch):
    from spine.intake import load_data_config

    monkeypatch.chdir(ROOT)
    for experiment in load_experiments(path):
        assert experiment.build, f"{path} names no data config"
        config = load_data_config(experiment.build)
        assert config.output == experiment.data
        assert not experiment.heads or experiment.target in config.targets


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_a_segmentation_has_the_labels_of_its_masks_in_their_order(path, monkeypatch):
    from spine.intake import load_data_config

    monkeypatch.chdir(ROOT)
    for experiment in load_experiments(path):
        annotations = [one for source in load_data_config(experiment.build).sources for one in source.annotations]
        masks = [one.options["labels"] for one in annotations if one.format == "mask" and "labels" in one.options]
        if experiment.task == "segmentation" and masks:
            assert list(experiment.labels[1:]) == masks[0]


@pytest.mark.parametrize("path", RUN, ids=lambda path: path.stem)
def test_its_header_is_a_lab_book(path):
    header = [line for line in path.read_text().splitlines() if line.startswith("#")]
    assert any(f"spine run configs/{path.relative_to(ROOT / 'configs')}" in line for line in header), header


@pytest.mark.parametrize("path", DATA, ids=lambda path: path.stem)
def test_data_config_loads(path, monkeypatch):
    from spine.intake import load_data_config

    monkeypatch.chdir(ROOT)
    config = load_data_config(path)
    assert config.sources or config.dataset


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_study_names_experiments_that_load(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    experiments = load_experiments(path)
    assert len({experiment.name for experiment in experiments}) == len(experiments)
    judged = load_other_datasets(path)
    assert path.stem in PAPERS or (judged and len(experiments) > 1)
    assert all(config in [data.relative_to(ROOT) for data in DATA] for _, config in judged)


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_what_a_study_judges_elsewhere_comes_from_its_own_experiments(path, monkeypatch):
    from spine.intake import load_data_config

    monkeypatch.chdir(ROOT)
    experiments = load_experiments(path)
    for judged, config in load_other_datasets(path):
        assert judged.name in [experiment.name for experiment in experiments]
        crops = load_data_config(config)
        assert crops.dataset in [experiment.data for experiment in experiments]
        assert crops.crop.detector.parents[1] in [experiment.directory for experiment in experiments]


def metrics_of(experiment):
    """What an evaluation of the experiment may report; of segmentation also rates of single classes."""
    known = {*TASKS[experiment.task].metrics.titles, "seconds_an_image"}
    if experiment.task == "segmentation":
        known |= {*NAMES_HERE, *(f"{rate}.{label}" for rate in RATES for label in experiment.labels)}
    return known


@pytest.mark.parametrize("paper", PAPERS)
def test_a_pack_compares_and_shows_what_its_experiments_have(paper, monkeypatch):
    monkeypatch.chdir(ROOT)
    full = pack_of(Path("configs/papers") / f"{paper}.yaml")
    files = {Path("configs/papers") / f"{paper}.yaml": full, **{path: pack_of(path) for path in full.scales.values()}}
    for path, pack in files.items():
        experiments = {experiment.name: experiment for experiment in load_experiments(path)}
        assert pack.paper == paper
        assert pack.name not in experiments, "their reports would lie at one place"
        assert (pack.data is None) == (path.parent.name == "phantom"), "data that are generated are asked of nobody"
        for table in pack.tables:
            columns = [one for one in table.all_columns.values() if one]
            named = [table.experiment, *(one.experiment for one in columns if one.experiment)]
            named += [row.experiment for row in table.rows.values() if row and row.experiment]
            assert set(named) <= set(experiments), table.printed
            assert {column.metric for column in columns} <= metrics_of(experiments[table.experiment]), table.name
        assert {figure.split("/")[0] for figure in pack.figures} <= set(experiments)


@pytest.mark.parametrize("paper", PAPERS)
def test_every_note_stands_at_something_that_the_page_shows(paper, monkeypatch):
    monkeypatch.chdir(ROOT)
    facts, path = read_facts(paper), Path("configs/papers") / f"{paper}.yaml"
    for pack in (full := pack_of(path), *map(pack_of, full.scales.values())):
        shown = set()
        for table in pack.tables:
            rows = facts.tables[table.printed].rows if table.printed else ()
            shown |= {table.name, *(f"{table.name}.{one}" for one in (*rows, *table.more, *table.all_columns))}
        told = [about for note in (*facts.notes, *pack.notes) for about in note.about]
        assert set(told) <= shown, pack.name
        assert pack.notes, pack.name


@pytest.mark.parametrize("paper", PAPERS)
def test_a_pack_stands_beside_every_printed_table_and_column(paper, monkeypatch):
    monkeypatch.chdir(ROOT)
    printed, pack = read_facts(paper).tables, pack_of(Path("configs/papers") / f"{paper}.yaml")
    compared = {table.printed: table for table in pack.tables if table.printed}
    assert {name: tuple(table.columns) for name, table in compared.items()} == {
        name: table.columns for name, table in printed.items()
    }


@pytest.mark.parametrize("paper", PAPERS)
def test_what_a_pack_asks_of_a_folder_is_what_its_data_configs_read(paper, monkeypatch):
    monkeypatch.chdir(ROOT)
    path = Path("configs/papers") / f"{paper}.yaml"
    layout = pack_of(path).data
    read = {str(experiment.build): experiment.build.read_text() for experiment in load_experiments(path)}
    told = "\n".join(read.values())
    assert f"${{{layout.variable}:-{layout.default}}}" in told
    for held in layout.holds:
        assert held.split("/")[0] in told, held


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case_chains_experiments_that_load(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    case = load_case(path)
    tasks = {name: load_experiment(part).task for name, part in case.parts.items()}
    assert tasks.pop("detector") == "detection"
    assert {"grades": "classification", "segmentation": "segmentation"}.items() >= {
        (name.partition(".")[0], task) for name, task in tasks.items()
    }


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_header_of_a_case_says_how_it_is_exported(path):
    assert f"spine export configs/cases/{path.name}" in path.read_text()


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_case_grades_crops_that_grow_as_those_that_its_classifiers_learned_from(path, monkeypatch):
    from spine.intake import load_data_config

    monkeypatch.chdir(ROOT)
    case = load_case(path)
    for experiment in map(load_experiment, case.grades.values()):
        crop = load_data_config(experiment.build).crop
        assert (crop.label, crop.grow) == (case.discs.label, case.discs.grow)
