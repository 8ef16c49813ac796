"""A case as one SavedModel: what it answers, that it equals its stages, and how it is published."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from ensemble.case import export
from ensemble.case.config import CaseSettings, Discs, Region, is_case, load_case
from ensemble.case.export import export_case, load_chain
from ensemble.case.parity import measure_case_parity
from ensemble.case.parts import open_parts, require_target
from ensemble.case.stages import Stages
from ensemble.fusion.fuse import Mean
from ensemble.serving.kit.warm_up import WARM_UP
from spine.answers.description import Description
from spine.answers.from_outputs import answers_of
from spine.core.files import read_json
from spine.core.problems import SpineError
from spine.dataset import truth
from spine.images.pictures import write_png16
from spine.member.member import Member
from tests.case_on_disk import GRADES, PIXELS, scan, write_case
from tests.clean_process import run_clean
from tests.member_contract import as_image, png

UPPER, LOWER = (20, 20, 50, 28), (22, 60, 52, 70)  # x0 y0 x1 y1
PICTURE = scan(100, 80, (10, 10, 60, 90), UPPER, LOWER)
NOTHING = np.zeros_like(PICTURE)


def no_experiment(path):
    raise AssertionError(f"{path} is no experiment")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return write_case(tmp_path_factory.mktemp("case"))


@pytest.fixture(scope="module")
def model(case):
    export_case(case, no_experiment)
    return tf.saved_model.load(str(Member.open(case.directory).model))


def ask(model, *pictures):
    served = model.signatures["serving_default"](image_bytes=tf.constant([png(picture) for picture in pictures]))
    return {name: value.numpy() for name, value in served.items()}


def test_tf_serving_warms_up_each_of_its_signatures(model, case):
    records = tf.data.TFRecordDataset(str(Member.open(case.directory).model / WARM_UP)).as_numpy_iterator()
    logs = [prediction_log_pb2.PredictionLog.FromString(record) for record in records]
    assert {log.predict_log.request.model_spec.signature_name for log in logs} == set(model.signatures)


def test_a_picture_is_answered_whole(model, case):
    outputs = ask(model, PICTURE)
    description = Description(**Member.open(case.directory).card.details["description"])
    (answer,) = answers_of(outputs, description, "1", [PICTURE.shape], [(0.5, 0.5)])
    assert [(finding.label, finding.level) for finding in answer.findings] == [("region", 0), ("disc", 2), ("disc", 1)]
    np.testing.assert_allclose(
        [finding.box for finding in answer.findings], [(10, 10, 60, 90), UPPER, LOWER], atol=1e-3
    )
    upper, lower = answer.findings[1:]
    # Grown by 5 % each way and outwards to whole pixels: 2 columns and 1 row of the region around each disc.
    for finding, (x0, y0, x1, y1), grey in ((upper, UPPER, 0.65), (lower, LOWER, 0.95)):
        inner, outer = (x1 - x0) * (y1 - y0), (x1 - x0 + 4) * (y1 - y0 + 2)
        mean = (grey * inner + 0.35 * (outer - inner)) / outer
        degeneration, narrowing = finding.grades
        assert degeneration.probabilities[1] == pytest.approx(mean, abs=1e-4)
        assert narrowing.probabilities[1] == pytest.approx(mean**2, abs=1e-4)
    assert answer.mask[24, 30] == 2
    assert answer.mask[65, 30] == 3
    assert answer.mask[5, 5] == 0
    assert answer.measurements.unit == "mm"


def test_files_and_images_are_answered_alike(model):
    of_files = ask(model, PICTURE)
    of_images = model.signatures["image"](image=tf.constant(as_image(PICTURE)))
    for name, values in of_files.items():
        np.testing.assert_allclose(values, of_images[name].numpy(), atol=1e-6)


def test_where_nothing_is_found_there_are_no_rows_and_all_is_background(model):
    outputs = ask(model, NOTHING)
    assert outputs["num_detections"].tolist() == [0]
    assert outputs["detection_boxes"].shape == (1, 0, 4)
    assert outputs["disc_probabilities_degeneration"].shape == (1, 0, 2)
    assert not outputs["mask"].any()
    assert (outputs["probabilities"] == [1, 0, 0, 0]).all()


def test_pictures_of_a_request_do_not_touch_each_other(model):
    other = scan(100, 80, (0, 0, 70, 100), (5, 5, 30, 12))
    outputs = ask(model, NOTHING, PICTURE, other)
    assert outputs["num_detections"].tolist() == [0, 3, 2]
    assert outputs["disc_level"].tolist() == [[0, 0, 0], [0, 2, 1], [0, 1, 0]]
    for number, picture in enumerate((NOTHING, PICTURE, other)):
        for name, values in ask(model, picture).items():
            together = outputs[name][number]
            if name.startswith(("detection", "disc")):
                together, padding = np.split(together, [values.shape[1]])
                assert not padding.any()
            np.testing.assert_allclose(together, values[0], atol=1e-6)


def test_a_request_of_nothing_has_an_answer_of_nothing(model):
    outputs = model.signatures["serving_default"](image_bytes=tf.constant([], tf.string))
    assert {len(value) for value in outputs.values()} == {0}


class InMemory:
    """A case that is called as its SavedModel is, without being saved."""

    def __init__(self, case):
        self.parts = open_parts(case, no_experiment)
        self.chain = load_chain(case, self.parts)
        self.signatures = {name: getattr(self.chain, name) for name in ("serving_default", "members")}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Files of pictures of any sizes, with a region and one disc anywhere."""
    root, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for number in range(5):
        height, width = random.integers(12, 90, 2)
        x0, y0 = random.integers(0, width - 6), random.integers(0, height - 6)
        x1, y1 = random.integers(x0 + 4, width + 1), random.integers(y0 + 4, height + 1)
        disc = (x0 + 1, y0 + 1, random.integers(x0 + 2, x1), random.integers(y0 + 2, y1))
        write_png16(scan(height, width, (x0, y0, x1, y1), disc), root / f"{number}.png")
    return sorted(root.iterdir())


