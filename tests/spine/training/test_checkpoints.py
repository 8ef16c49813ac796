import keras
import numpy as np
import pytest

from spine.training.callbacks import reseed
from spine.training.checkpoints import Checkpoints
from spine.training.history import History

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
    checkpoints, model = Checkpoints(tmp_path), compiled()
    for last in range(1, 5):
        checkpoints.save(model, grown(*(3, 1, 2, 4)[:last]))
    assert names(checkpoints) == ["epoch-0002", "epoch-0004"]
    assert len(checkpoints.history()) == 4
    checkpoints.clear()
    assert checkpoints.history() == History()


def test_what_was_being_written_when_the_run_was_killed_is_not_read(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(compiled(), grown(1))
    (tmp_path / ".epoch-0002.abc.tmp").mkdir()
    assert len(checkpoints.history()) == 1


def test_weights_and_the_optimizer_s_state_come_back(tmp_path):
    trained, fresh = compiled(), compiled()
    trained.fit(IMAGES, TRUTH, epochs=3, verbose=0)
    Checkpoints(tmp_path).save(trained, grown(1))
    Checkpoints(tmp_path).load(fresh, 1)
    assert fresh.optimizer.iterations.numpy() == 3
    for model in (trained, fresh):  # the same weights, moments and dropout: the same next step
        reseed(model, 7)
        model.fit(IMAGES, TRUTH, shuffle=False, verbose=0)
    for one, other in zip(trained.get_weights(), fresh.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_reseeding_settles_dropout():
    model = compiled()

    def output(seed: int) -> np.ndarray:
        reseed(model, seed)
        return np.asarray(model(IMAGES, training=True))

    np.testing.assert_array_equal(output(1), output(1))
    assert not np.array_equal(output(1), output(2))


def test_a_missing_epoch_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        Checkpoints(tmp_path).load(compiled(), 3)
