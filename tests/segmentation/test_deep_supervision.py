"""Deep supervision: heads at coarser levels that train the decoder, and are gone from what is served."""

import numpy as np
import pytest

from segmentation.architectures import ARCHITECTURES
from segmentation.compound_loss import CompoundLoss
from segmentation.config import Settings
from segmentation.deep_supervision import SupervisedLoss, without_heads
from segmentation.losses import cross_entropy
from segmentation.metrics import DiceForeground
from segmentation.model import build

pytestmark = pytest.mark.slow

ABLE = [name for name, architecture in ARCHITECTURES.items() if architecture.coarse]
SMALL = {"encoder": "mobilenet0.25", "encoder_weights": "none", "height": 50, "width": 71}
LABELS = ("background", "bone", "disc")


@pytest.mark.parametrize("architecture", ABLE)
def test_heads_answer_at_every_level_and_only_the_own_answer_is_left(architecture):
    settings = Settings(architecture=architecture, deep_supervision=True, **SMALL)
    network = build(settings, 3)
    picture = np.random.default_rng(0).uniform(size=(1, 50, 71, 1)).astype(np.float32)
    answers = network(picture).numpy().reshape(1, 50, 71, 4, 3)  # its own, and those at 1/2, 1/4 and 1/8
    np.testing.assert_allclose(answers.sum(axis=-1), 1, atol=1e-5)
    for level, scale in enumerate((2, 4, 8), start=1):
        assert network.get_layer(f"head{scale}_logits").output.shape[1] == 64 // scale
        assert np.abs(answers[..., level, :] - answers[..., 0, :]).max() > 1e-4
    served = without_heads(network)
    assert served.output_shape == (None, 50, 71, 3)
    np.testing.assert_array_equal(served(picture).numpy(), answers[..., 0, :])
    plain = build(settings.model_copy(update={"deep_supervision": False}), 3)
    assert served.count_params() == plain.count_params() < network.count_params()


def test_levels_count_half_of_the_finer_one():
    random = np.random.default_rng(0)
    truth = np.eye(3, dtype=np.float32)[random.integers(3, size=(2, 4, 5))]
    answers = random.dirichlet(np.ones(3), (3, 2, 4, 5)).astype(np.float32)
    loss = SupervisedLoss(CompoundLoss([(1.0, cross_entropy)]))
    of_levels = [-np.log((truth * answer).sum(axis=-1)).mean() for answer in answers]
    expected = (of_levels[0] + of_levels[1] / 2 + of_levels[2] / 4) / (1 + 1 / 2 + 1 / 4)
    assert float(loss(truth, np.concatenate(answers, axis=-1))) == pytest.approx(expected, rel=1e-5)


def test_the_metric_sees_the_own_answer_alone():
    truth = np.eye(3, dtype=np.float32)[np.array([[[1, 2]]])]
    metric = DiceForeground(3)
    metric.update_state(truth, np.concatenate([truth, 1 - truth], axis=-1))
    assert float(metric.result()) == 1


def test_a_step_moves_every_head():
    network = build(Settings(deep_supervision=True, **{**SMALL, "height": 32, "width": 32}), 3)
    network.compile("sgd", SupervisedLoss(CompoundLoss([(1.0, cross_entropy)])), jit_compile=False)
    heads = [network.get_layer(f"head{scale}_logits") for scale in (2, 4, 8)]
    before = [head.kernel.numpy() for head in heads]
    truth = np.random.default_rng(0).integers(3, size=(2, 32, 32))
    assert np.isfinite(network.train_on_batch(truth[..., None] / 2, np.eye(3, dtype=np.float32)[truth]))
    assert all((head.kernel.numpy() != kept).any() for head, kept in zip(heads, before, strict=True))


@pytest.mark.parametrize("architecture", sorted(set(ARCHITECTURES) - set(ABLE)))
def test_a_decoder_of_one_level_is_refused_by_name(architecture):
    with pytest.raises(ValueError, match=f"which {architecture} is not; leave it out, or use one of unet, linknet"):
        Settings(architecture=architecture, deep_supervision=True)
