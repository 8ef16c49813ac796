"""Packs: which file runs, what is missing in the user's folder, and the paper's table beside ours."""

import os
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from ensemble import evaluate
from ensemble.experiment_run import ExperimentRun
from ensemble.report.paper import render_paper
from ensemble.results.few_patients import NO_WIDTH
from pipeline.cli import app
from pipeline.experiments import load_experiments, load_other_datasets
from pipeline.papers.compare import paper_page, write_paper_report
from pipeline.papers.comparison import Comparison, Measured
from pipeline.papers.facts import PAPERS, read_facts
from pipeline.papers.layout import Layout
from pipeline.papers.pack import ComparedBars, Pack, pack_of, resolve_pack
from spine.core.files import read_json, write_json
from spine.core.problems import SpineError
from spine.core.strict import validate
from spine.images.tint import class_colour
from spine.intake import load_data_config
from tests.experiment_on_disk import write_experiment, write_segmentation_experiment
from tests.paper_pack_ran import tables_of
from tests.pipeline.papers.test_layout import write_plid

ROOT = Path(__file__).resolve().parents[3]
SAYED = Path("configs/papers/sayed2025_plid.yaml")
PHANTOM = Path("configs/papers/phantom/sayed2025_plid.yaml")
PACKS = [folder / f"{paper}.yaml" for paper in PAPERS for folder in (SAYED.parent, PHANTOM.parent)]
PICTURE = cv2.imencode(".png", np.zeros((4, 6), np.uint8))[1].tobytes()


@pytest.fixture
def here(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("PLID", raising=False)


def test_another_scale_is_another_file(here):
    assert resolve_pack(SAYED, ["scale=phantom", "seed=2"]) == (PHANTOM, ["seed=2"])
    assert pack_of(PHANTOM).data is None


def test_data_root_is_handed_to_the_data_configs(here, tmp_path, monkeypatch):
    monkeypatch.setenv("PLID", "elsewhere")
    root = write_plid(tmp_path / "plid")
    assert resolve_pack(SAYED, [f"data.root={root}", "scale=full"]) == (SAYED, [])
    assert os.environ["PLID"] == str(root)


def test_runs_is_handed_to_the_data_configs_that_crop_by_detectors(here, monkeypatch):
    monkeypatch.setenv("SPINE_RUNS", "runs")
    assert resolve_pack(SAYED, ["scale=phantom", "runs=elsewhere/of runs"]) == (PHANTOM, ["runs=elsewhere/of runs"])
    experiments = {one.name: one for one in load_experiments(PHANTOM, ["runs=elsewhere/of runs"])}
    for judged, config in load_other_datasets(PHANTOM):
        member = load_data_config(config).crop.detector
        assert member.parent.parent.parent == Path("elsewhere/of runs"), judged.name
        assert member.name in experiments[member.parent.parent.name].members
    for member in experiments["sayed2025_classification_phantom"].members.values():
        assert Path(member.weights).is_relative_to("elsewhere/of runs/sayed2025_pretraining_phantom/members")


def test_a_scale_of_real_images_asks_for_these(here, monkeypatch, tmp_path):
    monkeypatch.setenv("SPINE_DATA", "elsewhere")
    with pytest.raises(SpineError, match=rf"{tmp_path} lacks what this pack reads:(.|\n)*t2space/masks is not there"):
        resolve_pack(SAYED, ["scale=spider", f"data.root={tmp_path}"])
    assert os.environ["SPINE_DATA"] == str(tmp_path)


def test_a_command_that_reads_no_data_asks_for_none(here, tmp_path):
    assert resolve_pack(SAYED, [f"data.root={tmp_path}"], reads_data=False) == (SAYED, [])


def test_what_is_no_pack_is_left_alone(here):
    experiment = Path("configs/papers/tapkir_classification.yaml")
    assert resolve_pack(experiment, ["scale=phantom"]) == (experiment, ["scale=phantom"])
    assert pack_of("configs/quickstart.yaml") is None


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["scale=phantm"], r"scale is 'phantm'; the pack has full, phantom, spider\. Did you mean 'phantom'"),
        (["scale=phantom", "data.root=/x"], r"runs on generated data; leave data\.root out"),
        (
            ["data.root=/nowhere"],
            r"/nowhere is no folder; say where the data are by data\.root=DIR or the variable PLID",
        ),
        (["data.root"], r"override 'data\.root' is empty; give the folder of the data, or leave data\.root out"),
        (["scale=", "data.root=/x"], r"override 'scale=' is empty; give a scale, or leave scale out"),
        (
            ["data.rooot=/x"],
            r"override 'data\.rooot=/x': .*sayed2025_plid\.yaml is a pack, whose own are data\.root and",
        ),
        (["data=/x"], r"override 'data=/x': .* is a pack"),
        ([], r"data/plid_source is no folder(.|\n)*discs\.csv: .*: image, xmin, ymin, xmax, ymax, level, finding"),
    ],
)
def test_what_does_not_hold_is_told_before_anything_runs(here, overrides, message):
    with pytest.raises(SpineError, match=message):
        resolve_pack(SAYED, overrides)