def test_it_equals_its_stages_on_pictures_of_any_size(model, case, pictures):
    assert (
        measure_case_parity(model, Stages(case, open_parts(case, no_experiment)), list(map(truth.Region, pictures)))
        < 1e-5
    )


def test_with_a_region_it_equals_its_stages_and_leaves_the_rest_background(case, pictures):
    in_region = case.model_copy(update={"region": Region(label="region", grow=0.25), "discs": Discs(count=1)})
    served = InMemory(in_region)
    assert measure_case_parity(served, Stages(in_region, served.parts), list(map(truth.Region, pictures))) < 1e-5
    found = ask(served, PICTURE)
    assert found["disc_level"].tolist() == [[0, 1, 0]]  # the other disc is found, and not graded
    # The region of 50 x 80 pixels grows by 25 % in all, to 4 to 66 and 0 to 100.
    assert not found["mask"][0][:, :3].any()
    assert not found["mask"][0][:, 67:].any()
    assert found["mask"][0][10:90, 10:60].all()
    assert (found["probabilities"][0][:, 67:] == [1, 0, 0, 0]).all()
    nothing = ask(served, NOTHING)
    assert (nothing["probabilities"] == [1, 0, 0, 0]).all()
    assert not nothing["mask"].any()


def test_discs_below_the_confidence_are_no_rows(case):
    outputs = ask(InMemory(case.model_copy(update={"discs": Discs(confidence=0.75)})), PICTURE)
    assert outputs["detection_scores"] == pytest.approx(np.array([[0.9, 0.8]]))
    assert outputs["disc_level"].tolist() == [[0, 1]]


