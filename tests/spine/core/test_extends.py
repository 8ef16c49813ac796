"""A file that extends another is as one file of both, its own keys win: mappings of an experiment merge at every depth,
keys of a data config are replaced whole.
"""

import re
from pathlib import Path

import pytest
import yaml

from pipeline.experiments import load_experiment, load_experiments
from spine.core.problems import SpineError
from spine.experiment.loading import read_settings
from spine.intake import load_data_config

BASE = """
name: base
task: classification
data: data/small
target: degeneration
labels: [normal, degenerated]
shared: {epochs: 2, batch: 4}
members:
  one: {network: plain_cnn, weights: none, head: {dropout: 0.4, dense: [64]}}
  two: {network: plain_cnn, weights: none, epochs: 3}
search: {metric: roc_auc, step: 0.1}
export: {name: discs}
"""


@pytest.fixture
def base(tmp_path) -> Path:
    path = tmp_path / "base.yaml"
    path.write_text(BASE)
    return path


def variant(base: Path, text: str, name: str = "variant.yaml") -> Path:
    path = base.parent / name
    path.write_text(text)
    return path


def test_a_variant_is_a_few_lines(base):
    folds = load_experiment(variant(base, "extends: base.yaml\nname: folds\nfolds: 5\nserved: mean\n"))
    whole = load_experiment(base)
    assert (folds.name, folds.folds, folds.served, folds.search) == ("folds", 5, "mean", whole.search)
    assert folds.members == whole.members
    assert folds.member_hash("two", "data", "splits") == whole.member_hash("two", "data", "splits")


def test_mappings_merge_at_every_depth_and_all_else_is_replaced(base):
    own = """
    extends: base.yaml
    name: other
    labels: [none, some]
    shared: {batch: 8}
    members: {one: {head: {dropout: 0.2}}, three: {network: plain_cnn, weights: none}, two: null}
    """
    read = read_settings(variant(base, own))
    assert read["labels"] == ["none", "some"]
    assert read["shared"] == {"epochs": 2, "batch": 8}
    assert list(read["members"]) == ["one", "three"]  # a member that is null is left out
    assert read["members"]["one"] == {
        "network": "plain_cnn",
        "weights": "none",
        "head": {"dropout": 0.2, "dense": [64]},
    }
    assert "extends" not in read


def test_the_nearest_file_wins_over_those_further_away_whatever_their_folder(base):
    (base.parent / "below").mkdir()
    variant(base, "extends: ../base.yaml\nname: middle\nseed: 3\njobs: 2\n", "below/middle.yaml")
    experiment = load_experiment(variant(base, "extends: below/middle.yaml\nname: last\nseed: 4\n"), ["jobs=7"])
    assert (experiment.name, experiment.seed, experiment.jobs) == ("last", 4, 7)  # a word on the command line wins
    assert experiment.members["two"].epochs == 3


def test_the_resolved_copy_needs_no_other_file(base, tmp_path):
    experiment = load_experiment(variant(base, "extends: base.yaml\nname: folds\nfolds: 5\n"))
    written = experiment.write(tmp_path / "elsewhere" / "resolved.yaml")
    assert "extends" not in yaml.safe_load(written.read_text())
    base.unlink()
    assert load_experiment(written).members == experiment.members


def test_a_run_s_name_is_not_inherited(base):
    path = variant(base, "extends: base.yaml\nfolds: 5\n")
    with pytest.raises(SpineError, match=r"variant.yaml \(extends \S+base.yaml\) is not valid:\n  name: is required"):
        load_experiment(path)
    assert load_experiment(path, ["name=given"]).folds == 5


def test_a_word_on_the_command_line_does_not_extend(base):
    with pytest.raises(SpineError, match=r"extends: only an experiment file extends another; .* received 'other.yaml'"):
        load_experiment(base, ["extends=other.yaml"])


