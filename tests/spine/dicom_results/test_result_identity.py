import numpy as np
import pytest

from spine.answers.answer import Answer
from spine.dicom_results.identity import is_result, uids_of_results
from spine.dicom_results.source import Source
from spine.dicom_results.write import results_of, write_results
from spine.images.dicom.write import MRSeries, write_mr_series


@pytest.fixture
def sources(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 1000, (2, 24, 20)).astype(np.uint16)
    return [
        Source(path) for path in write_mr_series(pixels, MRSeries("p1", "1", 3, "T2 sag", (0, 0, 0)), tmp_path / "mr")
    ]


def answer(mask=True, version="3", marked=0):
    drawn = np.zeros((24, 20), int)
    drawn.flat[:marked] = 1
    return Answer("case", version, 24, 20, mask=drawn if mask else None, mask_labels=("background", "disc"))


def uids(*arguments):
    return {kind: str(result.SOPInstanceUID) for kind, result in results_of(*arguments).items()}


@pytest.mark.parametrize("mask", [True, False])
def test_uids_are_known_before_the_model_is_asked(sources, mask):
    assert uids_of_results(sources[0], "case", "3", mask=mask) == uids(answer(mask), sources[0])
    assert uids(answer(mask, marked=7), sources[0]) == uids(answer(mask), sources[0])


def test_another_frame_version_or_occasion_has_others(sources):
    given = [
        uids(answer(), sources[0]),
        uids(answer(), sources[1]),
        uids(answer(version="4"), sources[0]),
        uids(answer(), sources[0], "again"),
    ]
    assert len({uid for one in given for uid in one.values()}) == 4 * 3


def test_results_are_known_from_images(sources, tmp_path):
    assert all(map(is_result, write_results(answer(), sources[0], tmp_path)))
    assert not is_result(sources[0].path)
