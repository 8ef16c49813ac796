"""The JSON Schemas that `spine schema` prints take every file in configs/ and refuse what `spine` refuses."""

import json
from functools import cache
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from classification.networks import NETWORKS
from detection.backbones.table import BACKBONES
from pipeline import cli
from pipeline.experiments import validate_experiment
from pipeline.papers.pack import Pack
from pipeline.schema import KINDS, schema_of
from pipeline.schema.sections import SECTIONS, meanings
from segmentation.encoders import ENCODERS
from spine.core.problems import SpineError
from spine.core.strict import validate
from spine.core.yaml_files import parse_yaml, read_yaml
from spine.experiment.config import Experiment
from spine.intake.config import DataConfig
from tests.ensemble import small_evaluation
from tests.found_weights import found_weights

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "configs").rglob("*.yaml"))
EXPERIMENT = """
{name: discs, task: classification, data: data/discs, labels: [good, bad], target: t, members: {a: {network: vgg16}}}
"""
DATA = (
    "{name: d, output: data/d, sources: [{name: s, images: i, annotations: [{format: mask, path: m, labels: [bone]}]}]}"
)


@cache
def validator(kind):
    return jsonschema.Draft7Validator(schema_of(kind))


def wrong(kind, content):
    """What is told of a value as JSON has it, whose keys are text."""
    return [error.message for error in validator(kind).iter_errors(json.loads(json.dumps(content)))]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_schema_of_draft_7_that_json_holds(kind):
    printed = CliRunner().invoke(cli.app, ["schema", kind])
    assert printed.exit_code == 0
    schema = json.loads(printed.stdout, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    jsonschema.Draft7Validator.check_schema(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"


def test_without_a_word_it_is_that_of_experiments():
    assert json.loads(CliRunner().invoke(cli.app, ["schema"]).stdout) == schema_of("experiment")


def test_another_kind_is_refused_with_the_known_ones():
    with pytest.raises(SpineError, match=r"'experimnt' is not known; it is one of experiment, data.*'experiment'\?"):
        schema_of("experimnt")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT / "configs")))
def test_every_shipped_file_is_valid(path):
    kind = {"data": "data", "cases": "case"}.get(path.parent.name, "experiment")
    assert wrong(kind, read_yaml(path)) == []


def test_the_resolved_copy_of_a_run_is_valid(tmp_path):
    experiment = validate_experiment(parse_yaml(EXPERIMENT), "discs")
    assert wrong("experiment", read_yaml(experiment.write(tmp_path / "experiment.yaml"))) == []


def test_a_section_may_be_null():
    file = {**parse_yaml(EXPERIMENT), "extends": "base.yaml", **dict.fromkeys(Experiment.sections())}
    assert wrong("experiment", file) == []


MISTAKES = {  # what a file says -> what the schema tells
    "searhc: {step: 0.1}": "'searhc' was unexpected",
    "search: {stp: 0.1}": "'stp' was unexpected",
    "search: {method: gird}": "'gird' is not one of",
    "search: {metric: map50}": "'map50' is not one of",
    "task: classify": "'classify' is not one of",
    "folds: five": "'five' is not of type 'integer'",
    "folds: -1": "-1 is less than the minimum",
    "labels: [0, 1]": "0 is not of type 'string'",
    "members: {a: {network: vgg61}}": "'vgg61' is not one of",
    "members: {a: {network: vgg16, epoch: 3}}": "'epoch' was unexpected",
    "members: {a: {network: vgg16, epochs: 0}}": "0 is less than the minimum",
    "members: {a: {network: vgg16, encoder: vgg16}}": "'encoder' was unexpected",
    "members: {a: {network: vgg16, head: {dense: 64}}}": "64 is not of type 'array'",
    "members: {a: {network: vgg16, augmentation: mri}}": "'mri' is not",
    "members: {a: {network: vgg16, augmentation: {rotation: [1, 2, 3]}}}": "is not valid under any",
    "members: {a: {network: vgg16, seeds: 0}}": "0 is less than the minimum",
    "members: {a: {network: measurements, segmenter: s, epochs: 3}}": "'epochs' was unexpected",
    "members: {a: {foreign: true, network: vgg16}}": "'network' was unexpected",
    "members: {a b: {network: vgg16}}": "'a b' does not match",
    "shared: {epohcs: 3}": "'epohcs' was unexpected",
    "decide: {coverage: 1.5}": "1.5 is greater than or equal to the maximum",
    "export: {stable: latest}": "'latest' is not valid under any",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_an_experiment_is_told_as_spine_refuses_it(mistake):
    content = {**parse_yaml(EXPERIMENT), **parse_yaml(mistake)}
    with pytest.raises(SpineError):
        validate_experiment(content, "mistake")
    assert any(MISTAKES[mistake] in message for message in wrong("experiment", content)), wrong("experiment", content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("{figurs: []}", "'figurs' was unexpected"),
        ("{paper: sayed2024}", "'sayed2024' is not one of"),
        ("{tables: [{printed: ablation}]}", "'experiment' is a required property"),
        ("{data: {variable: PLID, default: d, holds: {studies: {what: MR, format: dicm}}}}", "is not valid under any"),
        ("{data: {variable: PLID, default: d, holds: {studies: {what: MR, fromat: dicom}}}}", "is not valid under any"),
        ("{bars: [{title: t, printed: ablation, columns: {score: one}}]}", "{'score': 'one'} does not have enough"),
    ],
)
def test_a_mistake_in_a_pack_is_told_as_spine_refuses_it(change, message):
    suite = {"experiments": ["a.yaml"], "pack": {"paper": "sayed2025_plid", "name": "ours"}}
    assert wrong("experiment", suite) == []
    suite["pack"] |= parse_yaml(change)
    assert any(message in told for told in wrong("experiment", suite)), wrong("experiment", suite)
    with pytest.raises(SpineError):
        validate(Pack, suite["pack"], "mistake")


