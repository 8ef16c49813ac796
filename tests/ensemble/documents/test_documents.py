"""Cards and checklist: valid by ATLAS, their counts and figures those of the run, and nobody named in them."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError
from scipy.stats import norm, t

from ensemble import evaluate, report
from ensemble.experiment_run import ExperimentRun
from ensemble.leaderboard import leaderboard_table
from ensemble.report.documents import DOCUMENTS, write_documents
from ensemble.report.documents.claim import ANSWERS, ITEMS
from ensemble.report.documents.dataset_card import dataset_properties, splitting
from ensemble.report.documents.facts import DataFacts, Facts
from ensemble.report.documents.training import initial_weights, training
from ensemble.report.documents.words import crops_wanted
from ensemble.report.templates import templates
from ensemble.results.few_patients import ENOUGH, NO_WIDTH, caution, caution_of_width
from spine.core.files import read_json
from spine.core.problems import Problem, write_problems
from spine.dataset.manifest import Manifest
from spine.dataset.population import HIDDEN
from spine.intake.built import records_of
from spine.member.member import Card, Member, Patients
from tests.ensemble.documents.atlas_schema import MODEL_CARD, assert_valid
from tests.experiment_on_disk import write_experiment

FAST = {"evaluate": {"resamples": 100}}
FILES = ("model_card.json", "model_card.md", "dataset_card.json", "dataset_card.md", "claim_2024.md")


def tell_of_patients(root, **columns):
    """Write columns of images.csv, each patient -> value."""
    table = pd.read_csv(root / "images.csv", dtype=str, keep_default_na=False)
    for name, values in columns.items():
        table[name] = table["patient"].map(values).fillna("")
    table.to_csv(root / "images.csv", index=False)


def written(experiment):
    run = ExperimentRun(experiment)
    write_documents(run, run.evaluation())
    return {name: (experiment.directory / name).read_text() for name in FILES}


def evaluated(folder, members=("only",), **settings):
    experiment = write_experiment(folder, members=members, **FAST, **settings)
    evaluate.run(experiment)
    return experiment


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    """Of a run whose test split has 8 women and 7 men, whose validation split 11 and 1."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINE_SALT", "salt of the tests")
        experiment = write_experiment(tmp_path_factory.mktemp("documents"), **FAST)
        sexes = {f"test{n:02d}": "F" if n < 8 else "M" for n in range(15)}
        sexes |= {f"validation{n:02d}": "M" if n == 4 else "F" for n in range(12)}
        ages = {f"test{n:02d}": "40-49" if n < 9 else "90+" for n in range(15)}
        makers = {f"test{n:02d}": "Siemens" for n in range(15)}
        modality = dict.fromkeys((*sexes, "train00"), "MR")
        tell_of_patients(experiment.data, sex=sexes, age=ages, manufacturer=makers, modality=modality)
        evaluate.run(experiment)
        return experiment, written(experiment)


def test_cards_are_valid(documents):
    experiment, _ = documents
    assert_valid(experiment.directory)


def test_the_schema_refuses_what_atlas_does_not_know(documents):
    experiment, _ = documents
    card = read_json(experiment.directory / "model_card.json")
    for spoilt in (
        {**card, "Model": {**card["Model"], "Accuracy": "0.9"}},
        {**card, "Model": {**card["Model"], "Link": "here"}},
        {**card, "$schema": "https://example.org"},
    ):
        with pytest.raises(ValidationError):
            Draft202012Validator(MODEL_CARD).validate(spoilt)


def test_partitions_have_the_datasets_counts(documents):
    _, texts = documents
    train, validation, test = json.loads(texts["dataset_card.json"])["Dataset"]["Partitions"]
    assert [one["Partition"] for one in (train, validation, test)] == ["Training", "Validation", "Internal testing"]
    assert train["Total"] == {"Patient count": 4, "Image count": 4 * 2 * 2}
    assert test["Total"]["Patient count"] == 15
    assert test["Total"]["Age range"] == [[40, "years"], [120, "years"]]
    assert {"Sex": "Female", "Patient count": 8} in test["Subsets"]
    assert {"Sex": "Male", "Patient count": 7} in test["Subsets"]
    assert {"Age range": [[90, "years"], [120, "years"]], "Patient count": 6} in test["Subsets"]
    assert {"Criterion": "Scanner: Siemens", "Patient count": 15} in test["Subsets"]
    images = [row["Image count"] for row in test["Subsets"] if row.get("Criterion", "").startswith("degeneration")]
    assert sum(images) == 15 * 2 * 2


