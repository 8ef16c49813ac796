"""The fused model of members that are a line of arithmetic: each class has a grey level of its own."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from ensemble import export, predict
from ensemble.experiment_run import ExperimentRun
from ensemble.fusion.pieces import postprocess
from ensemble.serving.exported import exported
from ensemble.serving.parity import PARITY
from spine.core.files import read_json, write_json
from spine.core.problems import SpineError
from spine.experiment.postprocess import PostprocessSettings
from spine.member.member import Member
from spine.member.run_model import load_model, predict_pictures
from spine.member.serving import publish_model
from tests.clean_process import run_clean
from tests.experiment_on_disk import write_segmentation_experiment, write_weights
from tests.member_contract import MemberContract

SHARPNESS = {"unet": 4.0, "fpn": 7.0, "linknet": 2.0}
WEIGHTS = {"unet": 0.7, "fpn": 0.3, "linknet": 0.0}
LEVELS = [0.0, 0.2, 0.4, 0.6]  # the grey of each class


class GreyLevels(tf.Module):
    """probabilities = softmax(-sharpness * |grey - level|) of each pixel, at the picture's own size."""

    def __init__(self, sharpness: float) -> None:
        super().__init__()
        self.sharpness = tf.Variable(sharpness)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def serving_default(self, image_bytes):
        decoded = tf.map_fn(
            lambda one: tf.cast(tf.io.decode_png(one, 1, tf.uint16), tf.float32) / 65535.0,
            image_bytes,
            fn_output_signature=tf.TensorSpec([None, None, 1], tf.float32),
        )
        return self._probabilities(decoded)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, None], tf.float32, name="image")])
    def image(self, image):
        return self._probabilities(image[..., :1])

    def _probabilities(self, grey):
        return {"probabilities": tf.nn.softmax(-self.sharpness * tf.abs(grey - tf.constant(LEVELS)))}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPINE_SALT", "salt of the tests")
        experiment = write_segmentation_experiment(tmp_path_factory.mktemp("export"))
        for name, sharpness in SHARPNESS.items():
            directory = experiment.member_directory(name)
            shutil.rmtree(directory / "model")
            version = publish_model(GreyLevels(sharpness), directory)
            outputs = {"probabilities": {"dtype": "float32", "shape": [None, None, None, 4]}}
            changes = {"model_hash": Member.hash_model(version), "outputs": outputs}
            Member.publish(directory, Member.open(directory).card.model_copy(update=changes))
        predict.run(experiment)
        write_weights(experiment, WEIGHTS, "dice_foreground")
        export.run(experiment)
    return experiment


def test_probabilities_and_mask_are_the_ensemble_s_where_there_is_only_tensorflow(experiment, tmp_path):
    truth = ExperimentRun(experiment).predictions("test").truth
    code = """
import json
import numpy as np
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
for path in sys.argv[2:]:
    out = model.signatures["serving_default"](image_bytes=tf.constant([open(path, "rb").read()]))
    print(json.dumps({name: value.numpy().tolist() for name, value in out.items()}))
"""
    model = Member.open(experiment.ensemble_directory).model
    printed = run_clean(code, tmp_path, str(model), *map(str, truth.paths[:2]))
    members = [load_model(Member.open(experiment.member_directory(name))) for name in ("unet", "fpn")]
    for number, line in enumerate(printed.splitlines()[-2:]):
        answer = {name: np.array(values) for name, values in json.loads(line).items()}
        first, second = (next(iter(predict_pictures(one, [truth.paths[number]]))) for one in members)
        expected = 0.7 * first.astype(np.float64) + 0.3 * second.astype(np.float64)
        assert answer["probabilities"].shape == (1, *truth.sizes[number], 4)
        np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-5)
        np.testing.assert_array_equal(answer["mask"], expected.argmax(axis=-1))


def test_parity_is_measured_on_pictures_of_any_size(experiment):
    card = Member.open(experiment.ensemble_directory).card
    assert len(set(ExperimentRun(experiment).predictions("validation").truth.sizes)) == 2
    assert card.details["parity"] < PARITY
    assert card.outputs["mask"]["dtype"] == "int32"


def test_temperatures_and_class_weights_are_in_the_graph(experiment):
    settings = experiment.search.model_copy(update={"name": "by-class"})
    asked = experiment.model_copy(update={"search": settings})
    path = write_weights(asked, WEIGHTS, "dice_foreground")
    options = {
        "temperatures": {"unet": 2.0, "fpn": 0.5, "linknet": 1.0},
        "class_weights": {"unet": [0.9, 0.5, 0.2, 0.7], "fpn": [0.1, 0.9, 0.8, 0.0], "linknet": [0.0] * 4},
    }
    write_json({**read_json(path), **options}, path)
    export.run(asked)
    ensemble = Member.open(asked.ensemble_directory)
    assert ensemble.card.details["parity"] < PARITY
    truth = ExperimentRun(asked).predictions("validation").truth
    directories = [experiment.member_directory(name) for name in ("unet", "fpn")]
    served, *said = (
        next(iter(predict_pictures(load_model(one), truth.paths[:1])))
        for one in (ensemble, *map(Member.open, directories))
    )
    scaled = [one.astype(np.float64) ** (1 / value) for one, value in zip(said, (2.0, 0.5), strict=True)]
    scaled = [one / one.sum(axis=-1, keepdims=True) for one in scaled]
    total = scaled[0] * options["class_weights"]["unet"] + scaled[1] * options["class_weights"]["fpn"]
    np.testing.assert_allclose(served, total / total.sum(axis=-1, keepdims=True), atol=1e-5)


class TestEnsemble(MemberContract):
    normalises = False  # its members are lines of arithmetic

    @pytest.fixture(scope="class")
    @classmethod
    def member_directory(cls, experiment):
        return experiment.ensemble_directory


def test_a_post_processed_mask_is_served_and_a_change_of_it_is_exported_again(experiment):
    asked = {"largest_components": {"canal": 1, "disc": 1}, "smallest_area": {"vertebra": 0.5}}
    settings = experiment.search.model_copy(update={"name": "cleaned"})
    cleaned = experiment.model_copy(
        update={"search": settings, "postprocess": PostprocessSettings.model_validate(asked)}
    )
    write_weights(cleaned, WEIGHTS, "dice_foreground")
    export.run(cleaned)
    member = Member.open(cleaned.ensemble_directory)
    assert member.card.details["postprocess"] == asked
    noise = np.random.default_rng(0).uniform(0, 0.65, (2, 9, 12, 1)).astype(np.float32)
    models = [load_model(one) for one in (member, Member.open(experiment.ensemble_directory))]
    answer, plain = (model.signatures["image"](image=tf.constant(noise)) for model in models)
    rules = cleaned.postprocess.rules(cleaned.labels)
    expected = [postprocess(one, rules) for one in answer["probabilities"].numpy()]
    np.testing.assert_array_equal(answer["mask"], expected)
    np.testing.assert_array_equal(answer["probabilities"], plain["probabilities"])
    assert (answer["mask"].numpy() != plain["mask"].numpy()).any()
    without = cleaned.model_copy(update={"postprocess": PostprocessSettings()})
    with pytest.raises(SpineError, match=r"other settings of postprocess: .*, now .* run `spine export"):
        exported(ExperimentRun(without))
