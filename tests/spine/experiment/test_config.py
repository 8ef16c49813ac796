import re
from pathlib import Path

import pytest
import yaml

from pipeline.experiments import load_experiment, load_experiments, load_other_datasets
from spine.core.problems import SpineError
from spine.core.strict import without_password
from spine.core.yaml_files import read_yaml
from spine.experiment.config import Experiment
from spine.experiment.stages import steps_of
from spine.intake import load_data_config

SMALL = """
name: small
task: classification
data: data/small
target: degeneration
labels: [normal, degenerated]
shared: {epochs: 2}
members:
  one: {network: plain_cnn, weights: none}
  two: {network: plain_cnn, weights: none, epochs: 3}
"""


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


def test_members_start_from_shared_settings(file):
    members = load_experiment(file).members
    assert (members["one"].epochs, members["two"].epochs) == (2, 3)


def test_a_member_is_left_out_on_the_command_line_as_by_a_variant(file, tmp_path):
    assert list(load_experiment(file, ["members.two=null"]).members) == ["one"]
    variant = tmp_path / "variant.yaml"
    variant.write_text("{extends: small.yaml, name: variant, members: {two: null}}")
    assert load_experiment(variant).members == load_experiment(file, ["members.two=null"]).members
    variant.write_text("{extends: small.yaml, name: variant, members: {tw: null}}")
    with pytest.raises(SpineError, match=r"members.tw is null, which leaves it out: no member .*Did you mean 'two'"):
        load_experiment(variant)
    with pytest.raises(SpineError, match="no member has that name; the members are one"):
        load_experiment(file, ["members.two=null", "members.two.epochs=1"])
    with pytest.raises(SpineError, match="members is empty; name at least one"):
        load_experiment(file, ["members.two=null", "members.one=null"])


def test_a_variant_switches_rules_for_pieces_off(tmp_path):
    unet = {"encoder": "resnet18", "encoder_weights": "none"}
    of_masks = {"task": "segmentation", "labels": ["background", "disc", "canal"], "members": {"unet": unet}}
    rules = {"largest_components": {"disc": 1}, "smallest_area": {"disc": 0.1}, "one_label": [["disc", "canal"]]}
    base = {"name": "base", "data": "data/small", **of_masks, "postprocess": rules}
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(base))
    by_label = {"largest_components": {"disc": None}, "smallest_area": {"disc": None}, "one_label": None}
    for off in (dict.fromkeys(rules), by_label):
        variant = tmp_path / "variant.yaml"
        variant.write_text(yaml.safe_dump({"extends": "base.yaml", "name": "variant", "postprocess": off}))
        assert load_experiment(variant).postprocess.asks_for_nothing


@pytest.mark.parametrize("section", Experiment.sections())
def test_a_section_that_is_null_has_its_defaults(file, section):
    settings = load_experiment(file, [f"{section}=null"])
    assert getattr(settings, section) == Experiment.sections()[section]()


def test_overrides_reach_nested_settings(file):
    experiment = load_experiment(file, ["search.step=0.05", "shared.epochs=7", "members.two.epochs=9", "seed=4"])
    assert experiment.search.step == 0.05
    assert (experiment.members["one"].epochs, experiment.members["two"].epochs) == (7, 9)
    assert experiment.seed == 4


def test_shared_values_that_every_member_replaces_have_to_hold_too(file):
    own = ["members.one.network=vgg16", "members.two.network=squeezenet"]
    with pytest.raises(SpineError, match=r"shared is not valid:\n  network: .*'vgg61' is not known"):
        load_experiment(file, [*own, "shared.network=vgg61"])
    with pytest.raises(SpineError, match=r"shared is not valid:\n  epoch: unknown key; .* Did you mean 'epochs'"):
        load_experiment(file, ["shared.epoch=3"])
    # Whether they would fit together is not asked: no member has them.
    load_experiment(file, ["members.one.alpha=1", "members.two.alpha=1", "shared.alpha=0.5"])


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("search.stp=0.1", ["search.stp", "unknown key", "step", "metric"]),
        ("members.one.netwrk=vgg16", ["netwrk", "unknown key", "network"]),
        ("search.step=2", ["search.step", "received 2"]),
        ("task=sorting", ["sorting", "classification"]),
        ("labels=[a]", ["labels", "two or more"]),
        ("search.step", ["key=value"]),
        ("name.first=3", ["name", "no group of settings"]),
        ("members={}", ["not valid:\n  members is empty; name at least one"]),
        ("members.towo.epochs=1", ["no member", "one, two. Did you mean 'two'?"]),
        ("search.metric=roc_acu", ["roc_acu", "Did you mean 'roc_auc'?"]),
        ("search.step=0.3", ["search.step", "does not divide 1"]),
        (
            "search.storage=mysql://me:secret@host/base",
            ["begins with sqlite:///, journal:///", "received 'mysql://me:***@"],
        ),
        ("search.storage=journal://study.log", ["search.storage", "journal:///"]),
        ("search.step=[1", ["search.step=[1", "'[1' is not a YAML value"]),
    ],
)
def test_a_wrong_setting_is_named_with_what_holds(file, override, words):
    with pytest.raises(SpineError) as error:
        load_experiment(file, [override])
    for word in words:
        assert word in str(error.value)
    assert "Value error" not in str(error.value)
    assert "secret" not in str(error.value)
    assert len(str(error.value)) < 700, "a message is no dump of the file"


