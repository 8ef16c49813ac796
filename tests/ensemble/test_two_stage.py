"""Two detectors as one: regions first, discs within them."""

import numpy as np
import pytest
import tensorflow as tf

import spine.intake.crop
from ensemble.serving.two_stage import TwoStage, publish
from spine.core.problems import SpineError
from spine.dataset.detections import Detections
from spine.member.member import Member, Patients
from spine.training.expand_box import expand_boxes
from tests.bright_detector import Bright, write_detector
from tests.member_contract import MemberContract, as_image, png

REGION = (0.3, 1.1, 0.9, 1)  # everything brighter than the background, at a score of 0.9
DISCS = ((0.6, 0.8, 0.8, 1), (0.8, 1.1, 0.7, 1))


def scan(height, width, region, *discs):
    """A dark picture with a grey region and discs in it."""
    picture = np.full((height, width), 5000, np.uint16)
    for grey, (x0, y0, x1, y1) in zip((25000, 45000, 60000), (region, *discs), strict=False):
        picture[y0:y1, x0:x1] = grey
    return picture


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    regions = write_detector(root / "regions", ["lumbar"], REGION, patients=Patients(salt="s", trained=("b" * 16,)))
    discs = write_detector(
        root / "discs", ["disc"], *DISCS, patients=Patients(salt="s", trained=("a" * 16,), stopped=("c" * 16,))
    )
    return publish(regions.path, discs.path, root / "two_stage").path


class TestTwoStageMember(MemberContract):
    normalises = False

    @pytest.fixture(scope="class")
    @classmethod
    def member_directory(cls, directory):
        return directory

    def test_it_answers_different_pictures_differently(self, model):
        one, other = (scan(40, 60, (5, 5, 50, 35), (10, y, 20, y + 5), (30, 20, 40, 25)) for y in (10, 15))
        answers = self.serve(model, png(one), png(other))["detection_boxes"]
        assert not np.array_equal(*answers)


@pytest.fixture(scope="module")
def model(directory):
    return tf.saved_model.load(str(Member.open(directory).model))


@pytest.mark.parametrize(
    ("height", "width", "region", "discs"),
    [
        (100, 80, (20, 30, 60, 90), [(25, 40, 50, 47), (25, 60, 52, 70)]),
        (61, 97, (0, 0, 97, 61), [(1, 2, 3, 5), (90, 55, 97, 61)]),  # the region is the image
        (128, 64, (33, 1, 64, 127), [(33, 1, 64, 2), (40, 126, 41, 127)]),  # grown over three edges, and thin
    ],
)
def test_boxes_come_back_to_the_pixel(model, height, width, region, discs):
    picture = scan(height, width, region, *discs)
    for answer in (
        model.signatures["serving_default"](image_bytes=tf.constant([png(picture)])),
        model.signatures["image"](image=tf.constant(as_image(picture))),
    ):
        found = Detections.from_outputs({name: value.numpy() for name, value in answer.items()}, 0)
        np.testing.assert_allclose(found.in_pixels(height, width), discs, atol=1e-3)
        np.testing.assert_allclose(found.scores, [0.8, 0.7])


def test_what_lies_outside_the_region_is_not_seen():
    picture = scan(100, 80, (40, 40, 70, 90))
    picture[2:6, 2:6] = 15000  # darker than a region
    spot = _signed(Bright((0.2, 0.3, 0.9, 1)))
    assert spot.image(as_image(picture))["num_detections"].numpy().tolist() == [1]
    two_stage = TwoStage(_signed(Bright(REGION)), spot)
    answer = {name: value.numpy() for name, value in two_stage.image(as_image(picture)).items()}
    assert all(not values.any() for values in answer.values())


def _signed(module):
    """A detector in memory that is called as a loaded SavedModel is."""
    functions = {"serving_default": module.serving_default, "image": module.image}
    module.signatures = {name: function.get_concrete_function() for name, function in functions.items()}
    return module


