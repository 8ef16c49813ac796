import numpy as np
import pytest

from classification.config import Settings
from classification.data import Data, class_weights
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from tests.experiment_on_disk import write_experiment

LABELS = ("NO PLID", "PLID")


def test_balanced_weights_make_classes_count_alike():
    values = np.array([0, 0, 0, 1])
    weights = class_weights("balanced", values, LABELS)
    assert weights == {0: 4 / (2 * 3), 1: 4 / (2 * 1)}
    assert 3 * weights[0] == pytest.approx(1 * weights[1])


def test_given_weights_are_put_in_the_order_of_the_labels():
    given = {"PLID": 1.73, "NO PLID": 0.702}  # Sayed et al. 2025
    assert class_weights(given, np.array([0, 1]), LABELS) == {0: 0.702, 1: 1.73}


def test_no_weights_are_none():
    assert class_weights("none", np.array([0, 1]), LABELS) is None


def test_weights_that_miss_a_label_are_refused():
    with pytest.raises(SpineError, match=r"names \['PLID'\]; the labels are \['NO PLID', 'PLID'\]"):
        class_weights({"PLID": 1.0}, np.array([0, 1]), LABELS)


@pytest.mark.parametrize("setting", ["none", "balanced"])
def test_a_label_without_a_training_row_is_refused(setting):
    with pytest.raises(SpineError, match="hold no 'PLID'"):
        class_weights(setting, np.array([0, 0]), LABELS)


def test_only_the_training_rows_are_bootstrapped(tmp_path):
    experiment = write_experiment(tmp_path, members=("one",), patients={"train": 4, "validation": 2, "test": 1})
    settings = Settings(network="plain_cnn", weights="none", height=16, width=16, batch=5, bootstrap="patient")
    data = Data.of(experiment, Manifest.read(experiment.data), settings, seed=0)
    assert len(set(data.train.patients)) < 4
    assert len(set(data.validation.samples)) == len(data.validation.samples) == 2 * 2 * 2
    assert data.steps == 4  # 4 patients' 2 discs in 2 slices, 5 a batch: 16 / 5 = 3.2
    images, one_hot = next(iter(data.validation_batches()))
    assert images.shape == (5, 16, 16, 1)
    np.testing.assert_array_equal(np.argmax(one_hot, axis=1), data.validation.values[:5])


def test_mixed_pictures_bring_the_weights_of_their_labels_themselves(tmp_path):
    experiment = write_experiment(tmp_path, members=("one",), patients={"train": 4, "validation": 2, "test": 1})
    plain = {"network": "plain_cnn", "weights": "none", "height": 16, "width": 16, "batch": 8}
    weights = dict(zip(experiment.labels, (1.0, 3.0), strict=True))

    def data_of(**changes):
        return Data.of(experiment, Manifest.read(experiment.data), Settings(**plain, **changes), seed=0)

    mixed = data_of(class_weights=weights, augmentation={"cutmix": 1.0})
    assert mixed.class_weights is None  # Keras' own would weigh a label by its greatest share alone
    _, labels, own = (part.numpy() for part in next(iter(mixed.training(0))))
    shares = labels / np.array([1, 3])
    shares /= shares.sum(axis=1, keepdims=True)
    assert ((shares > 0.01) & (shares < 0.99)).any()
    np.testing.assert_allclose(own, shares @ [1, 3], rtol=1e-5)
    assert len(next(iter(mixed.validation_batches()))) == 2
    assert data_of(class_weights=weights).class_weights == {0: 1.0, 1: 3.0}
    assert len(next(iter(data_of(augmentation={"cutmix": 1.0}).training(0)))) == 2