def test_members_are_told_apart_with_their_disagreement(model):
    served = model.signatures["members"](image_bytes=tf.constant([png(PICTURE)]))
    outputs = {name: value.numpy() for name, value in served.items()}
    for name, values in ask(model, PICTURE).items():
        np.testing.assert_allclose(outputs[name], values, atol=1e-6)
    # Each part has one member here, which agrees with itself.
    np.testing.assert_allclose(
        outputs["disc_probabilities_narrowing_members"][:, :, 0], outputs["disc_probabilities_narrowing"]
    )
    np.testing.assert_allclose(outputs["probabilities_members"][:, 0], outputs["probabilities"])
    assert outputs["disagreement"].shape == (1, 100, 80)
    assert outputs["disc_disagreement_degeneration"].shape == (1, 3)
    assert np.abs(outputs["disagreement"]).max() < 1e-6


def test_two_members_of_a_part_disagree_by_so_many_bits(case):
    in_region = case.model_copy(update={"region": Region(label="region", grow=0)})
    parts = open_parts(in_region, no_experiment)
    degeneration, narrowing = parts.grades["degeneration"], parts.grades["narrowing"]
    both = replace(degeneration, members=(*degeneration.members, *narrowing.members), mean=Mean((0.25, 0.75)))
    twice = replace(parts.segmentation, members=parts.segmentation.members * 2, mean=Mean((0.5, 0.5)))
    chain = load_chain(in_region, replace(parts, grades={"degeneration": both}, segmentation=twice))
    outputs = {name: value.numpy() for name, value in chain.members(tf.constant([png(PICTURE)])).items()}
    members = outputs["disc_probabilities_degeneration_members"]
    assert members.shape == (1, 3, 2, 2)
    fused = outputs["disc_probabilities_degeneration"]
    np.testing.assert_allclose(fused, 0.25 * members[:, :, 0] + 0.75 * members[:, :, 1], atol=1e-6)
    first, second, both_together = (entropy(p) for p in (members[0, 1, 0], members[0, 1, 1], fused[0, 1]))
    expected = both_together - 0.25 * first - 0.75 * second
    assert expected > 0.01
    assert outputs["disc_disagreement_degeneration"][0, 1] == pytest.approx(expected, abs=1e-5)
    assert outputs["disc_disagreement_degeneration"][0, 0] == 0  # the region is no disc
    assert outputs["probabilities_members"].shape == (1, 2, 100, 80, 4)
    assert (outputs["probabilities_members"][0, :, :10] == [1, 0, 0, 0]).all()
    assert np.abs(outputs["disagreement"]).max() < 1e-6  # it is one member twice


def entropy(probabilities):
    return -(probabilities * np.log2(probabilities)).sum()


def test_it_says_which_names_its_numbers_have(model, case):
    told = model.signatures["describe"](question=tf.constant(["?"]))["json"].numpy()[0]
    description = Description.from_json(told)
    assert description.targets == {"degeneration": GRADES, "narrowing": GRADES}
    assert (description.disc, description.mask_labels) == ("disc", PIXELS)
    assert description.members["narrowing"] == ("squared",)
    assert description.model_dump(mode="json") == Member.open(case.directory).card.details["description"]


LOAD = """
import json, sys
for name in ("keras", "spine", "ensemble", "pydantic"):
    sys.modules[name] = None
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
outputs = model.signatures["serving_default"](image_bytes=tf.constant([open(sys.argv[2], "rb").read()]))
print(json.dumps(outputs["disc_level"].numpy().tolist()))
"""


def test_it_loads_with_tensorflow_alone(model, case, tmp_path):
    (tmp_path / "picture.png").write_bytes(png(PICTURE))
    done = run_clean(LOAD, tmp_path, str(Member.open(case.directory).model), "picture.png")
    assert json.loads(done) == [[0, 2, 1]]


def test_what_is_unchanged_is_not_exported_again(model, case):
    written = Member.open(case.directory).card
    assert export_case(case, no_experiment)[0].name == "1"
    assert Member.open(case.directory).card == written
    wider = case.model_copy(update={"discs": Discs(grow=0.2)})
    assert export_case(wider, no_experiment)[0].name == "2"