def pack(**others):
    table = {
        "printed": "classification",
        "experiment": "small",
        "columns": {"accuracy": {"metric": "accuracy"}, "auc": {"metric": "roc_auc"}},
        "extra": {"balanced accuracy": {"metric": "balanced_accuracy"}},
        "rows": {"AEM": {"row": "equal weights"}, "WAEM": {"row": "ensemble"}, "xception": None},
        "more": ["published"],
    }
    raw = {"paper": "sayed2025_plid", "name": "our_pack", "tables": [{**table, **others}]}
    return validate(Pack, {**raw, "notes": [{"about": ["classification.AEM"], "text": "A note of ours."}]}, "the pack")


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    also = {"published": {"vgg16": 0.2, "resnet50": 0.1}}
    experiment = write_experiment(
        tmp_path_factory.mktemp("pack"), members=("vgg16", "resnet50"), evaluate={"resamples": 100, "also": also}
    )
    evaluate.run(experiment)
    return experiment


def test_the_papers_table_stands_beside_ours(judged):
    page = paper_page(pack(), {"small": judged}, judged.runs / "our_pack")
    (table,) = page.tables
    rows = {row.name: row for row in table.rows}
    own = {name: rows[name].cells[0] for name in rows}
    scores = {row.name: row.metrics["accuracy"].value for row in evaluated(judged).rows}
    assert (own["vgg16"].printed, own["vgg16"].ours) == ("89.87", f"{100 * scores['vgg16']:.2f}")
    assert (own["AEM"].printed, own["AEM"].ours) == ("98.1", f"{100 * scores['equal weights']:.2f}")
    assert (own["published"].printed, own["published"].ours) == ("–", f"{100 * scores['published']:.2f}")
    assert (own["densenet121"].printed, own["densenet121"].ours) == ("93.04", "–")  # not among these members
    assert own["xception"].ours == "–"  # not run
    assert rows["vgg16"].cells[2].printed == "–"  # balanced accuracy is ours alone
    assert own["vgg16"].interval
    assert rows["WAEM"].ours == "ensemble"
    assert "15 test patients, 30 units" in table.measured_on
    assert page.reports == {"small": "../small/report.html"}


def test_a_column_may_be_printed_alone(judged):
    columns = {"accuracy": {"metric": "accuracy"}, "auc": None}
    (table,) = paper_page(pack(columns=columns), {"small": judged}, judged.runs / "our_pack").tables
    auc = {row.name: row.cells[1] for row in table.rows}
    assert (auc["vgg16"].printed, auc["vgg16"].ours) == ("82.98", "–")
    assert {cell.ours for cell in auc.values()} == {"–"}
    assert (table.columns[1].name, table.columns[1].metric, table.columns[1].is_printed) == ("auc", "", True)
    assert [row.cells[0].ours for row in table.rows if row.name == "vgg16"] != ["–"]  # the others stand as before