def test_one_man_among_women_is_not_told(documents):
    _, texts = documents
    train, validation, _ = json.loads(texts["dataset_card.json"])["Dataset"]["Partitions"]
    assert not [row for row in validation["Subsets"] if "Sex" in row]
    assert f"By sex: kept, but {HIDDEN}." in validation["Comments"]
    assert "By age: not known." in validation["Comments"]
    # Four patients of whom nothing is told are a small group, too: that is not why nothing is shown.
    assert "By sex: not known. By age: not known. By scanner: not known." in train["Comments"]


def test_the_checklist_tells_small_groups_from_headers_that_were_not_kept(documents, tmp_path):
    _, texts = documents
    assert items_with("Of the headers a sex and a band of ten years of age are kept", texts["claim_2024.md"]) == {11}
    told = (
        "train: sex not known; age not known. validation: sex kept, but not shown; age not known. "
        f"test: sex Female 8, Male 7; age 40-49 9, 90+ 6. {HIDDEN[:1].upper()}{HIDDEN[1:]}."
    )
    assert items_with(told, texts["claim_2024.md"]) == {36}
    silent = written(evaluated(tmp_path))["claim_2024.md"]
    assert items_with("age, sex and findings: the dataset keeps neither age nor sex of anyone", silent) == {36}
    assert items_with("Of the headers", silent) == set()


def test_figures_are_those_of_metrics_json(documents):
    experiment, texts = documents
    found = read_json(experiment.evaluation_directory / "metrics.json")
    area = found["rows"][-1]["metrics"]["roc_auc"]
    told = f"{area['value']:.3f} ({area['low']:.3f} to {area['high']:.3f})"
    for name in ("model_card.json", "model_card.md", "claim_2024.md"):
        assert told in texts[name], name
    assert "vgg: plain_cnn, 1,234 parameters, weight 0.333" in texts["model_card.json"]


def test_the_card_tells_what_a_member_was_trained_with_and_answers_by(tmp_path):
    experiment = evaluated(tmp_path)
    trained = experiment.members["only"].model_copy(update={"ema": 0.9, "test_time": ("horizontal_flip",)})
    text = written(experiment.model_copy(update={"members": {"only": trained}}))["model_card.md"]
    assert "weights averaged (0.9)" in text
    assert "mean over horizontal flip at test time" in text


def test_few_patients_carry_a_caution_everywhere(documents):
    _, texts = documents
    for name in ("model_card.json", "model_card.md", "claim_2024.md"):
        assert "There are only 15 test patients, fewer than 50" in texts[name], name


@pytest.mark.parametrize(("patients", "told"), [(1, "is only 1 test patient:"), (9, "too few"), (10, "fewer than 50")])
def test_what_is_told_of_few_patients(patients, told):
    assert told in caution(patients)
    assert caution(ENOUGH) == ""
    assert caution(ENOUGH - 1)


def test_an_interval_of_no_width_is_told_as_one():
    certain, wide, lacking = (SimpleNamespace(low=low, high=high) for low, high in ((1, 1), (0.9, 1), (None, None)))
    assert caution_of_width([wide, certain]) == NO_WIDTH
    assert caution_of_width([wide, lacking, SimpleNamespace(low=np.nan, high=np.nan)]) == ""


def items_with(sentence, checklist):
    items = dict(re.findall(r"^- \[.\] \*\*(\d+)\. .*?\*\* (.*)$", checklist, flags=re.MULTILINE))
    return {int(item) for item, told in items.items() if sentence in told}


@pytest.mark.usefixtures("figures_without_pixels")
def test_documents_and_report_say_what_an_interval_of_no_width_is_worth(documents):
    """No member calls a healthy disc degenerated: every resample has a specificity of 1."""
    experiment, texts = documents
    found = read_json(experiment.evaluation_directory / "metrics.json")["rows"][-1]["metrics"]["specificity"]
    assert (found["value"], found["low"], found["high"]) == (1, 1, 1)
    assert items_with("specificity 1.000 (1.000 to 1.000)", texts["claim_2024.md"]) == {37, 38}
    assert items_with(NO_WIDTH, texts["claim_2024.md"]) == {37, 38}
    assert NO_WIDTH in texts["model_card.json"]
    assert NO_WIDTH in texts["model_card.md"]
    assert NO_WIDTH in leaderboard_table(ExperimentRun(experiment).evaluation()).caption
    assert NO_WIDTH in report.run(experiment)[0].read_text()


def test_where_all_intervals_have_a_width_nothing_is_said_of_it(tmp_path):
    experiment = evaluated(tmp_path, members=("a", "b"), noise=(3.0,))
    assert ExperimentRun(experiment).evaluation().caution_of_width == ""
    assert not [name for name, text in written(experiment).items() if NO_WIDTH in text]


