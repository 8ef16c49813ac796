"""An answer as a structured report: TID 1500 of PS3.16, a measurement group a finding and a measured structure.

    image            how many findings there are, and grades of the whole picture        TID 1501
    box              bounded by a polyline of its corners: level, score, grades          TID 1410
    disc, vertebra,  level, heights, widths and ratios in UCUM units; or why there are   TID 1501
    canal            none

Coordinates are those of PS3.3 C.18.6.1.2, as boxes have them: (0, 0) is the outer corner of the first pixel.
A level is a number, counted from below: whether 1 is L5/S1, no picture of part of a spine can tell, so no code of a
vertebra or disc is given.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from highdicom import sr
from pydicom import Dataset
from pydicom.sr.codedict import codes

from spine.answers.answer import UNDECIDED, Answer, Finding, Grade
from spine.dicom_results.codes import grade, own, structure, target
from spine.dicom_results.identity import MANUFACTURER, Identity, uid_of
from spine.dicom_results.measured import measured_structures, measurement
from spine.dicom_results.source import StoredFrame

__all__ = ["report_of"]

_PROCEDURES = {
    "MR": codes.cid100.MRIUnspecifiedBodyRegion,
    "CT": codes.cid100.CTUnspecifiedBodyRegion,
    **dict.fromkeys(("CR", "DX", "RG", "RF"), codes.cid100.XRUnspecifiedBodyRegion),
}


def report_of(answer: Answer, frame: StoredFrame, occasion: str = "") -> Dataset:
    """The report of an answer, of one without findings too, which says that there are none."""
    identity = Identity("report", answer, frame, occasion)
    content = sr.MeasurementReport(
        observation_context=_observed_by(identity),
        procedure_reported=_PROCEDURES.get(frame.image.modality, codes.cid100.ImagingProcedure),
        imaging_measurements=list(_groups(answer, frame, identity)),
    )
    for text in (identity.note, *answer.remarks, *answer.said_of_decisions):
        content[0].ContentSequence.append(
            sr.TextContentItem(codes.DCM.Comment, text, sr.RelationshipTypeValues.CONTAINS)
        )
    return sr.ComprehensiveSR(
        evidence=[frame.dataset], content=content, is_complete=True, is_final=False, **identity.keywords()
    )


def _observed_by(identity: Identity) -> sr.ObservationContext:
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=uid_of("model", identity.model, identity.version),
        name=identity.model,
        manufacturer_name=MANUFACTURER,
        model_name=identity.model,
        serial_number=f"version {identity.version}",
    )
    return sr.ObservationContext(observer_device_context=sr.ObserverContext(codes.DCM.Device, device))


def _groups(
    answer: Answer, frame: StoredFrame, identity: Identity
) -> Iterator[sr.MeasurementsAndQualitativeEvaluations | sr.PlanarROIMeasurementsAndQualitativeEvaluations]:
    boxes = [finding for finding in answer.findings if finding.box is not None]
    whole = [finding for finding in answer.findings if finding.box is None]
    yield _of_image(whole, len(boxes), frame, identity)
    for number, finding in enumerate(boxes, start=1):
        yield _of_box(number, finding, frame, identity)
    for one in measured_structures(answer.measurements):
        yield sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=_tracked(identity, one.name),
            finding_type=one.code,
            algorithm_id=_algorithm(identity),
            measurements=[_level(one.level), *one.measurements],
            qualitative_evaluations=one.remarks,
            source_images=[_group_source(frame)],
        )


def _of_image(
    whole: list[Finding], boxes: int, frame: StoredFrame, identity: Identity
) -> sr.MeasurementsAndQualitativeEvaluations:
    grades = [one for finding in whole for one in finding.grades]
    counted = sr.Measurement(own("boxes", "Number of boxes that were found"), boxes, codes.UCUM.NoUnits)
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracked(identity, "picture"),
        algorithm_id=_algorithm(identity),
        measurements=[counted, *_probabilities(grades)],
        qualitative_evaluations=_evaluations(grades),
        source_images=[_group_source(frame)],
    )


def _of_box(
    number: int, finding: Finding, frame: StoredFrame, identity: Identity
) -> sr.PlanarROIMeasurementsAndQualitativeEvaluations:
    measurements = [_level(finding.level)] if finding.level else []
    if finding.score is not None:
        measurements += measurement(codes.DCM.CertaintyOfFinding, 100 * finding.score, codes.UCUM.Percent)
    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracked(identity, f"box {number} {finding.label}", f"level {finding.level}"),
        referenced_region=_region(finding, frame),
        geometric_purpose=codes.SCT.BoundedBy,
        finding_type=structure(finding.label),
        algorithm_id=_algorithm(identity),
        measurements=[*measurements, *_probabilities(finding.grades)],
        qualitative_evaluations=_evaluations(finding.grades),
    )


def _region(finding: Finding, frame: StoredFrame) -> sr.ImageRegion:
    x0, y0, x1, y1 = map(float, finding.box or ())
    corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)])
    image = sr.SourceImageForRegion(*_reference(frame))
    return sr.ImageRegion(sr.GraphicTypeValues.POLYLINE, corners, image)


def _group_source(frame: StoredFrame) -> sr.SourceImageForMeasurementGroup:
    return sr.SourceImageForMeasurementGroup(*_reference(frame))


def _reference(frame: StoredFrame) -> tuple[str, str, list[int] | None]:
    return frame.dataset.SOPClassUID, frame.dataset.SOPInstanceUID, None if frame.number is None else [frame.number]


def _tracked(identity: Identity, *names: str) -> sr.TrackingIdentifier:
    return sr.TrackingIdentifier(uid_of(identity.sop_instance, *names), names[0])


def _algorithm(identity: Identity) -> sr.AlgorithmIdentification:
    return sr.AlgorithmIdentification(
        name=identity.model,
        version=identity.version,
        parameters=["not for diagnosis"],
        manufacturer=MANUFACTURER,
    )


def _level(level: int) -> sr.Measurement:
    return sr.Measurement(own("level", "Level, counted from below, 1 the lowest"), level, codes.UCUM.NoUnits)


def _evaluations(grades: tuple[Grade, ...] | list[Grade]) -> list[sr.QualitativeEvaluation]:
    return [
        *(sr.QualitativeEvaluation(target(one.target), grade(one.best)) for one in grades),
        *(evaluation for one in grades for evaluation in _decisions(one)),
    ]


def _decisions(one: Grade) -> Iterator[sr.QualitativeEvaluation]:
    """What was decided beside the likeliest label: at the operating point, and whether the set of labels decides."""
    if one.decided is not None:
        name = own(f"{one.target} decision", f"Decision on {one.target} at its operating point")
        yield sr.QualitativeEvaluation(name, grade(one.decided))
    if one.prediction_set is not None:
        is_one = own("decided", "One label") if not one.is_undecided else own(UNDECIDED, _undecided(one))
        yield sr.QualitativeEvaluation(own(f"{one.target} set", f"Labels that {one.target} may have"), is_one)
        name = own(f"{one.target} may be", f"Label that {one.target} may have")
        yield from (sr.QualitativeEvaluation(name, grade(label)) for label in one.prediction_set)


def _undecided(one: Grade) -> str:
    return "Undecided: more than one label" if one.prediction_set else "Undecided: no label"


def _probabilities(grades: tuple[Grade, ...] | list[Grade]) -> Iterator[sr.Measurement]:
    for one in grades:
        for label, probability in zip(one.labels, one.probabilities, strict=True):
            name = own(f"{one.target} {label}", f"Probability of {one.target} {label}")
            yield from measurement(name, probability, codes.UCUM.NoUnits)
        for label, probability in zip(one.labels, [] if one.calibrated is None else one.calibrated, strict=False):
            name = own(f"{one.target} {label} calibrated", f"Calibrated probability of {one.target} {label}")
            yield from measurement(name, probability, codes.UCUM.NoUnits)
        name = own(f"{one.target} bits", f"Disagreement of the members on {one.target}, in bits")
        yield from measurement(name, one.disagreement, codes.UCUM.NoUnits)