def test_the_weighted_ensembles_classes_stand_beside_the_printed_ones(here, tmp_path):
    """The pack's own table, of masks whose third class is the canal in place of the spine."""
    experiment = write_segmentation_experiment(tmp_path, evaluate={"resamples": 100})
    evaluate.run(experiment)
    (own,) = (table for table in pack_of(SAYED).tables if table.printed == "segmentation_ensemble")
    raw = own.model_dump(mode="json") | {"experiment": "small", "more": ["equal weights"]}
    raw["columns"]["iou_spine"] = {"metric": "iou.canal"}
    whole = validate(Pack, {"paper": "sayed2025_plid", "name": "our_pack", "tables": [raw]}, "the pack")
    page = paper_page(whole, {"small": experiment}, experiment.runs / "our_pack")
    (table,) = page.tables
    cells = dict(zip((column.name for column in table.columns), table.rows[0].cells, strict=True))
    found = next(row.metrics for row in evaluated(experiment).rows if row.name == "ensemble")
    metrics = {
        **{"iou spine": "iou.canal", "iou vertebra": "iou.vertebra", "iou disc": "iou.disc"},
        **{"accuracy": "pixel_accuracy", "recall without background": "recall_foreground"},
        "precision without background": "precision_foreground",
    }
    for name, metric in metrics.items():
        assert cells[name].ours == f"{100 * found[metric].value:.2f}", name
    assert [cells[name].printed for name in ("iou spine", "accuracy", "recall")] == ["89.37", "96.22", "95.63"]
    assert {cells[name].ours for name in ("recall", "precision")} == {"–"}
    (mark,) = {column.marks for column in table.columns if column.name in ("recall", "precision")}
    assert "Ours has no such mean" in page.notes[mark[0] - 1]


def evaluated(experiment):
    return ExperimentRun(experiment).evaluation()


def test_footnotes_stand_where_they_matter(judged):
    page = paper_page(pack(), {"small": judged}, judged.runs / "our_pack")
    (table,) = page.tables
    rows = {row.name: row for row in table.rows}
    (auc,) = table.columns[1].marks
    assert "taken from hard labels" in page.notes[auc - 1]
    assert [page.notes[mark - 1] for mark in rows["AEM"].marks] == ["A note of ours."]
    assert rows["vgg19"].marks == ()  # of VGG16 two weights are printed
    assert len(rows["vgg16"].marks) == 1
    assert set(page.notes) == {note.text for note in read_facts("sayed2025_plid").notes} | {"A note of ours."}
    assert len(set(page.notes)) == len(page.notes)


def test_the_report_is_one_page_that_says_what_it_is_of(judged):
    path = write_paper_report(pack(), [judged])
    assert path == judged.runs / "our_pack" / "report.html"
    text = path.read_text()
    assert "they say nothing of patients".casefold() in text.casefold()  # no data of a user: generated
    assert re.search(r"<td>AEM<sup>", text)
    assert "WAEM against resnet50" in text
    assert "<script" not in text
    assert not re.search(r'src="(?!data:)', text)


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"printed": "table9"}, "tables has 'table9'; the paper's are classification, segmentation"),
        ({"rows": {"vgg17": {"row": "vgg16"}}}, "classification has no 'vgg17'; its rows are vgg16"),
        ({"columns": {"acc": {"metric": "accuracy"}}}, "classification has no 'acc'; its columns are accuracy"),
    ],
)
def test_a_pack_compares_what_is_printed(others, message):
    with pytest.raises(SpineError, match=message):
        pack(**others)


def test_bars_are_of_the_tables_numbers(judged):
    bars = {"title": "Two", "printed": "classification", "columns": {"accuracy": "first", "auc": "second"}}
    whole = pack(more=["published"]).model_copy(update={"bars": (validate(ComparedBars, bars, "bars"),)})
    comparison = Comparison(read_facts("sayed2025_plid"), whole, Measured({"small": judged}))
    rows, (first, second) = comparison.bars(whole.bars[0])
    scores = {row.name: row.metrics for row in evaluated(judged).rows}
    by_row = dict(zip(rows, zip(first.printed, first.ours, second.ours, strict=True), strict=True))
    printed, accuracy, auc = by_row["resnet50"]
    assert (printed.value, printed.low) == (96.84, None)
    assert accuracy.value == 100 * scores["resnet50"]["accuracy"].value
    assert (auc.low, auc.high) == tuple(
        100 * getattr(scores["resnet50"]["roc_auc"], bound) for bound in ("low", "high")
    )
    assert [bar.value for bar in by_row["xception"]] == [96.84, None, None]  # not run
    assert by_row["published"][0].value is None  # not printed
    (figure,) = paper_page(whole, {"small": judged}, judged.runs / "our_pack").figures
    assert (figure.caption, figure.wide) == ("Two", True)