def test_a_study_may_run_variants(base):
    file = variant(base, "extends: base.yaml\nname: folds\nfolds: 5\n")
    suite = variant(base, f"experiments: [{base}, {file}]\n", "suite.yaml")
    assert [experiment.folds for experiment in load_experiments(suite)] == [0, 5]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "extends: none.yaml\nname: a\n",
            r"none\.yaml is not a file; \S+variant\.yaml extends none\.yaml, which is relative",
        ),
        ("extends: variant.yaml\nname: a\n", r"goes in a circle, \S+variant\.yaml to \S+variant\.yaml; remove one"),
        ("extends: again.yaml\nname: a\n", r"circle, \S+variant\.yaml to \S+again\.yaml to \S+variant\.yaml"),
        ("extends: [base.yaml]\nname: a\n", r"extends is \['base\.yaml'\]; give the path of one file of the same kind"),
        ("extends:\nname: a\n", r"extends is None; give the path"),
        ("extends: base.yaml\nname: a\nseeed: 3\n", r"variant\.yaml.* is not valid:\n  seeed: unknown key"),
        ("extend: base.yaml\nname: a\n", r"extend: unknown key; the known ones are .* Did you mean 'extends'\?"),
        ("extends: damaged.yaml\nname: a\n", r"variant\.yaml: \S+damaged\.yaml is not valid YAML: line 1"),
        ("extends: twice.yaml\nname: a\n", r"variant\.yaml: \S+twice\.yaml is not valid YAML: .*'seed' is given again"),
        ("extends: data.yaml\nname: a\n", r"variant\.yaml: \S+data\.yaml is a data config"),
        ("extends: suite.yaml\nname: a\n", r"variant\.yaml: \S+suite\.yaml is a suite"),
        ("extends: base.yaml\nname: a\nmembers: {one: {<<: *one}}\n", r"variant\.yaml is not valid YAML.*alias 'one'"),
    ],
)
def test_what_cannot_be_extended_is_told_with_both_files(base, text, words):
    others = {
        "again.yaml": "extends: ./variant.yaml\n",
        "damaged.yaml": "seed: [",
        "twice.yaml": "seed: 1\nseed: 2\n",
        "data.yaml": "output: out\nsources: []\n",
        "suite.yaml": "experiments: [base.yaml]\n",
    }
    for name, other in others.items():
        variant(base, other, name)
    with pytest.raises(SpineError, match=re.compile(words)):
        load_experiment(variant(base, text))


def test_a_variant_given_as_a_data_config_is_told_apart(base):
    with pytest.raises(
        SpineError, match=r"base.yaml is an experiment or a suite .*\(it has `members`\), not a data config"
    ):
        load_data_config(variant(base, "extends: base.yaml\nname: a\n"))


DATA = """
name: discs
output: data/discs
sources: [{name: hospital, images: pictures}]
targets: {ill: {of: grade, at_least: 4}}
crop: {label: disc, grow: 0.1, require: ill}
splits: {train: 0.5, validation: 0.2, test: 0.3, stratify: ill}
"""


@pytest.fixture
def discs(tmp_path) -> Path:
    path = tmp_path / "discs.yaml"
    path.write_text(DATA)
    return path


def test_a_data_config_takes_each_key_whole_or_leaves_it(discs):
    whole = load_data_config(discs)
    folds = "extends: discs.yaml\nname: folds\noutput: data/folds\nsplits: {like: data/discs, folds: 3}\n"
    read = load_data_config(variant(discs, folds, "folds.yaml"))
    assert (read.name, read.output) == ("folds", Path("data/folds"))
    assert (read.splits.like, read.splits.folds, read.splits.stratify) == (Path("data/discs"), 3, "")
    assert (read.sources, read.targets, read.crop) == (whole.sources, whole.targets, whole.crop)
    again = "extends: folds.yaml\nname: again\noutput: data/again\ncrop: null\ntargets: null\nsplits: {folds: 2}\n"
    last = load_data_config(variant(discs, again))
    assert (last.crop, last.targets, last.splits.folds, last.splits.like) == (None, {}, 2, None)
    assert last.sources == whole.sources


def test_a_variant_is_built_as_the_file_of_both_would_be(discs):
    plain = DATA.replace("name: discs", "name: other").replace("data/discs", "data/other")
    other = variant(discs, plain, "other.yaml")
    assert load_data_config(
        variant(discs, "extends: discs.yaml\nname: other\noutput: data/other\n")
    ) == load_data_config(other)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "extends: discs.yaml\n",
            r"variant.yaml \(extends \S+discs.yaml\) is not valid:\n  name: is required(.|\n)*output: is",
        ),
        ("extends: discs.yaml\nname: a\noutput: b\nsplitz: {}\n", r"splitz: unknown key"),
        ("extends: base.yaml\nname: a\noutput: b\n", r"base.yaml is an experiment or a suite"),
        ("extends: variant.yaml\nname: a\noutput: b\n", r"goes in a circle"),
        ("extends: 3\nname: a\noutput: b\n", r"extends is 3; give the path of one file of the same kind"),
    ],
)
def test_what_a_data_config_cannot_extend_is_told(base, discs, text, words):
    with pytest.raises(SpineError, match=re.compile(words)):
        load_data_config(variant(discs, text))