@pytest.mark.parametrize(("patients", "narrower"), [(50, 3), (20, 9), (10, 18)])
def test_how_much_too_narrow_intervals_are(patients, narrower):
    """In per cent, as the docs say: against Student's, with the variance divided by n rather than n - 1."""
    width = np.sqrt((patients - 1) / patients) * norm.ppf(0.975) / t.ppf(0.975, patients - 1)
    assert round(100 * (1 - width)) == narrower
    page = (Path(__file__).parents[3] / "docs" / "documents.md").read_text()
    assert re.search(rf"{narrower} % at {patients}\b", page)


def test_nobody_and_no_place_of_this_machine_is_named(documents):
    experiment, texts = documents
    manifest = Manifest.read(experiment.data)
    names = {*manifest.images["patient"], *manifest.images["sample"], str(experiment.data), str(experiment.runs)}
    for name, text in texts.items():
        assert not [one for one in names if one in text], name


def test_the_checklist_has_each_item_once(documents):
    _, texts = documents
    lines = re.findall(r"^- \[([ x])\] \*\*(\d+)\. .*?\*\* (.*)$", texts["claim_2024.md"], flags=re.MULTILINE)
    assert [int(number) for _, number, _ in lines] == list(range(1, 45))
    assert [number for items in ITEMS.values() for number in items] == list(range(1, 45))
    assert set(ANSWERS) <= set(range(1, 45))
    ticked = [text for mark, _, text in lines if mark == "x"]
    assert f"answer {len(ticked)} whole" in texts["claim_2024.md"]
    assert len(ticked) > 8
    assert all(re.search(r"\(`[^`]+`", text) for text in ticked)
    assert not [text for text in ticked if "To be written" in text]
    blank = {int(number) for mark, number, text in lines if text == "*To be written by the authors.*"}
    assert {2, 4, 5, 6, 15, 18, 34, 41, 44} <= blank


def test_headings_of_the_report_that_are_named_are_there(documents):
    _, texts = documents
    named = set(re.findall(r"`report\.html, ([^`]+)`", texts["claim_2024.md"]))
    assert {"Leaderboard", "Weights", "Training", "Worst cases", "What each member adds"} <= named
    assert not [heading for heading in named if f"<h2>{heading}</h2>" not in "".join(templates().values())]


def test_what_people_say_fills_their_blanks(tmp_path):
    about = {"link": "https://example.org/m", "authors": ["A. Bee"], "funding": "None.", "license": "CC0"}
    experiment = write_experiment(tmp_path, members=("only",), about=about, **FAST)
    evaluate.run(experiment)
    texts = written(experiment)
    assert_valid(experiment.directory)
    model = json.loads(texts["model_card.json"])["Model"]
    assert (model["Link"], model["Descriptors"]["Authors"]) == ("https://example.org/m", [{"Name": "A. Bee"}])
    assert model["Descriptors"]["License"] == {"Text": "CC0"}
    assert re.search(r"- \[x\] \*\*44\. .*\*\* None\. \(`experiment.yaml, about`\)", texts["claim_2024.md"])
    assert "One member, no ensemble." in texts["model_card.md"]


SCHEME = (
    "Patients were drawn into train 50 %, validation 20 %, test 30 % at random (seed 7), stratified by degeneration: "
    "of 500 draws the one that comes nearest to these shares of patients, of images and of each value of degeneration."
)


def record_the_build(root, **config):
    """What a build leaves beside and in its dataset."""
    splits = {"train": 0.5, "validation": 0.2, "test": 0.3, "stratify": "degeneration", "seed": 7, "folds": None}
    (root / "build.json").write_text("{}")
    beside = root.with_name(f"{root.name}.build")
    beside.mkdir()
    (beside / "config.yaml").write_text(yaml.safe_dump({"name": root.name, "splits": splits, **config}))


def test_it_is_told_how_patients_were_assigned_where_the_build_has_told_it(tmp_path):
    experiment = evaluated(tmp_path)
    unknown = written(experiment)
    asked = "To be written by the authors: by which rule patients were assigned"
    assert items_with(asked, unknown["claim_2024.md"]) == {19}
    assert "By which rule they were assigned is not recorded beside the dataset." in unknown["dataset_card.json"]
    record_the_build(experiment.data)
    texts = written(experiment)
    assert items_with(SCHEME, texts["claim_2024.md"]) == {19}
    assert items_with(asked, texts["claim_2024.md"]) == set()
    scheme = json.loads(texts["dataset_card.json"])["Dataset"]["Dataset properties"]["Partitioning scheme"]
    assert scheme == f"Patients are split, not images. No patient is in two splits. {SCHEME}"


