"""The fracture phantom: a folder a class that the intake reads, breaks that are where they are said to be."""

import cv2
import numpy as np
import pandas as pd
import pydicom
import pytest

from spine.core.files import hash_directory
from spine.core.problems import SpineError
from spine.core.strict import validate
from spine.dataset.manifest import Manifest
from spine.intake.build import build
from spine.intake.config import DataConfig
from spine.phantom import FractureSettings, generate
from spine.phantom.fracture.paint import paint_plane
from spine.phantom.fracture.patient import Break, draw_patient
from spine.phantom.fracture.scan import windowed
from spine.phantom.fracture.vertebra import grid

SMALL = FractureSettings(kind="fracture", patients=8, seed=2, size=(128, 200), pictures=(1, 2), dicom=True)


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    return generate(SMALL, tmp_path_factory.mktemp("fracture") / "small")


def test_equal_settings_give_equal_bytes_and_fewer_patients_the_same_ones(phantom, tmp_path):
    fewer = generate(SMALL.model_copy(update={"patients": 2}), tmp_path / "fewer")
    files = [path.relative_to(fewer) for path in fewer.glob("*/*/**/*") if path.is_file()]
    assert len(files) >= 4
    assert all((fewer / file).read_bytes() == (phantom / file).read_bytes() for file in files)
    other = generate(SMALL.model_copy(update={"patients": 2, "seed": 3}), tmp_path / "other")
    assert hash_directory(other / "pictures") != hash_directory(fewer / "pictures")


def test_the_abnormal_are_the_broken_and_sizes_vary(phantom):
    folders = {path.stem[:5]: path.parent.name for path in phantom.glob("pictures/*/*.png")}
    broken = set(pd.read_csv(phantom / "breaks.csv")["patient_id"])
    assert broken == {patient for patient, name in folders.items() if name == "Abnormal"}
    assert 0 < len(broken) < len(folders) == 8
    shapes = {cv2.imread(str(path), cv2.IMREAD_UNCHANGED).shape for path in phantom.glob("pictures/*/*.png")}
    assert len(shapes) == 8  # one a patient
    assert all(len(shape) == 2 and 128 <= shape[0] <= 200 for shape in shapes)


def test_pictures_are_the_density_by_the_window_that_the_dicom_names(phantom):
    for path in phantom.glob("pictures/*/*.png"):
        patient, number = path.stem.split("_")
        slice_ = pydicom.dcmread(phantom / "studies" / path.parent.name / patient / f"IM000{number}.dcm")
        density = slice_.pixel_array.astype(float) + float(slice_.RescaleIntercept)
        assert (slice_.Modality, slice_.RescaleType, slice_.PatientID) == ("CT", "HU", patient)
        shown = windowed(density, (slice_.WindowCenter, slice_.WindowWidth)).astype(int)
        grey = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(int)
        # The header's window is rounded to whole units.
        assert np.abs(shown - grey).max() <= 1


def test_air_soft_tissue_and_cortex_have_their_densities():
    patient = draw_patient("p", np.random.default_rng(1), fractured=0, difficulty=1)
    plane = paint_plane(patient, 0.0)
    across, down = grid()
    canal = (np.abs(across) < 3) & (np.abs(down - 15) < 2)
    body = (np.abs(across) < 5) & (np.abs(down) < 4)
    assert plane.min() < -950
    assert 0 < plane[canal].mean() < 80
    assert plane[canal].mean() + 80 < plane[body].mean() < 500
    assert plane.max() > 0.8 * patient.hard


def test_a_break_is_a_gap_in_bone_along_its_line_and_nowhere_else():
    rng = np.random.default_rng(4)
    whole = draw_patient("p", rng, fractured=0, difficulty=0)
    straight = Break("spinous", (-6.0, 28.0), (6.0, 28.0), gap=2.0, shift=0.0, reach=2.0, seed=0)
    broken = type(whole)(**{**vars(whole), "breaks": (straight,)})
    across, down = grid()
    near = (np.abs(across) < 1.5) & (np.abs(down - 28 * whole.scale) < 1.5)
    far = down < 4
    before, after = paint_plane(whole, 0.0), paint_plane(broken, 0.0)
    assert after[near].min() < 80 < before[near].min()
    assert np.abs(after - before)[far].max() < 10  # of more than 1000 HU at the cortex


def test_without_difficulty_nobody_has_lines_that_are_no_breaks():
    easy = [draw_patient("p", np.random.default_rng(i), 0.5, difficulty=0) for i in range(30)]
    assert not any(patient.veins or any(patient.facets) for patient in easy)
    assert {round(one.gap, 3) for patient in easy for one in patient.breaks} == {2.0}
    hard = [draw_patient("p", np.random.default_rng(i), 0.5, difficulty=1) for i in range(30)]
    assert any(patient.veins or any(patient.facets) for patient in hard if not patient.breaks)


@pytest.mark.parametrize(
    ("source", "read"), [("pictures", "picture"), ("studies", "dicom")]
)  # as the config reads them, and as DICOM
def test_the_ordinary_intake_reads_it(phantom, tmp_path, source, read):
    folder = str(phantom / source)
    told = {"format": "folders", "path": folder, "labels": ["Normal", "Abnormal"], "target": "fracture"}
    raw = {
        "name": "ct",
        "output": str(tmp_path / "built"),
        "sources": [
            {"name": "ct", "images": folder, "read": read, "slices": None, "patient": r"(ph\d+)", "annotations": [told]}
        ],
        "splits": {"train": 0.5, "validation": 0.25, "test": 0.25, "stratify": "fracture"},
    }
    built = build(validate(DataConfig, raw, "config"))
    assert built.problems == []
    manifest = Manifest.read(built.root)
    assert manifest.images["patient"].nunique() == 8
    assert len(manifest.labels) == len(list(phantom.glob("pictures/*/*.png")))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"pictures": [3, 1]}, "pictures"),
        ({"kind": "fractures"}, "the known ones are lumbar, .*Did you mean 'fracture'"),
        ({"fracture": 0.5}, "Did you mean 'fractured'"),
        ({"size": [60, 100]}, "size"),
    ],
)
def test_what_is_wrong_is_told(wrong, told):
    settings = {"kind": "fracture", **wrong}
    raw = {"name": "a", "output": "b", "sources": [], "phantom": {"directory": "c", "settings": settings}}
    with pytest.raises(SpineError, match=told):
        validate(DataConfig, raw, "config")
