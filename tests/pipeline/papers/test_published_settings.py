"""The settings of the packs' files are the ones that the papers printed, as far as facts have them."""

from pathlib import Path

import pytest

from pipeline.experiments import load_experiment
from pipeline.papers.facts import read_facts
from spine.intake import load_data_config

PAPERS = Path("configs/papers")


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.chdir(Path(__file__).resolve().parents[3])


def members_of(name):
    return load_experiment(PAPERS / f"{name}.yaml").members


def percents(config):
    splits = load_data_config(Path("configs/data") / f"{config}.yaml").splits
    return [round(100 * part) for part in (splits.train, splits.validation, splits.test)]


@pytest.mark.parametrize(
    ("paper", "experiment"),
    [
        ("ma2020_cervical", "ma2020_detection"),
        ("ma2020_cervical", "ma2020_alternating"),
        ("sci2024_cord", "sci2024_detection"),
        ("sci2024_cord", "sci2024_alternating"),
    ],
)
def test_detectors_of_the_neck(paper, experiment):
    facts, members = read_facts(paper), members_of(experiment)
    assert list(members) == list(facts.tables["detection"].rows)
    for own in members.values():
        anchors = own.anchor.num_scales * len(own.anchor.aspect_ratios)
        assert own.min_level == own.max_level  # one map, so that anchors of a place are all there are
        assert facts.whole("anchors", "ratios") == (anchors, len(own.anchor.aspect_ratios))
        assert facts.whole("height", "width", "proposals") == (own.height, own.width, own.roi_generator.num_proposals)
        assert facts.whole("epochs", "batch", "augmentation") == (own.epochs, own.batch, own.repeats)
        assert (facts["learning_rate"], facts["gamma"], facts["other_step"]) == (
            own.learning_rate,
            own.gamma,
            own.step,
        )
        assert own.patience >= own.epochs
        assert own.scheme == ("alternating" if experiment.endswith("alternating") else "joint")


def test_the_cord_has_labels_and_a_division_of_its_own():
    facts, experiment = read_facts("sci2024_cord"), load_experiment(PAPERS / "sci2024_detection.yaml")
    assert experiment.labels == ("hemorrhagic", "edematous", "mixed")
    parts = facts.whole("train", "validation", "test_images")
    assert percents("cord") == [round(100 * part / sum(parts)) for part in parts]


def test_all_printed_epochs_of_transfer_learning_are_run():
    facts, members = read_facts("levan2020_implant"), members_of("levan2020_transfer")
    assert list(members) == list(facts.tables["classification"].rows)
    for own in members.values():
        assert sum(phase.epochs for phase in own.phases) == facts["transfer_epochs"]
        assert own.patience >= max(phase.epochs for phase in own.phases)
        assert (own.height, own.width) == facts.whole("input_size", "input_size")


def test_the_inceptions_detect_on_maps_of_their_own_strides_by_anchors_of_one_size():
    members = members_of("levan2020_detection")
    assert list(members) == list(read_facts("levan2020_implant").tables["detection"].rows)
    levels = {name: (own.min_level, own.max_level) for name, own in members.items()}
    assert levels == {"inception_v2": (4, 4), "inception_resnet_v2_atrous": (3, 3)}  # strides 16 and 8
    assert {own.anchor.anchor_size * 2**own.min_level for own in members.values()} == {128}
    assert {(own.anchor.num_scales, own.anchor.octaves) for own in members.values()} == {(3, 3)}


@pytest.mark.parametrize(
    ("paper", "config"),
    [
        ("sayed2025_plid", "plid"),
        ("sayed2025_plid", "plid_regions"),
        ("tapkir_fracture", "fracture"),
        ("levan2020_implant", "implant"),
    ],
)
def test_patients_are_divided_as_printed(paper, config):
    assert percents(config) == list(read_facts(paper).whole("train", "validation", "test"))