def test_one_label_is_enough_for_boxes(file):
    boxes = ["task=detection", "labels=[disc]", "shared={}", "members={only: {}}"]
    assert load_experiment(file, [*boxes, "search.metric=map50"]).labels == ("disc",)
    with pytest.raises(SpineError, match=r"labels is \[\]; name the one or more different classes that boxes have"):
        load_experiment(file, [*boxes, "labels=[]"])
    with pytest.raises(SpineError, match=r"search.metric is 'accuracy'; for detection it is one of map50, map75"):
        load_experiment(file, [*boxes, "search.metric=accuracy"])
    with pytest.raises(SpineError, match=r"search.metric 'recall' is best at the .* for detection use one of map50"):
        load_experiment(file, [*boxes, "search.metric=recall"])


def test_resolved_copy_loads_to_an_equal_experiment(file, tmp_path):
    experiment = load_experiment(file, ["search.step=0.2"])
    written = experiment.write(tmp_path / "resolved.yaml")
    again, before = load_experiment(written), written.stat()
    assert experiment.write(written).stat().st_ino == before.st_ino  # the same content is not written again
    assert experiment.model_copy(update={"seed": 99}).write(written).stat().st_ino != before.st_ino
    assert again.members == experiment.members
    assert again.model_dump(exclude={"shared", "members"}) == experiment.model_dump(exclude={"shared", "members"})


def test_environment_fills_text_in(tmp_path, monkeypatch):
    path = tmp_path / "x.yaml"
    path.write_text("a: ${SPINE_TEST_A}/b\nc: ${SPINE_TEST_NONE:-../d}/e\n")
    monkeypatch.setenv("SPINE_TEST_A", "there")
    assert read_yaml(path) == {"a": "there/b", "c": "../d/e"}
    monkeypatch.delenv("SPINE_TEST_A")
    with pytest.raises(SpineError, match="SPINE_TEST_A"):
        read_yaml(path)


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n", "a: !!python/object/apply:os.getcwd []\n"])
def test_what_is_not_a_safe_yaml_mapping_is_refused(tmp_path, text):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(SpineError, match=r"x\.yaml"):
        read_yaml(path)


def test_a_missing_file_is_named():
    with pytest.raises(SpineError, match=r"nowhere\.yaml"):
        load_experiment("nowhere.yaml")


def test_member_hash_follows_settings_data_and_splits(file):
    experiment = load_experiment(file)
    first = experiment.member_hash("one", "data", "splits")
    assert first == load_experiment(file).member_hash("one", "data", "splits")
    others = {
        experiment.member_hash("two", "data", "splits"),
        experiment.member_hash("one", "other", "splits"),
        experiment.member_hash("one", "data", "other"),
        load_experiment(file, ["seed=1"]).member_hash("one", "data", "splits"),
    }
    assert first not in others
    assert len(others) == 4


def test_written_yaml_is_plain(file, tmp_path):
    written = load_experiment(file).write(tmp_path / "resolved.yaml")
    assert yaml.safe_load(written.read_text())["members"]["one"]["network"] == "plain_cnn"


def test_a_suite_is_its_experiments_each_with_the_overrides(file, tmp_path):
    suite = tmp_path / "suite.yaml"
    suite.write_text(f"experiments: [{file}, {file}]\n")
    experiments = load_experiments(suite, ["seed=5"])
    assert [(experiment.name, experiment.seed) for experiment in experiments] == [("small", 5), ("small", 5)]
    assert load_experiments(file) == (load_experiment(file),)


def test_experiments_of_a_suite_do_not_write_over_each_other(file, tmp_path):
    (tmp_path / "other.yaml").write_text(f"extends: {file}\nname: other\nseed: 7\n")
    suite = tmp_path / "suite.yaml"
    suite.write_text(f"experiments: [{file}, {tmp_path / 'other.yaml'}]\n")
    assert [one.name for one in load_experiments(suite)] == ["small", "other"]
    with pytest.raises(SpineError, match=r"suite.yaml: two experiments .* write to runs/clash; give each a `name`"):
        load_experiments(suite, ["name=clash"])


def test_where_one_experiment_is_asked_for_a_suite_names_its_own(file, tmp_path):
    suite = tmp_path / "suite.yaml"
    suite.write_text(f"experiments: [{file}, b.yaml]\n")
    with pytest.raises(SpineError, match=rf"is a suite .* give the file of one of them here: {file}, b.yaml"):
        load_experiment(suite)


