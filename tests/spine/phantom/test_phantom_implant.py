"""The implant phantom: three sources that the label follows as often as asked, and records of the same pictures."""

from collections import Counter

import numpy as np
import pandas as pd
import pydicom
import pytest

from spine.annotations import read_annotations
from spine.core.files import hash_directory
from spine.core.strict import validate
from spine.dataset.manifest import Manifest
from spine.intake.build import build
from spine.intake.config import DataConfig
from spine.phantom import ImplantSettings, generate
from spine.phantom.implant import frontal
from spine.phantom.implant.film import Film, View
from spine.phantom.implant.patient import Curve, draw_patient
from spine.phantom.implant.pictures import take_films, take_study

SMALL = ImplantSettings(kind="implant", patients=8, seed=1, size=(128, 140), slices=(3, 5), confounding=1, plain=0)
OWN = {"xray": "Lum", "mri": "Lum", "scoliosis": "sco"}


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    return generate(SMALL, tmp_path_factory.mktemp("implant") / "small")


def tables(phantom) -> dict[str, pd.DataFrame]:
    return {source: pd.read_csv(phantom / source / "labels.csv", keep_default_na=False) for source in OWN}


def patients(**settings):
    known = {"kind": "implant", **settings}
    return [draw_patient(i, np.random.default_rng(i), ImplantSettings.model_validate(known)) for i in range(400)]


def test_equal_settings_give_equal_bytes_and_fewer_patients_the_same_ones(phantom, tmp_path):
    fewer = generate(SMALL.model_copy(update={"patients": 4}), tmp_path / "fewer")
    for folder in ("xray/images/ph001", "mri/images/ph002"):
        assert hash_directory(fewer / folder) == hash_directory(phantom / folder)
    assert hash_directory(generate(SMALL, tmp_path / "again")) == hash_directory(phantom)


def test_of_full_confounding_the_source_tells_the_label(phantom):
    for source, table in tables(phantom).items():
        assert set(table["finding"]) == {OWN[source]}
        assert table["patient"].nunique() == {"xray": 4, "mri": 2, "scoliosis": 2}[source]


@pytest.mark.parametrize(("confounding", "least", "most"), [(0.9, 0.86, 0.94), (0.5, 0.41, 0.59), (0, 0, 0)])
def test_the_label_follows_the_source_as_often_as_asked(confounding, least, most):
    own = [patient.finding == OWN[patient.source] for patient in patients(confounding=confounding, plain=0)]
    assert least <= np.mean(own) <= most


def test_some_xrays_are_plain_and_findings_are_what_is_drawn():
    drawn = patients(plain=0.25)
    plain = Counter(patient.source for patient in drawn if not patient.finding)
    assert set(plain) == {"xray"}
    assert 30 <= plain["xray"] <= 70  # of 200
    assert {patient.finding for patient in drawn if patient.metal} == {"Lum", "sco"}  # some bows are held by metal
    easy = patients(plain=0.25, difficulty=0)
    assert all((patient.metal is not None) == (patient.finding == "Lum") for patient in easy)
    bows = [abs(patient.curve.depth) for patient in drawn if patient.finding == "sco"]
    assert min(bows) >= 9


def test_a_bow_is_where_its_curve_says():
    curve = Curve(depth=20, apex=100, extent=80, balance=0.25)
    # At the apex the bow itself and e^-4 of both that make up for it; at apex + 2 extents the other way round.
    assert curve.at(np.array([100.0]))[0] == pytest.approx(20 * (1 - 0.5 * np.exp(-4)))
    assert curve.at(np.array([260.0]))[0] == pytest.approx(20 * (np.exp(-4) - 0.25 * (1 + np.exp(-16))))


def test_metal_is_the_brightest_and_its_box_is_around_it():
    (patient,) = (p for p in patients(confounding=1, difficulty=0)[:1])
    view = View((128, 108), 2.8, (151.0, 250.0))
    without, with_metal = Film(view), Film(view)
    column = frontal.column(patient)
    for film in (without, with_metal):
        frontal.draw_trunk(film, patient, column)
    frontal.draw_implant(with_metal, patient.metal, column, patient.shape_seed)
    mask = with_metal.metal_mask()
    added = with_metal.attenuation() - without.attenuation()
    assert added[mask].min() > 0.25
    assert added[~mask].max() <= 0.3 + 1e-3
    films = take_films(patient, np.random.default_rng(0), SMALL)
    assert [film.view for film in films] == ["frontal", "lateral"]
    for film in films:
        (box,) = film.boxes
        inside = film.pixels[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)]
        assert (box.label, inside.max()) == ("Lum", pytest.approx(film.pixels.max(), abs=0.15))


def test_metal_blots_out_an_mr_signal():
    patient = next(p for p in patients(confounding=1, difficulty=0) if p.source == "mri")
    study = take_study(patient, np.random.default_rng(0), SMALL)
    for picture in study.pictures:
        (box,) = picture.boxes
        inside = picture.pixels[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)]
        assert np.percentile(inside, 5) < 0.15 * np.percentile(inside, 95)


def test_radiographs_tell_their_view(phantom):
    views = set()
    for file in phantom.glob("xray/images/*/*.dcm"):
        header = pydicom.dcmread(file)
        views.add((header.Modality, header.ViewPosition))
    assert views == {("CR", "AP"), ("CR", "LL")}


def test_records_hold_two_or_three_slices_of_a_study_and_split_patients(phantom):
    reading = read_annotations("tfrecord", phantom / "records", labels=["Lum", "sco"])
    assert reading.problems == ()
    of_patient = Counter(one.patient for one in reading.annotations if one.sequence == "mri")
    assert sorted(of_patient.values()) == [2, 3]
    assert len({(one.patient, one.split) for one in reading.annotations}) == 8
    assert {box.label for one in reading.annotations for box in one.boxes} == {"Lum", "sco"}
    label_map = (phantom / "records" / "label_map.pbtxt").read_text()
    assert label_map == 'item {\n  name: "Lum"\n  id: 1\n}\nitem {\n  name: "sco"\n  id: 2\n}\n'


def test_the_ordinary_intake_reads_sources_and_records(phantom, tmp_path):
    def built(name: str, sources: list[dict], splits: dict) -> Manifest:
        raw = {"name": name, "output": str(tmp_path / name), "sources": sources, "splits": splits}
        result = build(validate(DataConfig, raw, "config"))
        assert [problem for problem in result.problems if problem.severity == "error"] == []
        return Manifest.read(result.root)

    columns = {"patient": "patient", "label": "spine", "box": ["xmin", "ymin", "xmax", "ymax"], "targets": ["finding"]}
    sources = [
        {
            "name": source,
            "images": str(phantom / source / "images"),
            "read": "picture" if source == "scoliosis" else "dicom",
            "slices": 3 if source == "mri" else None,
            "annotations": [{"format": "table", "path": str(phantom / source / "labels.csv"), **columns}],
        }
        for source in OWN
    ]
    manifest = built("pictures", sources, {"train": 0.5, "validation": 0.25, "test": 0.25})
    values = manifest.labels.merge(manifest.images, on="sample").groupby("source")["value"].unique()
    assert {source: set(found) for source, found in values.items()} == {key: {value} for key, value in OWN.items()}
    folder = str(phantom / "records")
    told = [{"format": "tfrecord", "path": folder, "labels": ["Lum", "sco"]}]
    records = built(
        "records", [{"name": "all", "images": folder, "read": "tfrecord", "annotations": told}], {"stated": True}
    )
    assert len(records.images) == 4 * 2 + 5 + 2
