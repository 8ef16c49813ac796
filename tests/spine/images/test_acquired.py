"""What is kept of a header: bands of ages and known makers, and nothing that names anyone."""

from dataclasses import astuple

import pytest

from spine.images.acquired import AGE_BANDS, Acquired, age_band, maker_of
from spine.images.dicom.acquired import acquired_of
from spine.images.dicom.values import Header
from tests.spine.images.dicom.dicom_samples import sample


@pytest.mark.parametrize(
    ("years", "band"),
    [(0, "0-9"), (9.99, "0-9"), (10, "10-19"), (89.9, "80-89"), (90, "90+"), (103, "90+"), (-1, ""), (400, "")],
)
def test_ages_lie_in_bands_of_ten_years_and_one_above_89(years, band):
    assert age_band(years) == band
    assert len(AGE_BANDS) == 10


@pytest.mark.parametrize(
    ("name", "maker"),
    [
        ("SIEMENS", "Siemens"),
        ("Siemens Healthineers", "Siemens"),
        ("Philips Medical Systems", "Philips"),
        ("GE MEDICAL SYSTEMS", "GE"),
        ("GE", "GE"),
        ("TOSHIBA_MEC", "Canon"),
        ("Doe^Jane", "other"),
        ("Geneva Imaging", "other"),
        ("", ""),
    ],
)
def test_a_maker_is_one_that_is_known_or_other(name, maker):
    assert maker_of(name) == maker


@pytest.mark.parametrize(
    ("elements", "age"),
    [
        ({"PatientAge": "045Y"}, "40-49"),
        ({"PatientAge": "018M"}, "0-9"),
        ({"PatientAge": "130M"}, "10-19"),
        ({"PatientBirthDate": "19300101", "StudyDate": "20240101"}, "90+"),
        ({"PatientAge": "045Y", "PatientBirthDate": "19300101", "StudyDate": "20240101"}, "40-49"),
        ({"PatientBirthDate": "20240101", "StudyDate": "19300101"}, ""),
        ({"PatientBirthDate": "19301345", "StudyDate": "20240101"}, ""),
        ({"PatientBirthDate": "19300101"}, ""),
        ({}, ""),
    ],
)
def test_an_age_is_stated_or_the_time_since_birth(elements, age):
    assert acquired_of(Header.of(sample(**elements))).age == age


def test_nothing_that_names_the_patient_is_kept():
    told = {"PatientSex": "F", "Manufacturer": "Doe^Jane", "BurnedInAnnotation": "YES", "PatientAge": "061Y"}
    kept = acquired_of(Header.of(sample(**told)))
    assert kept == Acquired("60-69", "F", "other", "MR", "YES")
    assert not {"Doe^Jane", "12345", "1.2.1"} & set(astuple(kept))


@pytest.mark.parametrize(("sex", "kept"), [("M", "M"), ("O", "O"), ("f", "F"), ("female", ""), ("", "")])
def test_a_sex_is_one_of_the_standards(sex, kept):
    assert acquired_of(Header.of(sample(PatientSex=sex))).sex == kept
