import re
from html.parser import HTMLParser
from importlib import import_module

import numpy as np
import pytest

from ensemble import evaluate
from ensemble.experiment_run import ExperimentRun
from ensemble.report.documents import DOCUMENTS
from ensemble.report.style import COLOURS, styles_of
from ensemble.report.worst import worst_cases
from spine.core.files import read_json, write_json
from spine.core.problems import SpineError
from spine.member.member import Member, Patients
from tests.ensemble.documents.atlas_schema import assert_valid
from tests.experiment_on_disk import write_experiment

pytestmark = pytest.mark.usefixtures("figures_without_pixels")

FAST = {"evaluate": {"resamples": 200}}
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Tags with attributes, the text, and whether every tag that opens is closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words += data.split()

    @property
    def text(self):
        return " ".join(self.words)


def report(experiment):
    evaluate.run(experiment)
    return import_module("ensemble.report").run(experiment)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINE_SALT", "salt of the tests")
        experiment = write_experiment(tmp_path_factory.mktemp("report"), noise=(1.5, 1.6, 1.7), **FAST)
        paths = report(experiment)
    return experiment, [paths[0], *sorted(experiment.evaluation_directory.glob("*.png"))], Page(paths[0].read_text())


def test_the_page_is_whole_and_fetches_nothing(written):
    _, _, page = written
    assert page.open == []
    assert "script" not in {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        for name in ("src", "href"):
            value = attributes.get(name) or ""
            assert value == "" or value.startswith(("data:image/png;base64,", "#")) or value in DOCUMENTS, (tag, value)
    assert "url(http" not in page.text


def test_the_page_says_what_metrics_json_holds(written):
    experiment, _, page = written
    found = read_json(experiment.evaluation_directory / "metrics.json")
    assert found["verdict"] in page.text
    for row in found["rows"]:
        area = row["metrics"]["roc_auc"]
        assert f"{area['value']:.3f} {area['low']:.2f}–{area['high']:.2f}" in page.text
    assert "30 units from 60 images" in page.text


def test_the_page_says_whose_patients_its_numbers_are_of(written):
    _, _, page = written
    assert "vgg, dense, squeeze: learned from 4 of train, stopped on 12 of validation." in page.text
    assert "Weights: chosen on 12 of validation. Test: 15, none of them among these." in page.text
    assert "Scores are of test, unless validation is named with them" in page.text


def test_a_foreign_member_that_names_no_patients_is_not_said_to_have_learned_from_train(tmp_path):
    experiment = write_experiment(tmp_path, **FAST)
    member = Member.open(experiment.member_directory("vgg"))
    Member.publish(member.path, member.card.model_copy(update={"patients": Patients()}))
    text = Page(report(experiment)[0].read_text()).text
    assert "vgg: names no patients that it learned from" in text
    assert "Test: 15, none of them among these; of vgg it is not known." in text


def test_figures_are_written_and_shown(written):
    experiment, paths, page = written
    names = {path.stem for path in paths[1:]}
    assert {"roc", "precision_recall", "calibration", "confusion", "weights", "validation"} <= names
    assert {f"training_{name}" for name in experiment.members} <= names
    shown_as_tables = {"worst_cases"}
    assert shown_as_tables <= names
    assert sum(tag == "svg" for tag, _ in page.tags) == len(names - shown_as_tables)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths[1:])


def test_worst_cases_are_the_most_confident_errors(written):
    experiment, _, page = written
    test = ExperimentRun(experiment).evaluator("test")
    fused = test.ensemble.probabilities
    wrong = np.flatnonzero(fused.argmax(axis=1) != test.values)
    cases = worst_cases(test)
    assert len(cases) == min(len(wrong), 8) > 1
    assert [case.probability for case in cases] == sorted(fused[wrong].max(axis=1), reverse=True)[:8]
    assert all(case.truth != case.predicted and case.slices == 2 for case in cases)
    assert cases[0].probabilities["ensemble"] == pytest.approx(1 - cases[0].probability)
    assert cases[0].sample in page.text
    assert sum(tag == "img" for tag, _ in page.tags) == len(cases)


def test_a_report_that_is_up_to_date_is_kept(written):
    experiment, paths, _ = written
    before = paths[0].stat().st_mtime_ns
    assert report(experiment)[0] == paths[0]
    assert paths[0].stat().st_mtime_ns == before
    paths[1].unlink()
    report(experiment)
    assert paths[1].exists()