@pytest.mark.parametrize(
    "regions", [Bright((2.0, 3.0, 0.9, 1)), Bright((0.3, 1.1, 0.2, 1)), Bright((0.3, 1.1, 0.9, 2))]
)
def test_without_a_region_the_whole_image_is_looked_at(regions):
    """None found, none sure enough, none of the region's class."""
    picture = scan(50, 70, (20, 20, 50, 40), (25, 25, 30, 30), (0, 45, 5, 50))
    two_stage = TwoStage(_signed(regions), _signed(Bright(*DISCS)))
    answer = {name: value.numpy() for name, value in two_stage.image(as_image(picture)).items()}
    expected = [(25, 25, 30, 30), (0, 45, 5, 50)]
    np.testing.assert_allclose(Detections.from_outputs(answer, 0).in_pixels(50, 70), expected, atol=1e-3)


def test_the_best_region_of_its_class_is_taken():
    things = [(0.3, 0.5, 0.5, 1), (0.6, 0.8, 0.7, 2), (0.8, 1.1, 0.6, 2)]
    picture = scan(50, 70, (0, 0, 10, 10), (30, 30, 40, 40), (50, 5, 60, 15))
    two_stage = TwoStage(_signed(Bright(*things)), _signed(Bright(*DISCS)), region=2, grow=0)
    answer = {name: value.numpy() for name, value in two_stage.image(as_image(picture)).items()}
    np.testing.assert_allclose(Detections.from_outputs(answer, 0).in_pixels(50, 70), [(30, 30, 40, 40)], atol=1e-3)


def test_a_region_grows_in_the_graph_as_in_the_crops():
    random = np.random.default_rng(0)
    for _ in range(200):
        height, width = random.integers(20, 700, 2)
        x0, y0 = random.integers(0, width - 4), random.integers(0, height - 4)
        x1, y1 = random.integers(x0 + 1, width + 1), random.integers(y0 + 1, height + 1)
        box = np.array([y0 / height, x0 / width, y1 / height, x1 / width], np.float32)
        left, top, right, bottom = spine.intake.crop.expand_box((x0, y0, x1, y1), 0.1, height, width)
        assert expand_boxes(box[np.newaxis], 0.1, np.array([height, width])).numpy()[0].tolist() == [
            top,
            left,
            bottom,
            right,
        ]


def test_its_card_tells_what_it_is_made_of(directory):
    card = Member.open(directory).card
    assert (card.kind, card.task, card.labels, card.name) == ("two-stage", "detection", ("disc",), "two_stage")
    assert card.patients == Patients(salt="s", trained=("a" * 16, "b" * 16), stopped=("c" * 16,))
    assert card.details == {
        **{"region": "lumbar", "grow": 0.1, "confidence": 0.25},
        **{"regions": "detector", "discs": "detector"},
    }


def test_what_is_unchanged_is_kept_and_another_setting_is_published(directory):
    parts = directory.with_name("regions"), directory.with_name("discs")
    before = Member.open(directory).model
    assert publish(*parts, directory).model == before
    assert Member.is_complete(directory, "of an experiment that has it among its members")
    assert (
        publish(*parts, directory.with_name("other"), grow=0.2).card.config_hash
        != Member.open(directory).card.config_hash
    )


def test_what_cannot_be_joined_is_told(directory, tmp_path):
    regions, discs = directory.with_name("regions"), directory.with_name("discs")
    with pytest.raises(SpineError, match=r"the region's label is 'sacrum'; the detector .* has lumbar"):
        publish(regions, discs, tmp_path / "out", label="sacrum")
    with pytest.raises(SpineError, match="holds the network 'detector'; choose another output"):
        publish(regions, discs, discs)
    with pytest.raises(SpineError, match="is not a member"):
        publish(tmp_path, discs, tmp_path / "out")
    Member.publish(tmp_path, Member.open(discs).card.model_copy(update={"task": "segmentation"}))
    with pytest.raises(SpineError, match="is a member for segmentation; give the directory of one for detection"):
        publish(regions, tmp_path, tmp_path / "out")
