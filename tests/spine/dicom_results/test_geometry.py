"""Results of frames that lie in every way: on the source pixel for pixel, and valid."""

import shutil
import subprocess

import numpy as np
import pytest
from highdicom.seg import segread
from highdicom.sr import srread
from pydicom import dcmread

from spine.answers.answer import Answer, Finding, Grade
from spine.answers.decision_rules import DecisionRules
from spine.dicom_results.write import write_results
from spine.images.dicom.image import images_of
from spine.measurements import measure
from tests.spine.dicom_results.sources import KINDS, ORIENTATIONS, SHAPE, write_source

LABELS = ("background", "vertebra", "disc", "canal")
MASK = np.zeros(SHAPE, int)
MASK[2:9, 3:8], MASK[12:20, 10:17], MASK[3:22, 18] = 1, 2, 3
GRADE = Grade(
    "pfirrmann", ("1", "2"), np.array([0.25, 0.75]), calibrated=np.ones(2) / 2, decided="2", prediction_set=("1", "2")
)
ANSWER = Answer(
    *("case", "3", *SHAPE, (0.75, 0.5)),
    (Finding("disc", (10.0, 12.0, 17.0, 20.0), 0.9, 1, (GRADE,)),),
    *(MASK, LABELS),
    measurements=measure(MASK, LABELS, (0.75, 0.5)),
    rules={"pfirrmann": DecisionRules(kind="youden", threshold=0.5, coverage=0.9, calibration="isotonic")},
)


@pytest.fixture(scope="module", params=KINDS)
def results(request, tmp_path_factory):
    """What kind of source, the source, and paths of the results by name."""
    directory = tmp_path_factory.mktemp("results")
    source = write_source(request.param, directory / "source")
    return request.param, source, {path.stem: path for path in write_results(ANSWER, source, directory)}


def test_a_mask_lies_on_the_source_pixel_for_pixel(results):
    _, source, paths = results
    written, instance = segread(paths["segmentation"]), dcmread(source.path).SOPInstanceUID
    if source.path.name == "whole.dcm":
        found = written.get_pixels_by_source_frame(instance, [source.frame + 1], combine_segments=True)
    else:
        found = written.get_pixels_by_source_instance([instance], combine_segments=True)
    np.testing.assert_array_equal(found[0], MASK)


def test_a_mask_lies_in_the_patient_where_its_frame_lies(results):
    kind, source, paths = results
    written, image = segread(paths["segmentation"]), images_of(source.path)[source.frame]
    shared = written.SharedFunctionalGroupsSequence[0]
    if kind not in (*ORIENTATIONS, "enhanced"):
        assert "PlaneOrientationSequence" not in shared
        assert "FrameOfReferenceUID" not in written
        return
    assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == pytest.approx(image.orientation)
    assert shared.PixelMeasuresSequence[0].PixelSpacing == [0.75, 0.5]
    assert written.FrameOfReferenceUID == image.reference
    for frame in written.PerFrameFunctionalGroupsSequence:
        assert frame.PlanePositionSequence[0].ImagePositionPatient == pytest.approx(image.origin)


def test_a_box_is_on_the_frame(results):
    _, source, paths = results
    (group,) = srread(paths["report"]).content.get_planar_roi_measurement_groups()
    reference = group.roi.ContentSequence[0].ReferencedSOPSequence[0]
    assert reference.ReferencedSOPInstanceUID == dcmread(source.path).SOPInstanceUID
    assert reference.get("ReferencedFrameNumber") == (source.frame + 1 if source.path.name == "whole.dcm" else None)


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dciodvfy (Debian's dicom3tools) is not installed")
def test_results_are_valid(results):
    for path in results[2].values():
        told = subprocess.run(["dciodvfy", path], capture_output=True, text=True).stderr.splitlines()
        assert told, "dciodvfy said nothing, not even the name of the IOD"
        assert [line for line in told if "99SPINE" not in line and line.startswith(("Error", "Warning"))] == []


@pytest.mark.skipif(not shutil.which("dcentvfy"), reason="dcentvfy (Debian's dicom3tools) is not installed")
def test_results_are_of_the_patient_and_study_of_the_source(results):
    _, source, paths = results
    files = [*source.path.parent.iterdir(), *paths.values()]
    told = subprocess.run(["dcentvfy", *files], capture_output=True, text=True).stderr.splitlines()
    assert [line for line in told if line.startswith("Error")] == []
