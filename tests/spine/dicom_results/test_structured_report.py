import numpy as np
import pytest
from highdicom.sr import MeasurementReport, srread
from pydicom.sr.codedict import codes

from spine.answers.answer import Answer, Finding, Grade
from spine.answers.decision_rules import DecisionRules
from spine.dicom_results.codes import own, structure
from spine.dicom_results.source import Source
from spine.dicom_results.write import results_of
from spine.images.dicom.write import MRSeries, write_mr_series
from spine.measurements import Canal, Disc, Heights, Measurements, Vertebra

PFIRRMANN = Grade("pfirrmann", ("1", "2"), np.array([0.25, 0.75]), disagreement=0.125)
HERNIATION = Grade("herniation", ("negative", "positive"), np.array([0.9, 0.1]))
DISC = Finding("disc", (3.0, 5.5, 9.0, 10.0), 0.875, 2, (PFIRRMANN, HERNIATION))
MEASURED = Measurements(
    "mm",
    "right",
    discs=(Disc(1, (8.0, 6.0), "measured", Heights(7.5, 9.0, 6.25), width=30.0, height_index=0.3),),
    vertebrae=(Vertebra(1, (3.0, 6.0), "cut"),),
    canal=(Canal(1, "measured", 11.5),),
    ignored=0,
)


@pytest.fixture
def frame(tmp_path):
    pixels = np.zeros((1, 24, 20), np.uint16)
    return Source(write_mr_series(pixels, MRSeries("p1", "1", 3, "T2", (0.0, 0.0, 0.0)), tmp_path)[0]).read()


def written(frame, tmp_path, *findings, measurements=None):
    answer = Answer("case", "3", 24, 20, None, findings, measurements=measurements)
    results_of(answer, frame.source)["report"].save_as(tmp_path / "r.dcm")
    return srread(tmp_path / "r.dcm")


def values(group):
    return {one.name.meaning: (one.value, one.unit.value) for one in group.get_measurements()}


def test_a_box_is_bounded_by_its_corners_and_has_level_score_and_grades(frame, tmp_path):
    report = written(frame, tmp_path, DISC)
    (group,) = report.content.get_planar_roi_measurement_groups()
    assert group.roi.value.tolist() == [[3, 5.5], [9, 5.5], [9, 10], [3, 10], [3, 5.5]]
    assert group.finding_type == structure("disc")
    purpose = [item.value for item in group[0].ContentSequence if item.name == codes.DCM.GeometricPurposeOfRegion]
    assert purpose == [codes.SCT.BoundedBy]
    assert values(group) == {
        "Level, counted from below, 1 the lowest": (2, "1"),
        "Certainty of Finding": (87.5, "%"),
        "Probability of pfirrmann 1": (0.25, "1"),
        "Probability of pfirrmann 2": (0.75, "1"),
        "Disagreement of the members on pfirrmann, in bits": (0.125, "1"),
        "Probability of herniation negative": (0.9, "1"),
        "Probability of herniation positive": (0.1, "1"),
    }
    graded = {one.name: one.value for one in group.get_qualitative_evaluations()}
    assert graded[own("pfirrmann")] == own("2")
    herniation = next(name for name in graded if name.scheme_designator == "SCT")
    assert (herniation.value, graded[herniation].value) == ("73589001", "RID28473")  # RadLex: absent


def test_measurements_have_units_and_structures_that_were_not_measured_say_why(frame, tmp_path):
    report = written(frame, tmp_path, measurements=MEASURED)
    _, disc, vertebra, canal = report.content.get_image_measurement_groups()
    level = "Level, counted from below, 1 the lowest"
    assert [one.value for one in disc.get_measurements(name=codes.DCM.Height)] == [7.5, 9, 6.25]
    places = [one.finding_sites[0].topographical_modifier for one in disc.get_measurements(name=codes.DCM.Height)]
    assert places == [codes.SCT.Anterior, codes.SCT.Central, codes.SCT.Posterior]
    assert values(disc)["Width"] == (30, "mm")
    assert values(disc)["Disc height by that of the vertebra above"] == (0.3, "{ratio}")
    assert values(vertebra) == {level: (1, "1")}
    assert [one.value for one in vertebra.get_qualitative_evaluations()] == [own("cut")]
    assert values(canal) == {level: (1, "1"), "Least antero-posterior width": (11.5, "mm")}


