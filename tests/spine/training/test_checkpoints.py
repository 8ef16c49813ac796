import keras
import numpy as np
import pytest

from spine.core.problems import SpineError
from spine.training.callbacks import reseed
from spine.training.checkpoints import Checkpoints
from spine.training.history import History
from spine.training.kept_model import KeptModel

IMAGES, TRUTH = np.eye(4, dtype=np.float32), np.eye(2, dtype=np.float32)[[0, 1, 0, 1]]


def compiled() -> keras.Model:
    inputs = keras.Input((4,))
    hidden = keras.layers.Dropout(0.5)(keras.layers.Dense(3)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(hidden))
    model.compile(keras.optimizers.Adam(0.1), "categorical_crossentropy")
    model.optimizer.build(model.trainable_variables)
    return model


def grown(*losses: float) -> History:
    history = History()
    for loss in losses:
        history = history.with_epoch("frozen", {"loss": loss, "val_loss": loss}, 0.1)
    return history


def names(checkpoints: Checkpoints) -> list[str]:
    return sorted(entry.name for entry in checkpoints.path.iterdir())


def test_the_newest_and_the_best_are_kept(tmp_path):
    checkpoints, model = Checkpoints(tmp_path), KeptModel(compiled())
    for last in range(1, 5):
        checkpoints.save(model, grown(*(3, 1, 2, 4)[:last]))
    assert names(checkpoints) == ["epoch-0002", "epoch-0004"]
    assert len(checkpoints.history()) == 4
    checkpoints.clear()
    assert checkpoints.history() == History()


def test_what_was_being_written_when_the_run_was_killed_is_not_read(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(KeptModel(compiled()), grown(1))
    (tmp_path / ".epoch-0002.abc.tmp").mkdir()
    assert len(checkpoints.history()) == 1


def test_weights_and_the_optimizer_s_state_come_back(tmp_path):
    trained, fresh = compiled(), compiled()
    trained.fit(IMAGES, TRUTH, epochs=3, verbose=0)
    Checkpoints(tmp_path).save(KeptModel(trained), grown(1))
    Checkpoints(tmp_path).load(KeptModel(fresh), 1)
    assert fresh.optimizer.iterations.numpy() == 3
    for model in (trained, fresh):  # the same weights, moments and dropout: the same next step
        reseed(model, 7)
        model.fit(IMAGES, TRUTH, shuffle=False, verbose=0)
    for one, other in zip(trained.get_weights(), fresh.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def network(units: int = 2) -> keras.Model:
    inputs = keras.Input((4,))
    base = keras.Model(inputs, keras.layers.BatchNormalization()(keras.layers.Dense(3)(inputs)), name="base")
    return keras.Model(inputs, keras.layers.Dense(units)(keras.layers.Dropout(0.5)(base(inputs))))


def test_a_network_that_is_built_again_takes_what_was_trained_around_the_other(tmp_path):
    trained, again = network(), network()
    trained.get_layer("base").trainable = False
    around = keras.Model(trained.inputs, trained.outputs)
    around.compile("adam", "mse")
    around.fit(IMAGES, TRUTH, verbose=0)
    Checkpoints(tmp_path).save(KeptModel(around), grown(1))
    Checkpoints(tmp_path).load(KeptModel(again), 1)
    np.testing.assert_array_equal(again(IMAGES), trained(IMAGES))
    trained.get_layer("base").trainable = True  # the next phase: the weights alone, since other variables learn
    around = keras.Model(trained.inputs, trained.outputs)
    around.compile("adam", "mse")
    around.optimizer.build(around.trainable_variables)
    Checkpoints(tmp_path).load(KeptModel(around), 1)
    assert around.optimizer.iterations.numpy() == 0
    with pytest.raises(SpineError, match=r"weights.npz holds the weights of another network"):
        Checkpoints(tmp_path).load(KeptModel(network(units=5)), 1)


def test_reseeding_settles_dropout():
    model = compiled()

    def output(seed: int) -> np.ndarray:
        reseed(model, seed)
        return np.asarray(model(IMAGES, training=True))

    np.testing.assert_array_equal(output(1), output(1))
    assert not np.array_equal(output(1), output(2))


def test_a_missing_epoch_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        Checkpoints(tmp_path).load(KeptModel(compiled()), 3)