def test_settings_are_those_that_members_were_trained_with(tmp_path):
    experiment = write_experiment(tmp_path, members=("vgg", "dense"), **FAST)
    before = Page(report(experiment)[0].read_text())
    assert "was trained with" not in before.text
    settings = experiment.members["vgg"].model_copy(update={"epochs": 8})
    then = experiment.model_copy(update={"members": {**experiment.members, "vgg": settings}})
    then.write(experiment.member_directory("vgg") / "config.yaml")
    after = Page(report(experiment)[0].read_text())
    epochs = experiment.members["vgg"].epochs
    assert f"Member vgg was trained with epochs 8 (the experiment says {epochs})." in after.text
    assert [page.text.count("epochs: 8 ") for page in (before, after)] == [0, 1]
    assert before.text.count(f"epochs: {epochs} ") - after.text.count(f"epochs: {epochs} ") == 1


def test_text_from_files_is_escaped(tmp_path):
    experiment = write_experiment(tmp_path, members=("only",), labels=("<script>alert(1)</script>", "a & $b"), **FAST)
    text = report(experiment)[0].read_text()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "a &amp; $b" in text


@pytest.mark.parametrize(
    ("members", "labels"), [(("only",), ("no", "yes")), (("vgg", "dense"), ("mild", "moderate", "severe"))]
)
def test_one_member_and_more_classes(tmp_path, members, labels):
    experiment = write_experiment(tmp_path, members=members, labels=labels, **FAST)
    for name in members:
        (experiment.member_directory(name) / "history.csv").unlink()
    page = Page(report(experiment)[0].read_text())
    assert page.open == []
    assert f"{members[0]} left no history.csv." in page.text
    if len(members) == 1:
        assert "there is no ensemble to judge" in page.text


def test_a_picture_that_is_gone_costs_only_its_picture(tmp_path):
    experiment = write_experiment(tmp_path, noise=(1.5, 1.6, 1.7), **FAST)
    for path in (experiment.data / "images").glob("*.png"):
        path.unlink()
    assert "no picture" in report(experiment)[0].read_text()


def test_without_an_evaluation_it_says_what_to_run(tmp_path):
    with pytest.raises(SpineError, match="spine evaluate"):
        import_module("ensemble.report").run(write_experiment(tmp_path, **FAST))


def test_figures_of_other_labels_than_now_make_no_page(tmp_path):
    experiment = write_experiment(tmp_path, **FAST)
    evaluate.run(experiment)
    metrics = experiment.evaluation_directory / "metrics.json"
    judged = read_json(metrics)
    assert judged["judged_hash"] == ExperimentRun(experiment).predictions("test").hash
    write_json({**judged, "judged_hash": "of others"}, metrics)
    with pytest.raises(SpineError, match=r"measured on other labels or predictions .* run `spine evaluate EXPERIMENT`"):
        import_module("ensemble.report").run(experiment)
    hashes = ("judged_hash", "settings_hash")
    write_json({key: value for key, value in judged.items() if key not in hashes}, metrics)
    assert import_module("ensemble.report").run(experiment)[0].exists()  # an older version's, which does not tell


def test_a_page_with_other_settings_of_judging_than_its_figures_is_refused(written):
    experiment, _, _ = written
    narrower = experiment.evaluate.model_copy(update={"confidence": 0.8})
    with pytest.raises(SpineError, match=r"with other settings of evaluate, .* run `spine evaluate EXPERIMENT` again"):
        import_module("ensemble.report").run(experiment.model_copy(update={"evaluate": narrower}))


def test_grades_in_order_have_a_page_and_an_evaluation_without_their_metrics_says_what_to_run(tmp_path):
    labels = ("1", "2", "3")
    before = write_experiment(tmp_path, members=("vgg", "dense"), labels=labels, **FAST)
    evaluate.run(before)
    ordered = before.model_copy(update={"ordinal": True})
    with pytest.raises(
        SpineError, match=r"metrics.json has no quadratic_kappa, .* run `spine evaluate EXPERIMENT` again"
    ):
        import_module("ensemble.report").run(ordered)
    text = Page(report(ordered)[0].read_text()).text
    found = read_json(ordered.evaluation_directory / "metrics.json")
    assert found["verdict"] in text
    assert "ensemble against quadratic kappa mean absolute error wins / losses McNemar p" in text
    assert (ordered.evaluation_directory / "interval_quadratic_kappa.png").exists()
    assert not (ordered.evaluation_directory / "interval_auc.png").exists()


def test_members_keep_their_own_look():
    names = [(f"m{index}", "member") for index in range(12)]
    styles = styles_of([*names, ("equal weights", "equal"), ("ensemble", "ensemble")])
    looks = {(style["color"], str(style["linestyle"])) for style in styles.values()}
    assert len(looks) == 14
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in COLOURS)


def test_the_documents_beside_it_are_valid_and_linked(written):
    experiment, _, page = written
    assert_valid(experiment.directory)
    linked = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert linked == list(DOCUMENTS)
    assert all((experiment.directory / file).exists() for file in linked)
