"""A base that starts from a member's: its weights, its patients, and what is refused."""

import numpy as np
import pytest

from classification.base_of_member import checked_member, is_member, patients_of
from classification.config import Settings
from classification.export import export
from classification.model import base_of, build
from spine.core.privacy import patient_hash, salt_id
from spine.core.problems import SpineError
from spine.member.member import Card, Member, Patients


def small(**changes):
    return Settings(
        **{"network": "plain_cnn", "weights": "none", "height": 16, "width": 16, "filters": (4, 6), **changes}
    )


def publish(directory, settings, salt, kind="network"):
    network, rate = build(settings, 3), settings.stochastic_depth
    rng = np.random.default_rng(7)
    for one in network.weights:
        one.assign(rng.normal(size=one.shape))
    version = export(network, settings, directory)
    card = Card(
        name="learned",
        task="classification",
        labels=("a", "b", "c"),
        kind=kind,
        model_hash=Member.hash_model(version),
        patients=Patients(salt=salt, trained=(patient_hash("p1"),)),
        details={"network": settings.network, **({} if rate is None else {"stochastic_depth": rate})},
    )
    return network, Member.publish(directory, card)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    return publish(tmp_path_factory.mktemp("learned"), small(), salt_id())


def test_the_base_is_the_members_and_the_head_is_new(learned):
    network, member = learned
    began = build(small(weights=str(member.path)), 2)
    pairs = zip(base_of(began).get_weights(), base_of(network).get_weights(), strict=True)
    assert all((own == theirs).all() for own, theirs in pairs)
    assert began.output_shape == (None, 2)
    assert small(weights=str(member.path)).pretrained  # so that the head learns first, then a part of the base


def test_a_member_that_was_trained_with_stochastic_depth_gives_each_layer_its_own(tmp_path):
    """The two convolutions of one shape that ResNet adds change places when it is cloned."""
    resnet = {"network": "resnet50", "height": 32, "width": 32}
    network, member = publish(tmp_path, small(**resnet, stochastic_depth=0.2), salt_id())
    began = base_of(build(small(**resnet, weights=str(member.path)), 2))
    learned = {layer.name: layer.get_weights() for layer in base_of(network).layers}
    for layer in filter(lambda layer: layer.weights, began.layers):
        for own, theirs in zip(layer.get_weights(), learned[layer.name], strict=True):
            np.testing.assert_array_equal(own, theirs)


def test_who_starts_from_a_member_has_seen_its_patients(learned):
    _, member = learned
    assert patients_of(str(member.path)) == (member.card.patients,)
    assert patients_of("none") == patients_of("imagenet") == ()
    assert not is_member("imagenet")


def test_a_base_of_another_width_is_refused_with_the_place(learned):
    _, member = learned
    with pytest.raises(SpineError, match=r"do not fit plain_cnn: its variable 0 has the shape \[3, 3, 3, 4\]"):
        build(small(weights=str(member.path), filters=(8, 6)), 2)


def test_what_is_no_member_of_that_network_is_refused_before_a_training(learned, tmp_path):
    _, member = learned
    with pytest.raises(SpineError, match="is a member of plain_cnn; give one of squeezenet, trained without folds"):
        checked_member(str(member.path), "squeezenet")
    with pytest.raises(SpineError, match=r"is not a member \(no member.json\)"):
        checked_member(str(tmp_path), "plain_cnn")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "folds"}, "is a member of kind 'folds'"),
        ({"patients": Patients(salt="another")}, "was trained under another salt"),
        ({"task": "detection"}, "is a member for detection; give the directory of one for classification"),
    ],
)
def test_a_card_that_does_not_do_is_refused(learned, tmp_path, changes, message):
    _, member = learned
    Member.publish(tmp_path, member.card.model_copy(update=changes))
    with pytest.raises(SpineError, match=message):
        checked_member(str(tmp_path), "plain_cnn")