def test_what_a_build_did_not_take_is_told(tmp_path):
    experiment = evaluated(tmp_path)
    record_the_build(experiment.data, crop={"label": "disc", "require": "grade"})
    problems = [Problem("a.png", "is cut", "copy it again"), Problem("b.png", "is doubtful", "look at it", "warning")]
    problems.append(Problem("c.png", "is empty", "leave it out"))
    write_problems(problems, records_of(experiment.data) / "problems.csv")
    texts = written(experiment)
    told = "Boxes without a value of grade were not cropped, and are not counted. 2 files or annotations of the sources"
    assert told in texts["dataset_card.json"]
    assert items_with(told, texts["claim_2024.md"]) == {12}


def test_a_model_of_crops_is_told_to_want_crops(tmp_path):
    experiment = evaluated(tmp_path)
    told = "It learned from crops (boxes of the label disc): send whole pictures with their boxes to the signature re"
    facts = Facts(run := ExperimentRun(experiment), run.evaluation())
    assert crops_wanted(facts) == ""
    record_the_build(experiment.data, crop={"label": "disc"})
    images = pd.read_csv(experiment.data / "images.csv", dtype=str, keep_default_na=False)
    images.assign(parent=[f"whole{n}" for n in range(len(images))]).to_csv(experiment.data / "images.csv", index=False)
    facts = Facts(run := ExperimentRun(experiment), run.evaluation())
    assert crops_wanted(facts).startswith(told)


def test_the_folds_of_an_experiment_are_told(tmp_path):
    experiment = write_experiment(tmp_path, members=("only",), **FAST)
    folded = experiment.model_copy(update={"folds": 5, "seed": 3, "stop_on": "inner"})
    facts = Facts(ExperimentRun(folded), None)
    assert splitting(facts, facts.data).endswith(
        "Train and validation are used together in 5 folds, disjoint by patient, drawn at random (seed 3), stratified "
        "by truth; training stops on patients within the others."
    )


def test_generated_images_are_of_no_patient(tmp_path):
    experiment = write_experiment(tmp_path, members=("only",), **FAST)
    half = {patient: "mine" if patient.startswith("test") else "drawn" for patient in patients_of(experiment.data)}
    tell_of_patients(experiment.data, source=half)
    sources = [{"name": "mine", "images": "scans"}, {"name": "drawn", "images": "phantom/studies"}]
    record_the_build(experiment.data, phantom={"directory": "phantom"}, sources=sources)
    facts = Facts(ExperimentRun(experiment), None)
    origin = "The images of the source drawn are generated (phantom studies), and of no patient."
    assert (facts.data.origin, facts.data.are_generated) == (origin, False)
    properties = dataset_properties(facts, facts.data, is_own=True)
    assert properties["Confidentiality"].startswith(f"{origin} Of the others: whether these are images of people")
    assert properties["Re-identification"].startswith(origin)
    tell_of_patients(experiment.data, source=dict.fromkeys(half, "drawn"))
    evaluate.run(experiment)
    texts = written(experiment)
    origin = "All images are generated (phantom studies), and of no patient."
    told = json.loads(texts["dataset_card.json"])["Dataset"]
    assert told["Descriptors"]["Comments"].startswith(origin)
    properties = told["Dataset properties"]
    assert (
        properties["Confidentiality"] == f"{origin} They are not images of people, and nothing in them is confidential."
    )
    assert properties["Re-identification"] == f"{origin} There is nobody to recognise."
    assert properties["Sensitive data"] == "None: findings are made up with the images."
    assert items_with(origin, texts["claim_2024.md"]) == {7, 11, 40}
    assert f"{origin} The figures say nothing of people." in texts["model_card.json"]
    assert_valid(experiment.directory)


def patients_of(root):
    return Manifest.read(root).images["patient"]


def test_only_boxes_that_something_is_made_of_are_missed(tmp_path):
    """One stray vertebra on a crop of a disc: no split lacks what nothing is made of."""
    experiment = write_experiment(tmp_path, members=("only",), **FAST)
    samples = Manifest.read(experiment.data).splits.drop_duplicates("split")["sample"]
    rows = [f"{sample},{number},disc,0,0,9,9,\n" for number, sample in enumerate(samples)]
    rows.append(f"{samples.iloc[0]},9,vertebra,0,0,9,9,\n")
    (experiment.data / "boxes.csv").write_text("sample,box,label,x0,y0,x1,y1,level\n" + "".join(rows))
    name = "labels of boxes that a split lacks"
    assert Facts(ExperimentRun(experiment), None).data.findings[name] == 2
    record_the_build(experiment.data, crop={"label": "disc"})
    assert Facts(ExperimentRun(experiment), None).data.findings[name] == 0
    asked = DataFacts("boxes", Manifest.read(experiment.data), boxes=("disc", "vertebra"))
    assert asked.findings[name] == 2