def test_where_an_experiment_is_asked_for_a_case_is_told(tmp_path):
    (tmp_path / "case.yaml").write_text("name: lumbar\ndetector: discs.yaml\n")
    with pytest.raises(SpineError, match=r"case\.yaml is a case .* export it with `spine export"):
        load_experiment(tmp_path / "case.yaml")


def test_a_suite_has_no_other_keys(tmp_path):
    suite = tmp_path / "suite.yaml"
    suite.write_text("experiments: [a.yaml]\nseed: 1\n")
    with pytest.raises(SpineError, match="seed: unknown key"):
        load_experiments(suite)


def test_a_storage_s_password_is_not_written(file, tmp_path):
    experiment = load_experiment(file, ["search.storage=postgresql://me:secret@127.0.0.1/studies"])
    assert experiment.search.storage.endswith("me:secret@127.0.0.1/studies")
    written = experiment.write(tmp_path / "resolved.yaml").read_text()
    assert "secret" not in written
    assert "postgresql://me:***@127.0.0.1/studies" in written


@pytest.mark.parametrize(("step", "steps"), [(1, 1), (0.5, 2), (0.1, 10), (0.05, 20), (1 / 3, 3), (0.01, 100)])
def test_steps_of(step, steps):
    assert steps_of(step) == steps


@pytest.mark.parametrize("step", [0.3, 0.15, 0, -0.1, 2, float("nan")])
def test_a_step_that_does_not_divide_one_is_refused(step):
    with pytest.raises(ValueError, match="does not divide 1"):
        steps_of(step)


def test_a_step_finer_than_weights_need_is_refused():
    assert steps_of(1e-4) == 10_000
    with pytest.raises(ValueError, match=r"finer than 0\.0001; use that, or method 'line'"):
        steps_of(1e-9)


def test_a_data_config_given_as_an_experiment_is_told_apart(tmp_path):
    path = tmp_path / "data.yaml"
    path.write_text("name: a\noutput: out\nsources: []\n")
    with pytest.raises(SpineError, match=r"data.yaml is a data config.*spine data build \S+data.yaml"):
        load_experiments(path)


def test_an_experiment_given_as_a_data_config_is_told_apart(file):
    with pytest.raises(
        SpineError, match=r"is an experiment or a suite \(it has `members`\), not a data config; run it with `spine run"
    ):
        load_data_config(file)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("sqlite:///a/b.db", "sqlite:///a/b.db"),
        ("mysql://me:secret@host/x cannot be opened", "mysql://me:***@host/x cannot be opened"),
        ("redis://:secret@host", "redis://:***@host"),
        (
            "postgresql+psycopg://me@host/x, told at 12:30 to a@b",
            "postgresql+psycopg://me@host/x, told at 12:30 to a@b",
        ),
    ],
)
def test_passwords_are_not_written(text, written):
    assert without_password(text) == written


def test_a_study_may_judge_an_experiment_on_another_dataset_too(file, tmp_path):
    suite = tmp_path / "suite.yaml"
    suite.write_text(f"experiments: [{file}]\nalso: [{{experiment: {file}, build: crops.yaml}}]\n")
    ((experiment, config),) = load_other_datasets(suite, ["seed=5"])
    assert (experiment.name, experiment.seed, config) == ("small", 5, Path("crops.yaml"))
    assert load_other_datasets(file) == ()


def test_what_does_not_hold_is_told_with_its_file(file, tmp_path):
    for override in ("members.a.batch=0", "task=other", "nothing"):
        with pytest.raises(SpineError, match=f"^{re.escape(str(file))}"):
            load_experiment(file, [override])
    (tmp_path / "suite.yaml").write_text("experiments: [missing.yaml]")
    with pytest.raises(SpineError, match=r"suite\.yaml: missing\.yaml is not a file"):
        load_experiments(tmp_path / "suite.yaml")


@pytest.mark.parametrize(
    ("override", "told"),
    [
        (
            "members.one.deep_supervision=true",
            "one is not valid:\n  deep_supervision: is a setting of segmentation members, not of this task's; leave",
        ),
        ("shared.backbone=resnet50", "shared is not valid:\n  backbone: is a setting of detection members, not"),
        (
            "members.two={network: measurements, segmenter: s, augmentation: {cutmix: 1}}",
            "  augmentation: is a setting of networks that are trained, and the member's network is measurements;",
        ),
        ("members.one.epoch=3", "  epoch: unknown key; the known ones are "),
        (
            "members.two={network: measurements, segmenter: s, tree: 1}",
            "  tree: unknown key; the known ones are network",
        ),
    ],
)
def test_a_key_of_other_members_is_told_to_be_theirs(file, override, told):
    with pytest.raises(SpineError) as error:
        load_experiment(file, [override])
    assert told in str(error.value)