def test_long_names_that_differ_at_their_end_stay_two():
    names = [f"Wahrscheinlichkeit von {'狭' * 18} {end}" for end in ("leicht", "schwer")]
    concepts = [own(name, f"Probability of {name}") for name in names]
    assert len({one.value for one in concepts}) == len({one.meaning for one in concepts}) == 2
    assert all(len(text.encode()) <= 64 for one in concepts for text in (one.value, one.meaning))
    assert own("short").value == "short"


def test_a_report_without_findings_says_so_and_all_say_what_they_are(frame, tmp_path):
    report = written(frame, tmp_path)
    (group,) = report.content.get_image_measurement_groups()
    assert values(group) == {"Number of boxes that were found": (0, "1")}
    assert group.source_images[0].referenced_sop_instance_uid == frame.dataset.SOPInstanceUID
    content = report.content[0].ContentSequence
    (comment,) = [item.value for item in content if item.name == codes.DCM.Comment]
    assert comment == "Research software: not for diagnosis. Answered by case, version 3."
    assert "not for diagnosis" in report.SeriesDescription
    assert isinstance(report.content, MeasurementReport)
    assert report.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == "99SPINE"
    assert report.StudyInstanceUID == frame.dataset.StudyInstanceUID


def test_grades_of_a_whole_picture_are_the_picture_s(frame, tmp_path):
    report = written(frame, tmp_path, Finding("", grades=(PFIRRMANN,)))
    (group,) = report.content.get_image_measurement_groups()
    assert [one.value for one in group.get_qualitative_evaluations()] == [own("2")]
    assert values(group)["Probability of pfirrmann 2"] == (0.75, "1")


def test_decisions_stand_beside_the_likeliest_label_and_say_how_they_were_made(frame, tmp_path):
    labels = ("negative", "positive")
    values_of = {"calibrated": np.array([0.75, 0.25]), "decided": "positive", "prediction_set": labels}
    grades = (
        Grade("herniation", labels, np.array([0.9, 0.1]), **values_of),
        Grade("endplate", labels, np.array([0.9, 0.1]), prediction_set=()),
        Grade("spurs", labels, np.array([0.9, 0.1]), prediction_set=("negative",)),
    )
    rules = {"herniation": DecisionRules(kind="sensitivity", asked=0.9, threshold=0.0625)}
    answer = Answer("case", "3", 24, 20, None, (Finding("disc", DISC.box, 0.5, 1, grades),), rules=rules)
    results_of(answer, frame.source)["report"].save_as(tmp_path / "r.dcm")
    report = srread(tmp_path / "r.dcm")
    (group,) = report.content.get_planar_roi_measurement_groups()
    told = [(one.name.meaning, one.value.meaning) for one in group.get_qualitative_evaluations()]
    assert told[:3] == [("Herniation of intervertebral disc", "absent"), ("endplate", "absent"), ("spurs", "absent")]
    assert told[3:10] == [
        ("Decision on herniation at its operating point", "present"),
        ("Labels that herniation may have", "Undecided: more than one label"),
        ("Label that herniation may have", "absent"),
        ("Label that herniation may have", "present"),
        ("Labels that endplate may have", "Undecided: no label"),
        ("Labels that spurs may have", "One label"),
        ("Label that spurs may have", "absent"),
    ]
    assert values(group)["Calibrated probability of herniation positive"] == (0.25, "1")
    assert "Calibrated probability of spurs negative" not in values(group)
    comments = [item.value for item in report.content[0].ContentSequence if item.name == codes.DCM.Comment]
    assert comments[1:] == [
        "herniation is decided positive from a probability of 0.062 on, chosen for a sensitivity of 0.9."
    ]