def test_the_start_and_the_training_of_members_are_told(documents):
    _, texts = documents
    started = "vgg: random numbers; dense: random numbers; squeeze: random numbers. Random numbers are drawn by the "
    assert items_with(f"Weights at the start: {started}experiment's seed, 0, and", texts["claim_2024.md"]) == {24}
    trained = (
        "vgg: loss cross-entropy, optimizer adam, learning rate 0.001, at most 35 epochs, batch 5, schedule constant, "
        "patience 10, no augmentation; dense: loss"
    )
    assert items_with(trained, texts["claim_2024.md"]) == {25}


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ("none", "random numbers"),
        ("imagenet", "ImageNet, its other layers random numbers"),
        ("/home/me/vgg16.h5", "vgg16.h5, its other layers random numbers"),
        ("runs/first/members/vgg", "first/vgg, its other layers random numbers"),
    ],
)
def test_where_weights_come_from(weights, told):
    for key in ("weights", "encoder_weights", "backbone_weights"):
        assert initial_weights({key: weights}) == told


def test_settings_of_a_training_in_words():
    tuned = {"epochs": 35, "learning_rate": 1e-4, "unfreeze": 0.3}
    augmentation = {"rotation": [-10.0, 10.0], "zoom": [0.0, 0.0], "noise": 0.03, "fill": "constant"}
    settings = {"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.001, "epochs": 20, "batch": 8, "warmup": 0.0}
    told = training("classification", {**settings, "weights": "imagenet", "fine_tuning": tuned})
    assert told == (
        "loss cross-entropy, optimizer sgd, momentum 0.9, learning rate 0.001, at most 20 epochs, the base frozen, "
        "then fine tuning of it (epochs 35, learning rate 0.0001, unfreeze 0.3), batch 8, no augmentation"
    )
    segmenter = {"loss": "dice + 1.0 * focal", "class_weights": {"disc": 2.0}, "augmentation": augmentation}
    assert training("segmentation", {**settings, **segmenter, "encoder_weights": "none"}) == (
        "loss dice + 1.0 * focal, optimizer sgd, momentum 0.9, learning rate 0.001, at most 20 epochs, batch 8, class "
        "weights disc 2, augmentation: rotation -10 to 10 degrees, noise 0.03, fill constant"
    )
    assert training("detection", {"foreign": "elsewhere"}) == ""
    measured = {"network": "measurements", "model": "gradient_boosting", "trees": 300, "shrinkage": 0.03}
    assert training("classification", measured) == "model gradient boosting, trees 300, shrinkage 0.03"


def test_labels_are_text_in_markdown(tmp_path):
    experiment = write_experiment(tmp_path, members=("only",), labels=("<b>|*", "a`[x](y)"), **FAST)
    evaluate.run(experiment)
    texts = written(experiment)
    assert_valid(experiment.directory)
    for name in ("model_card.md", "dataset_card.md", "claim_2024.md"):
        assert "<b>" not in texts[name]
        assert "[x](y)" not in texts[name]
    assert r"&lt;b&gt;\|\*" in texts["dataset_card.md"]


def test_a_foreign_member_is_told_as_what_it_is(tmp_path):
    experiment = write_experiment(tmp_path, members=("own", "theirs"), **FAST)
    member = Member.open(experiment.member_directory("theirs"))
    card = Card(**member.card.model_dump(include={"name", "task", "labels", "model_hash"}), kind="foreign")
    Member.publish(member.path, card.model_copy(update={"patients": Patients()}))
    evaluate.run(experiment)
    texts = written(experiment)
    assert_valid(experiment.directory)
    assert "theirs: trained elsewhere, its network is not told, weight 0.500" in texts["model_card.md"]
    assert "theirs: names no patients that it learned from" in texts["model_card.md"]
    assert "It is not known of theirs." in texts["claim_2024.md"]


def test_documents_that_did_not_change_are_left(documents):
    experiment, _ = documents
    before = {name: (experiment.directory / name).stat().st_mtime_ns for name in FILES}
    written(experiment)
    assert before == {name: (experiment.directory / name).stat().st_mtime_ns for name in FILES}
    assert set(DOCUMENTS) <= set(FILES)
