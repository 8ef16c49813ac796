"""What a build keeps of DICOM headers: bands, sexes and makers in images.csv, and no name, date or number anywhere."""

import pandas as pd

from spine.dataset.manifest import Manifest
from spine.intake import DataConfig, build
from tests.spine.images.dicom.dicom_samples import sample, save

TOLD = {
    "PatientBirthDate": "19610203",
    "StudyDate": "20240504",
    "PatientSex": "F",
    "Manufacturer": "SIEMENS",
    "InstitutionName": "Mercy Hospital",
    "BurnedInAnnotation": "NO",
}


def test_headers_are_kept_in_bands_and_nobody_is_named(tmp_path):
    for number in range(3):
        uids = {key: f"1.2.{number}.{key[:2] == 'SO'}" for key in ("StudyInstanceUID", "SeriesInstanceUID")}
        named = {"PatientID": f"4711{number}", "PatientName": "Doe^Jane", "SOPInstanceUID": f"1.2.3.{number}"}
        told = TOLD if number else {**TOLD, "PatientBirthDate": "19200101", "PatientSex": "M", "Manufacturer": "Doe"}
        save(sample([[number, 1], [2, 300]], **named, **uids, **told), tmp_path / "in" / f"{number}.dcm")
    config = DataConfig.model_validate(
        {
            "name": "d",
            "output": tmp_path / "out",
            "sources": [{"name": "mr", "images": tmp_path / "in", "unnamed": "background", "slices": None}],
            "splits": {"train": 0.34, "validation": 0.33, "test": 0.33},
        }
    )
    images = Manifest.read(build(config).root).images
    kept = images[["age", "sex", "manufacturer", "modality", "burned_in"]].drop_duplicates()
    assert sorted(map(tuple, kept.to_numpy().tolist())) == [
        ("60-69", "F", "Siemens", "MR", "NO"),
        ("90+", "M", "other", "MR", "NO"),
    ]
    written = "".join(path.read_text() for path in (tmp_path / "out").glob("*.*") if path.suffix in (".csv", ".json"))
    assert not [name for name in ("Doe", "4711", "19610203", "1961", "2024", "Mercy") if name in written]
    assert len(pd.read_csv(tmp_path / "out" / "images.csv")) == 3