@pytest.mark.parametrize(
    ("bars", "message"),
    [
        ({"printed": "ablation"}, "bars has 'ablation'; the tables are classification"),
        ({"columns": {"accuracy": "a", "recall": "b"}}, r"classification.recall; the columns there are accuracy, auc"),
        ({"columns": {"accuracy": "a", "f1": "b"}}, r"classification.f1; the columns there are accuracy, auc"),
    ],
)
def test_bars_are_of_a_compared_table(bars, message):
    columns = {"accuracy": {"metric": "accuracy"}, "auc": {"metric": "roc_auc"}, "f1": None}
    raw = pack(columns=columns).model_dump(mode="json")
    whole = {"title": "Two", "printed": "classification", "columns": {"accuracy": "a", "auc": "b"}, **bars}
    with pytest.raises(SpineError, match=message):
        validate(Pack, {**raw, "bars": [whole]}, "the pack")


def test_a_column_may_be_of_another_dataset(judged):
    """The same evaluation, laid where that of another dataset lies: its numbers and its report are found there."""
    other = judged.data.with_name("on_crops")
    there = ExperimentRun(judged).evaluation_directory(other)
    shutil.copytree(judged.evaluation_directory, there)
    extra = {"on crops": {"metric": "accuracy", "data": str(other)}}
    page = paper_page(pack(extra=extra), {"small": judged}, judged.runs / "our_pack", [(judged, other)])
    shutil.rmtree(there)
    (table,) = page.tables
    for row in table.rows:
        assert row.cells[2].ours == row.cells[0].ours
    assert "small on on_crops: 15 test patients, 30 units" in table.measured_on
    assert page.reports == {"small": "../small/report.html", "small on on_crops": "../small/report-on_crops.html"}


def test_what_our_experiments_lack_is_told(judged):
    experiments, place = {"small": judged}, judged.runs / "our_pack"
    with pytest.raises(SpineError, match="small has no metric 'acuracy'"):
        paper_page(pack(columns={"accuracy": {"metric": "acuracy"}}), experiments, place)
    with pytest.raises(SpineError, match="the pack compares 'other', and its experiments are small"):
        paper_page(pack(experiment="other"), experiments, place)
    with pytest.raises(SpineError, match="the pack shows 'other/roc', and its experiments are small"):
        paper_page(pack().model_copy(update={"figures": ("other/roc",)}), experiments, place)


def reported(experiment, **figures):
    """The pictures of a report that drew these, and its record of them."""
    for name, content in figures.items():
        (experiment.evaluation_directory / f"{name}.png").write_bytes(content)
    drawn = [f"{name}.png" for name in figures]
    write_json({"inputs_hash": "", "figures": drawn}, experiment.evaluation_directory / "report.json")


@pytest.fixture
def unreported(judged):
    """The judged experiment, whose report each test makes up."""
    yield judged
    for path in [*judged.evaluation_directory.glob("*.png"), judged.evaluation_directory / "report.json"]:
        path.unlink(missing_ok=True)


def test_a_figure_that_a_report_had_nothing_to_draw_of_is_told_in_its_place(unreported):
    """As of the worst cases of an ensemble without an error; a picture that an earlier report left is none of this."""
    shows = pack().model_copy(update={"figures": ("small/worst_cases", "small/roc")})
    reported(unreported, worst_cases=PICTURE)
    reported(unreported, roc=PICTURE)
    path = write_paper_report(shows, [unreported])
    text = path.read_text()
    assert "No figure worst cases of small: its report had nothing to draw there" in text
    assert "<figcaption>small: roc" in text
    assert "<figcaption>small: worst cases" not in text
    reported(unreported, worst_cases=PICTURE, roc=PICTURE)
    assert "<figcaption>small: worst cases" in write_paper_report(shows, [unreported]).read_text()


def test_what_is_drawn_wide_has_the_whole_width(unreported):
    shows = pack().model_copy(update={"figures": ("small/roc", "small/worst_cases")})
    reported(unreported, roc=PICTURE, worst_cases=cv2.imencode(".png", np.zeros((4, 900), np.uint8))[1].tobytes())
    figures = paper_page(shows, {"small": unreported}, unreported.runs / "our_pack").figures
    assert [figure.wide for figure in figures] == [False, True]


