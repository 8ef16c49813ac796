"""`seeds: n` of a member is n members, in all that reads an experiment."""

import pytest

from pipeline.experiments import load_experiment, validate_experiment
from pipeline.training import train_members
from spine.core.problems import SpineError
from spine.experiment.seeds import standing_for, with_seeds
from spine.training.trainer import seed_of

RAW = {
    "name": "small",
    "task": "classification",
    "data": "data/small",
    "target": "degeneration",
    "labels": ["normal", "degenerated"],
    "members": {
        "one": {"network": "plain_cnn", "weights": "none", "seeds": 3},
        "other": {"network": "plain_cnn", "weights": "none", "filters": [4]},
    },
}


def members(**changes):
    return {**RAW["members"], **changes}


def test_each_seed_is_a_member_of_the_same_settings_that_draws_for_itself():
    experiment = validate_experiment(RAW, "small")
    assert list(experiment.members) == ["one_seed1", "one_seed2", "one_seed3", "other"]
    first, second, third, _ = experiment.members.values()
    assert first == second == third
    assert len({seed_of(experiment, name) for name in experiment.members}) == 4


@pytest.mark.parametrize(
    ("task", "own"),
    [
        ("segmentation", {"encoder": "resnet18", "encoder_weights": "none"}),
        ("detection", {"backbone": "resnet18", "backbone_weights": "none"}),
    ],
)
def test_members_of_every_task_have_seeds(task, own):
    labels = ["background", "disc"] if task == "segmentation" else ["disc"]
    raw = {
        "name": "small",
        "task": task,
        "data": "data/small",
        "labels": labels,
        "members": {"one": own | {"seeds": 2}},
    }
    experiment = validate_experiment(raw, "small")
    first, second = experiment.members.values()
    assert list(experiment.members) == ["one_seed1", "one_seed2"]
    assert first == second
    assert len({seed_of(experiment, name) for name in experiment.members}) == 2


@pytest.mark.parametrize(
    ("key", "value", "instead"),
    [
        ("snapshots", 3, "set seeds instead"),
        ("layer_decay", 0.8, "frozen_stages"),
        ("label_smoothing", 0.1, "its own losses"),
        ("stochastic_depth", 0.1, "leave it out"),
        ("reduce_on_plateau", {"factor": 0.5}, "set schedule to step"),
        ("mixed_precision", True, "float32"),
        ("test_time", ["horizontal_flip"], "train another seed"),
    ],
)
def test_what_detectors_have_not_is_said_with_the_reason(key, value, instead):
    own = {"backbone": "resnet18", "backbone_weights": "none", key: value}
    raw = {"name": "small", "task": "detection", "data": "data/small", "labels": ["disc"], "members": {"one": own}}
    with pytest.raises(SpineError, match=rf"members\.one is not valid:\s+{key} is of .*{instead}"):
        validate_experiment(raw, "small")


def test_shared_seeds_are_of_all_that_are_trained_unless_they_say_otherwise():
    shared = {"seeds": 2, "network": "plain_cnn", "weights": "none"}
    named = {"one": None, "other": {"seeds": 1}, "far": {"foreign": True}, "three": {"seeds": 3}}
    experiment = validate_experiment({**RAW, "shared": shared, "members": named}, "small")
    assert list(experiment.members) == [
        *("one_seed1", "one_seed2", "other", "far"),
        *("three_seed1", "three_seed2", "three_seed3"),
    ]


def test_shared_seeds_are_not_of_members_that_are_no_networks():
    named = {"trees": {"network": "trees"}, "own": {"network": "trees", "seeds": 2}}
    expanded, _ = with_seeds({**named, "one": None}, {"seeds": 2}, apart={"trees": None})
    assert list(expanded) == ["trees", "own_seed1", "own_seed2", "one_seed1", "one_seed2"]


def test_the_resolved_copy_has_the_seeds_and_loads_to_an_equal_experiment(tmp_path):
    experiment = validate_experiment({**RAW, "shared": {"seeds": 2}}, "small")
    written = experiment.write(tmp_path / "resolved.yaml")
    assert "seeds" not in written.read_text()
    assert load_experiment(written).members == experiment.members
    changed = load_experiment(written, ["members.one_seed2.epochs=3"]).members
    assert [changed[f"one_seed{number}"].epochs for number in (1, 2, 3)] == [35, 3, 35]


def test_overrides_are_of_all_seeds(tmp_path):
    file = tmp_path / "small.yaml"
    file.write_text(
        "name: small\ntask: classification\ndata: d\ntarget: t\nlabels: [a, b]\n"
        "members: {one: {network: plain_cnn, weights: none, seeds: 2}}\n"
    )
    changed = load_experiment(file, ["members.one.epochs=7", "members.one.seeds=3"]).members
    assert [changed[f"one_seed{number}"].epochs for number in (1, 2, 3)] == [7, 7, 7]
    assert list(load_experiment(file, ["members.one.seeds=1"]).members) == ["one"]
    for part in ("one_seed2", "one-1", "one_seed2-1"):
        with pytest.raises(SpineError, match=r"seeds and snapshots of one .* give members\.one"):
            load_experiment(file, [f"members.{part}.epochs=7"])


def test_each_seed_may_have_snapshots():
    of_one = {**RAW["members"]["one"], "seeds": 2, "snapshots": 2, "schedule": "cosine", "epochs": 4}
    experiment = validate_experiment({**RAW, "members": {"one": of_one}}, "small")
    assert list(experiment.members) == ["one_seed1-1", "one_seed1-2", "one_seed2-1", "one_seed2-2"]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (members(one_seed2={"network": "vgg16"}), r"members\.one: one of its seeds is called one_seed2, as another"),
        ({"one_seed2": {"network": "vgg16"}, **members()}, "one of its seeds is called one_seed2"),
        (members(ONE_SEED2={"network": "vgg16"}), "differ only in case"),
        (members(far={"foreign": True, "seeds": 2}), "seeds: unknown key"),
        *(
            (members(one={"network": "vgg16", "seeds": seeds}), r"members\.one\.seeds is")
            for seeds in (0, 101, True, "3")
        ),
    ],
)
def test_wrong_seeds_say_what_holds(named, message):
    with pytest.raises(SpineError, match=message):
        validate_experiment({**RAW, "members": named}, "small")


def test_a_name_stands_for_its_seeds():
    expanded, _ = with_seeds(RAW["members"], {})
    assert standing_for("one", expanded) == ["one_seed1", "one_seed2", "one_seed3"]
    assert standing_for("one_seed2", expanded) == ["one_seed2"]
    assert standing_for("other", expanded) == ["other"]
    assert standing_for("two", expanded) == ["two"]
    snapshots = members(one={**RAW["members"]["one"], "schedule": "cosine", "snapshots": 2})
    both = validate_experiment({**RAW, "members": snapshots}, "small").members
    assert standing_for("one_seed2", both) == ["one_seed2-1", "one_seed2-2"]
    assert standing_for("one", both) == [f"one_seed{seed}-{k}" for seed in (1, 2, 3) for k in (1, 2)]
    assert standing_for("one_seed2-1", both) == ["one_seed2-1"]
    with pytest.raises(SpineError, match="'two' is not"):
        train_members(validate_experiment(RAW, "small"), print, ["two"])
