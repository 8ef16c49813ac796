"""A member, an ensemble or a case asked in this process."""

import numpy as np
import pytest

from pipeline.client import LocalModel, SentPicture
from spine.answers.description import NOT_FOR_DIAGNOSIS
from spine.core.problems import SpineError
from spine.member.member import Member
from tests.case_on_disk import GRADES, PIXELS, MeanGrey, NearestLevel, write_member
from tests.member_contract import png

pytestmark = pytest.mark.slow


def test_a_case_answers_with_findings_mask_and_measurements(case, picture_png):
    model = LocalModel.open(case)
    answer = model.answer(picture_png, (0.5, 0.5))
    assert (answer.model, answer.version, model.version) == ("lumbar", "1", "1")
    assert [(finding.label, finding.level) for finding in answer.findings] == [("region", 0), ("disc", 2), ("disc", 1)]
    assert [grade.target for grade in answer.findings[1].grades] == ["degeneration", "narrowing"]
    assert answer.mask[24, 30] == 2
    assert answer.measurements.unit == "mm"
    assert answer.to_json()["note"] == NOT_FOR_DIAGNOSIS


def test_trained_members_are_asked_too(tmp_path, picture, picture_png):
    graded = LocalModel.open(write_member(tmp_path / "grey", "classification", GRADES, MeanGrey(1.0)))
    (finding,) = graded.answer(picture_png).findings
    assert finding.grades[0].probabilities[1] == pytest.approx(picture.mean() / 65535, abs=1e-4)
    outlined = LocalModel.open(write_member(tmp_path / "levels", "segmentation", PIXELS, NearestLevel(60.0)))
    answer = outlined.answer(picture_png, members=True)
    assert answer.mask_labels == PIXELS
    assert (answer.mask[24, 30], answer.mask[0, 0]) == (2, 0)


def test_several_pictures_in_one_request_are_answered_as_each_alone(case, tmp_path, picture):
    other = np.roll(picture, 5, axis=0)
    sent = [SentPicture("one", picture, (0.5, 0.5)), SentPicture("other", other)]
    model = LocalModel.open(case)
    assert model.needs_one_size
    for answer, one in zip(model.read(model.outputs_of(sent), sent), sent, strict=True):
        alone = model.answer(one.png, one.spacing)
        assert answer.to_json() == alone.to_json()
        np.testing.assert_array_equal(answer.mask, alone.mask)
    graded = LocalModel.open(write_member(tmp_path / "grey", "classification", GRADES, MeanGrey(1.0)))
    assert not graded.needs_one_size
    sizes = [SentPicture("one", picture), SentPicture("cut", picture[:40])]
    together = graded.read(graded.outputs_of(sizes), sizes)
    assert [one.to_json() for one in together] == [graded.answer(one.png).to_json() for one in sizes]


def test_a_model_of_others_is_not_run(tmp_path):
    path = write_member(tmp_path / "grey", "classification", GRADES, MeanGrey(1.0))
    (path / ".trusted").unlink()
    with pytest.raises(SpineError, match="was not made in this project"):
        LocalModel.open(path)
    with pytest.raises(SpineError, match="is not a member"):
        LocalModel.open(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no picture", png(np.zeros((5, 5), np.uint16))[:40]])
def test_what_is_no_picture_gets_a_sentence(content, case):
    with pytest.raises(SpineError, match="picture"):
        LocalModel.open(case).answer(content)


def test_damaged_models_get_a_sentence(tmp_path):
    path = write_member(tmp_path / "grey", "classification", GRADES, MeanGrey(1.0))
    (Member.open(path).model / "saved_model.pb").write_bytes(b"damaged")
    Member.open(path).seal()
    with pytest.raises(SpineError, match="export or train it again"):
        LocalModel.open(path)