def test_a_model_that_differs_from_its_stages_is_not_published(case, tmp_path, monkeypatch):
    case = case.model_copy(update={"runs": tmp_path / "runs"})
    write_png16(PICTURE, tmp_path / "picture.png")
    monkeypatch.setattr(export, "_pictures", lambda parts: [truth.Region(tmp_path / "picture.png")])
    right = Stages.of_box
    monkeypatch.setattr(Stages, "of_box", lambda self, *where: right(self, *where) + 0.001)
    with pytest.raises(SpineError, match="differs from its stages run one by one by 1"):
        export_case(case, no_experiment)
    assert not (case.directory / "member.json").exists()
    assert not Member.versions_of(case.directory)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"discs": {"label": "dsc"}}, "has no label 'dsc'; its labels are region, disc"),
        ({"region": {"label": "lumbar"}}, "has no label 'lumbar'"),
        ({"detector": "grey"}, "detector names a model for classification; a case needs one for detection there"),
        ({"segmentation": "nowhere"}, "segmentation: .*nowhere does not exist"),
        ({"segmentation": None, "grades": None}, "neither grades nor a segmentation"),
        ({"segmentation": None, "region": {"label": "region"}}, "a region, which is cut out for a segmentation"),
        ({"grades": {"a b": "grey"}}, "'a b' cannot be part of an output's name"),
        ({"export": {"frozen": True}}, "export.frozen is of ensembles"),
        ({"grow": 0.2}, "unknown key; the known ones are name, runs, detector"),
    ],
)
def test_parts_that_do_not_fit_are_refused(case, changes, message, tmp_path):
    import yaml

    root = case.runs.parent
    raw = yaml.safe_load(case.model_dump_json()) | {"runs": str(tmp_path)}
    placed = {key: str(root / value) if isinstance(value, str) else value for key, value in changes.items()}
    raw = {key: value for key, value in {**raw, **placed}.items() if value is not None}
    (tmp_path / "case.yaml").write_text(yaml.safe_dump(raw))
    with pytest.raises(SpineError, match=message):
        export_case(load_case(tmp_path / "case.yaml"), no_experiment)


def test_a_directory_of_another_kind_is_not_overwritten(case):
    taken = CaseSettings(**{**case.model_dump(), "name": "grey", "runs": case.runs.parent})
    with pytest.raises(SpineError, match="holds the network 'grey'; choose another name or runs"):
        export_case(taken, no_experiment)


def test_its_card_says_what_it_is(model, case):
    card = read_json(case.directory / "member.json", "")
    assert (card["task"], card["kind"], card["labels"]) == ("case", "case", ["region", "disc"])
    assert card["details"]["parts"]["grades.narrowing"] == ["squared"]
    assert set(card["outputs"]) == set(ask(model, PICTURE))


def test_a_classifier_of_another_target_is_no_grade(case):
    part = replace(open_parts(case, no_experiment).grades["narrowing"], target="narrowing")
    assert require_target(part, "narrowing") is part
    with pytest.raises(SpineError, match=r"classifier of 'narrowing'; write grades: \{narrowing: \.\.\.\}"):
        require_target(part, "herniation")


@pytest.mark.parametrize("text", ["detectors: x\ndiscs: {}", "grades: {}", "detector: x"])
def test_a_case_is_known_by_any_of_its_keys(text, tmp_path):
    (tmp_path / "case.yaml").write_text(text)
    assert is_case(tmp_path / "case.yaml")
    with pytest.raises(SpineError, match="name: is required"):
        load_case(tmp_path / "case.yaml")


def test_other_files_are_no_case(tmp_path):
    for text in ("experiments: []\ncases: []", "task: detection\ndetector: x", "sources: []\ncrop: {}"):
        (tmp_path / "other.yaml").write_text(text)
        assert not is_case(tmp_path / "other.yaml")