def test_a_report_that_was_not_made_or_has_lost_a_picture_is_told(unreported):
    shows = pack().model_copy(update={"figures": ("small/roc",)})
    with pytest.raises(SpineError, match=r"small has no report; run `spine report` of small, or leave small/roc out"):
        paper_page(shows, {"small": unreported}, unreported.runs / "our_pack")
    reported(unreported, roc=PICTURE)
    (unreported.evaluation_directory / "roc.png").unlink()
    with pytest.raises(SpineError, match=r"roc.png does not exist; run `spine report` of small again"):
        paper_page(shows, {"small": unreported}, unreported.runs / "our_pack")


def test_a_table_of_few_patients_says_so_beside_its_intervals(judged, monkeypatch):
    def cautions(compared):
        return paper_page(compared, {"small": judged}, judged.runs / "our_pack").tables[0].cautions

    few = evaluated(judged).caution
    assert "only 15 test patients, fewer than 50: read intervals with caution" in few
    assert cautions(pack()) == (few, NO_WIDTH)  # its specificity is 1 in every resample
    assert f'<p class="warn">{few}</p>' in write_paper_report(pack(), [judged]).read_text()
    other = judged.data.with_name("of_many")
    there = ExperimentRun(judged).evaluation_directory(other)
    shutil.copytree(judged.evaluation_directory, there)
    content = read_json(there / "metrics.json")
    write_json({**content, "counts": {**content["counts"], "patients": 50}}, there / "metrics.json")
    both = pack(extra={"of many": {"metric": "accuracy", "data": str(other)}})
    found = cautions(both)
    shutil.rmtree(there)
    assert found == (f"small: {few}", NO_WIDTH)  # of one of two: whose it is


DRAWN = {
    "classification": {"confusion", "roc", "precision_recall", "worst_cases"},
    "segmentation": {"overlays", "worst_cases"},
    "detection": {"overlays", "worst_cases"},
}


@pytest.mark.parametrize("path", PACKS, ids=lambda path: "/".join(path.parts[-2:]))
def test_the_figures_of_a_pack_are_such_as_reports_draw(here, path):
    """A name that no report has would pass for one that there was nothing to draw of."""
    experiments = {one.name: one for one in load_experiments(path)}
    for name, _, picture in (text.partition("/") for text in pack_of(path).figures):
        members = {f"training_{member}" for member in experiments[name].members}
        assert picture in DRAWN[experiments[name].task] | members, (name, picture)


def test_a_pack_runs_its_parts_in_order_and_ends_with_its_report(here, monkeypatch):
    """Which parts run, and what is published before them; no training: every stage is replaced."""
    done = []
    monkeypatch.setattr("pipeline.stages.run_all", lambda settings, *given: done.append(settings.name) or [])
    monkeypatch.setattr(
        "pipeline.registry.two_stage", lambda regions, discs, output, **settings: done.append((output.name, settings))
    )
    monkeypatch.setattr(
        "pipeline.stages.evaluate_other_dataset",
        lambda settings, config, show: done.append((settings.name, config.stem)) or (config, []),
    )
    monkeypatch.setattr(
        "pipeline.data.build_ahead",
        lambda experiments, others, show: done.append([*(one.build.stem for one in experiments), *others]),
    )
    monkeypatch.setattr(
        "pipeline.fetch_ahead.fetch_ahead",
        lambda experiments, built, show: done.append(f"weights of {len(experiments)} parts"),
    )
    monkeypatch.setattr("pipeline.cli.experiments.show_leaderboard", lambda *given: None)
    written = Path("runs") / "report.html"
    monkeypatch.setattr("pipeline.papers.compare.write_paper_report", lambda *given: written)
    monkeypatch.setattr(Layout, "require", lambda layout: None)
    found = CliRunner().invoke(app, ["run", str(SAYED), "data.root=/somewhere"])
    assert found.exit_code == 0, found.output
    assert found.stdout.splitlines()[-1] == str(written)
    assert f"next: open {written} in a browser" in found.stderr
    detected = [Path(f"configs/data/plid_{name}_detected.yaml") for name in ("discs", "regions")]
    data = ("boxes", "regions", "boxes", "discs", "discs", "slices", "regions", "regions")
    assert done.pop(0) == [*(f"plid_{name}".removesuffix("_discs") for name in data), *detected]
    assert done.pop(0) == "weights of 8 parts"
    assert done[:4] == [
        *("sayed2025_detection_regions", "sayed2025_detection_discs"),
        ("two_stage", {"label": "", "grow": 0.1, "confidence": 0.25}),
        "sayed2025_detection",
    ]
    assert done[-2:] == [
        ("sayed2025_classification", "plid_discs_detected"),
        ("sayed2025_segmentation", "plid_regions_detected"),
    ]