@pytest.mark.parametrize("key", ["name", "task", "data", "labels", "members"])
def test_a_missing_key_is_told(key):
    content = {name: value for name, value in parse_yaml(EXPERIMENT).items() if name != key}
    assert wrong("experiment", content)
    extended = {**content, "extends": "other.yaml"}
    assert bool(wrong("experiment", extended)) == (key == "name")  # the one key that is not inherited


@pytest.mark.parametrize(
    ("added", "holds"),
    [
        ("members: {a: {network: vgg16, seeds: 3}, b: }", True),
        ("members: {a: {foreign: true}, b: {network: measurements, segmenter: runs/s}}", True),
        ("members: {a: {network: vgg16, augmentation: {preset: mr, rotation: 5, vertical_flip: true}}}", True),
        ("{task: segmentation, members: {a: {architecture: unet, patches: {}}}, shared: {encoder: vgg16}}", True),
        ("{task: segmentation, members: {a: {network: unet}}}", False),
        ("{task: detection, members: {a: {backbone: vgg16, anchor: {aspect_ratios: [1, 2]}}}}", True),
        ("{task: detection, members: {a: {backbone: vgg16, anchor: {ratios: [1, 2]}}}}", False),
        ("{extends: a.yaml, members: {a: {trees: 3}, b: {epochs: 3}}}", True),
        ("{extends: a.yaml, members: {a: {tress: 3}}}", False),
        ("{targets: {t: {labels: [low, high]}}}", True),
        ("{targets: {t: {labels: [low, high], folds: 3}}}", False),
        ("{targets: {t: {labels: [low, high], search: {metric: map50}}}}", False),
    ],
)
def test_members_and_targets_are_read_by_their_kind(added, holds):
    assert bool(wrong("experiment", {**parse_yaml(EXPERIMENT), **parse_yaml(added)})) != holds


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("{name: d, output: o}", "is not valid under any"),
        ("{sources: [{name: s, images: i, read: dicm}]}", "'dicm' is not one of"),
        ("{sources: [{name: s, images: i, window: -1}]}", "-1 is not valid under any"),
        ("{sources: [{name: s, images: i, annotations: [{format: coc, path: p}]}]}", "'coc' is not one of"),
        (
            "{sources: [{name: s, images: i, annotations: [{format: mask, path: p}]}]}",
            "'labels' is a required property",
        ),
        (
            "{sources: [{name: s, images: i, annotations: [{format: voc, path: p, target: t}]}]}",
            "'target' was unexpected",
        ),
        ("{splits: {train: 2}}", "2 is greater than the maximum"),
        ("{targets: {t: {at_least: 4}}}", "'of' is a required property"),
        ("{crop: {label: disc, groww: 0.1}}", "'groww': 0.1} is not valid"),
    ],
)
def test_a_mistake_in_a_data_config_is_told(change, message):
    assert wrong("data", parse_yaml(DATA)) == []
    changed = parse_yaml(change)
    content = {**({} if "output" in changed else parse_yaml(DATA)), **changed}
    assert any(message in told for told in wrong("data", content)), wrong("data", content)
    if "annotations" not in change:  # whose options the formats' readers check, when they are read
        with pytest.raises(SpineError):
            validate(DataConfig, content, "mistake")


def test_the_names_that_editors_offer_are_those_of_the_tables():
    members = schema_of("experiment")["$defs"]
    offered = members["classification_member"]["else"]["else"]["properties"]["network"]["enum"]
    assert offered == [*sorted(NETWORKS), "measurements"]
    assert members["shared_by_classification"]["properties"]["network"]["enum"] == sorted(NETWORKS)
    assert members["shared_by_segmentation"]["properties"]["encoder"]["enum"] == sorted(ENCODERS)
    assert members["shared_by_detection"]["properties"]["backbone"]["enum"] == sorted(BACKBONES)


def test_every_key_has_its_meaning_without_links():
    told = meanings()
    for section, model in SECTIONS.items():
        assert told[section].keys() == model.model_fields.keys()
        assert all(meaning and "](" not in meaning for meaning in told[section].values()), section
    schema = schema_of("experiment")["$defs"]["experiment_file"]["properties"]
    assert (
        schema["jobs"]["description"] == "trainings at once on this machine, each on its share of the cores; 1 to 1,024"
    )


def test_files_of_a_run_are_valid():
    assert wrong("weights", found_weights({"a": 0.5, "b": 0.5}).as_json()) == []
    assert any("'metric' is a required" in message for message in wrong("weights", {"weights": {"a": 1}}))
    assert wrong("metrics", small_evaluation.content()) == []
    assert wrong("metrics", {"task": "classification"})
    assert wrong("member", {"name": "a", "task": "detection", "labels": ["disc"]}) == []
    assert wrong("member", {"name": "a", "task": "detection", "labels": "disc"})