def test_what_a_pack_tunes_is_tuned_when_its_experiments_have_run(here, monkeypatch):
    done = []
    monkeypatch.setattr("pipeline.stages.run_all", lambda settings, *given: done.append(settings.name) or [])
    monkeypatch.setattr("pipeline.data.build_ahead", lambda experiments, others, show: ())
    monkeypatch.setattr("pipeline.cli.experiments.show_leaderboard", lambda *given: None)
    monkeypatch.setattr(
        "pipeline.papers.tuned.tune_part",
        lambda part, overrides, show: done.append((part.experiment.stem, part.member, overrides)) or part.member,
    )
    monkeypatch.setattr(
        "pipeline.papers.compare.write_paper_report",
        lambda pack, experiments, also, tuned: done.append(tuned) or Path("report.html"),
    )
    monkeypatch.setattr(Layout, "require", lambda layout: None)
    found = CliRunner().invoke(app, ["run", "configs/papers/tapkir_fracture.yaml", "data.root=/somewhere", "seed=2"])
    assert found.exit_code == 0, found.output
    tuned = [("tapkir_classification", member, ["seed=2"]) for member in ("plain_cnn", "vgg16")]
    assert done == ["tapkir_classification", *tuned, ["plain_cnn", "vgg16"]]


def test_a_table_may_be_ours_alone_and_a_page_stand_for_a_program(judged):
    raw = {
        "paper": "tapkir_fracture",
        "name": "our_pack",
        "tables": [
            {
                "title": "Ours",
                "experiment": "small",
                "extra": {"AUC": {"metric": "roc_auc"}},
                "more": ["vgg16", "ensemble"],
            }
        ],
        "demo": "small.yaml",
        "notes": [{"about": ["Ours"], "text": "A note on it."}],
    }
    page = paper_page(validate(Pack, raw, "the pack"), {"small": judged}, judged.runs / "our_pack")
    (table,) = page.tables
    scores = {row.name: row.metrics["roc_auc"].value for row in evaluated(judged).rows}
    assert [(row.name, row.cells[0].printed, row.cells[0].ours) for row in table.rows] == [
        (name, "–", f"{100 * scores[name]:.2f}") for name in ("vgg16", "ensemble")
    ]
    assert page.notes[table.marks[0] - 1] == "A note on it."
    assert page.demo == f"spine demo small.yaml runs={judged.runs}"
    html = render_paper(page)
    assert "spine demo small.yaml" in html
    heads, under, *rows = tables_of(html)[0]
    assert (heads, under) == (["", "AUC"], ["", "ours roc auc"])  # no empty column of a paper that prints nothing
    assert [len(row) for row in rows] == [2, 2]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"experiment": "small"}, "give printed, the name of a table of the paper, or title"),
        ({"printed": "detection", "experiment": "small"}, "give columns, ours beside a printed one each"),
        (
            {"title": "Ours", "experiment": "small", "columns": {"map": {"metric": "map50"}}},
            "rows and columns are of a printed table",
        ),
    ],
)
def test_a_table_is_of_the_paper_or_ours_alone(table, message):
    with pytest.raises(SpineError, match=message):
        validate(Pack, {"paper": "ma2020_cervical", "name": "our_pack", "tables": [table]}, "the pack")


def test_boxes_and_masks_are_drawn_with_the_colours_of_their_labels(unreported):
    judged = unreported
    shows = pack().model_copy(update={"tables": (), "figures": ("small/overlays",)})
    reported(judged, overlays=PICTURE)
    boxes = judged.model_copy(update={"task": "detection", "labels": ("disc", "injury")})
    masks = judged.model_copy(update={"task": "segmentation", "labels": ("background", "disc", "injury")})
    for experiment in (boxes, masks):
        page = paper_page(shows, {"small": experiment}, judged.runs / "our_pack")
        assert page.figures[0].legend == {"disc": class_colour(1), "injury": class_colour(2)}
    assert f'style="background: {class_colour(2)}"></span>injury' in render_paper(page)
