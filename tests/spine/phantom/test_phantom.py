"""The phantom: deterministic, exact in what it says of itself, and neither too easy nor too hard to read."""

import json
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pydicom
import pytest
from scipy import ndimage
from scipy.stats import spearmanr
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from spine.core.files import hash_directory
from spine.core.problems import SpineError
from spine.core.strict import validate
from spine.phantom import PhantomSettings, generate

SMALL = PhantomSettings(patients=6, seed=11, size=(128, 160), slices=(5, 7), t2star=0.4, distractors=0.6)


@pytest.fixture(scope="module")
def phantom(tmp_path_factory) -> Path:
    return generate(SMALL, tmp_path_factory.mktemp("phantom") / "small")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    """Fifty patients of default difficulty, three slices each."""
    settings = PhantomSettings(patients=50, seed=3, slices=(3,), distractors=0)
    return generate(settings, tmp_path_factory.mktemp("phantom") / "cohort")


def series_of(phantom: Path) -> dict[Path, list[pydicom.Dataset]]:
    folders = sorted(path for path in (phantom / "studies").glob("*/*"))
    return {folder: [pydicom.dcmread(file) for file in sorted(folder.iterdir())] for folder in folders}


def coco_boxes(phantom: Path, category: str) -> dict[str, list[tuple[int, ...]]]:
    """Picture -> its boxes x, y, width, height of one category, sorted."""
    coco = json.loads((phantom / "annotations.coco.json").read_text())
    (number,) = (entry["id"] for entry in coco["categories"] if entry["name"] == category)
    return {
        image["file_name"]: sorted(
            tuple(entry["bbox"])
            for entry in coco["annotations"]
            if entry["image_id"] == image["id"] and entry["category_id"] == number
        )
        for image in coco["images"]
    }


def mask_of(phantom: Path, image: str) -> np.ndarray:
    return cv2.imread(str(phantom / "masks" / Path(image).with_suffix(".png")), cv2.IMREAD_UNCHANGED)


def picture_of(phantom: Path, image: str) -> np.ndarray:
    return pydicom.dcmread(phantom / "studies" / image).pixel_array.astype(np.float64)


class TestGenerate:
    def test_equal_settings_give_equal_bytes(self, phantom, tmp_path):
        assert hash_directory(generate(SMALL, tmp_path / "again")) == hash_directory(phantom)

    def test_the_bytes_are_those_of_the_first_version(self, tmp_path):
        one = PhantomSettings(patients=1, seed=4, size=(128, 128), slices=(3,), distractors=1)
        first = "8574f149a61b3cb8d3a0f0dfe6e997ef4cd18461a6553d114212097a3d7155da"
        assert hash_directory(generate(one, tmp_path / "one")) == first

    def test_another_seed_gives_other_studies(self, phantom, tmp_path):
        other = generate(SMALL.model_copy(update={"seed": 12}), tmp_path / "other")
        assert hash_directory(other / "studies") != hash_directory(phantom / "studies")

    def test_a_patient_stays_the_same_among_more_patients(self, phantom, tmp_path):
        fewer = generate(SMALL.model_copy(update={"patients": 2}), tmp_path / "fewer")
        for patient in ("ph001", "ph002"):
            assert hash_directory(fewer / "studies" / patient) == hash_directory(phantom / "studies" / patient)

    def test_keeps_an_unchanged_copy_and_mends_a_damaged_one(self, tmp_path):
        one = SMALL.model_copy(update={"patients": 1})
        directory = generate(one, tmp_path / "one")
        before, made = hash_directory(directory), directory.stat().st_ino
        assert generate(one, directory).stat().st_ino == made
        (directory / "discs.csv").write_text("image\n")
        assert hash_directory(generate(one, directory)) == before
        assert generate(SMALL.model_copy(update={"patients": 2}), directory)
        assert len(list((directory / "studies").iterdir())) == 2

    def test_leaves_a_directory_of_other_files_alone(self, tmp_path):
        (tmp_path / "thesis.txt").write_text("years of work")
        with pytest.raises(SpineError, match=r"holds files but no phantom\.json"):
            generate(SMALL, tmp_path)
        assert (tmp_path / "thesis.txt").read_text() == "years of work"

    @pytest.mark.parametrize("wrong", [{"size": (256, 192)}, {"slices": ()}, {"slices": (4,)}, {"patient": 3}])
    def test_refuses_settings_that_cannot_be_drawn(self, wrong):
        with pytest.raises(SpineError, match=next(iter(wrong))):
            validate(PhantomSettings, wrong, "phantom")


class TestStudies:
    def test_every_file_reads_and_its_tags_agree(self, phantom):
        every = [dataset for datasets in series_of(phantom).values() for dataset in datasets]
        assert len({dataset.SOPInstanceUID for dataset in every}) == len(every)
        for dataset in every:
            assert dataset.pixel_array.shape == (dataset.Rows, dataset.Columns)
            assert 0 < dataset.pixel_array.max() <= 4095
            assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID

    def test_series_lie_in_their_patients_study(self, phantom):
        for folder, datasets in series_of(phantom).items():
            assert {dataset.PatientID for dataset in datasets} == {folder.parent.name}
            assert len({(d.StudyInstanceUID, d.SeriesInstanceUID, d.SeriesDescription) for d in datasets}) == 1

    def test_there_are_both_sequences_and_both_distractors(self, phantom):
        names = {folder.name for folder in series_of(phantom)}
        assert names == {"t2", "t2star", "t1", "t2_axial"}
        for patient in (phantom / "studies").iterdir():
            assert len({"t2", "t2star"} & {folder.name for folder in patient.iterdir()}) == 1

    def test_scanners_differ(self, phantom):
        first = [datasets[0] for datasets in series_of(phantom).values()]
        assert len({(d.Rows, d.Columns) for d in first}) > 2
        assert len({float(d.PixelSpacing[0]) for d in first}) > 4
        bright = [np.percentile(d.pixel_array, 99) for d in first]
        assert max(bright) > 4 * min(bright)

    def test_geometry_leads_to_the_middle_slice(self, phantom):
        middle = json.loads((phantom / "phantom.json").read_text())["middle"]
        out_of_order = 0
        for folder, datasets in series_of(phantom).items():
            across, down = np.reshape(datasets[0].ImageOrientationPatient, (2, 3)).astype(float)
            normal = np.cross(across, down)
            if folder.name not in ("t2", "t2star"):
                continue
            assert np.argmax(np.abs(normal)) == 0  # sagittal: the normal points left to right
            places = np.array([np.dot(d.ImagePositionPatient, normal) for d in datasets], dtype=float)
            steps = np.diff(np.sort(places))
            np.testing.assert_allclose(steps, float(datasets[0].SpacingBetweenSlices), atol=2e-3)
            chosen = sorted(folder.iterdir())[int(np.argsort(places)[len(places) // 2])]
            assert chosen.relative_to(phantom / "studies").as_posix() == middle[folder.parent.name]
            out_of_order += not (np.all(np.diff(places) > 0) or np.all(np.diff(places) < 0))
        assert out_of_order  # so that file names alone would mislead

    def test_the_middle_slice_and_its_neighbours_are_annotated(self, phantom):
        images = list(coco_boxes(phantom, "disc"))
        for name in json.loads((phantom / "phantom.json").read_text())["middle"].values():
            folder = Path(name).parent.as_posix()
            mine = [picture for picture in images if picture.startswith(folder + "/")]
            places = {i: pydicom.dcmread(phantom / "studies" / i).SliceLocation for i in mine}
            gap = float(pydicom.dcmread(phantom / "studies" / name).SpacingBetweenSlices)
            distances = sorted(float(place) - float(places[name]) for place in places.values())
            np.testing.assert_allclose(distances, [-gap, 0, gap], atol=2e-3)


class TestAnnotations:
    @pytest.mark.parametrize(("category", "value"), [("disc", 2), ("vertebra", 1)])
    def test_boxes_are_the_components_of_the_mask(self, phantom, category, value):
        for image, boxes in coco_boxes(phantom, category).items():
            labelled, _ = ndimage.label(mask_of(phantom, image) == value, structure=np.ones((3, 3)))
            components = [
                (columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
                for rows, columns in ndimage.find_objects(labelled)
            ]
            assert boxes == sorted(components)

    def test_the_region_is_the_union_of_the_boxes(self, phantom):
        parts = [coco_boxes(phantom, name) for name in ("disc", "vertebra")]
        for image, (region,) in coco_boxes(phantom, "lumbar_region").items():
            boxes = np.array([box for part in parts for box in part[image]])
            x, y = boxes[:, :2].min(axis=0)
            right, bottom = (boxes[:, :2] + boxes[:, 2:]).max(axis=0)
            assert region == (x, y, right - x, bottom - y)

    def test_masks_have_the_size_of_the_picture_and_its_four_classes(self, phantom):
        for image in coco_boxes(phantom, "disc"):
            mask = mask_of(phantom, image)
            assert mask.shape == picture_of(phantom, image).shape
            assert set(np.unique(mask)) == {0, 1, 2, 3}

    def test_table_and_coco_tell_the_same_discs(self, phantom):
        table = pd.read_csv(phantom / "discs.csv")
        for image, boxes in coco_boxes(phantom, "disc").items():
            rows = table[table["image"] == image]
            corners = rows[["xmin", "ymin", "xmax", "ymax"]].to_numpy()
            assert sorted((x0, y0, x1 - x0, y1 - y0) for x0, y0, x1, y1 in corners.tolist()) == boxes
            upwards = rows.sort_values("ivd_level")
            assert upwards["ivd_level"].tolist() == list(range(1, len(rows) + 1))
            assert (np.diff(upwards["ymax"]) < 0).all()  # level 1 is the lowest

    def test_only_discs_cut_by_the_edge_lack_grades(self, phantom):
        table = pd.read_csv(phantom / "discs.csv")
        cut = table["ymin"] == 0
        assert table.loc[~cut, "pfirrmann"].between(1, 5).all()
        assert table.loc[cut, ["pfirrmann", "bulging", "herniation", "narrowing"]].isna().all(axis=None)


class TestGrades:
    @pytest.mark.parametrize(("difficulty", "least", "most"), [(0, 0.8, 1.0), (1, 0.45, 0.9)])
    def test_the_nucleus_darkens_with_the_grade(self, tmp_path, difficulty, least, most):
        settings = PhantomSettings(patients=12, slices=(3,), t2star=0, distractors=0, difficulty=difficulty)
        discs = measured(generate(settings, tmp_path / "phantom"))
        assert least < -spearmanr(discs["signal"], discs["pfirrmann"]).statistic < most

    def test_narrow_discs_are_lower_and_bulging_ones_deeper(self, cohort):
        discs = measured(cohort)
        for sign, feature in (("narrowing", "height"), ("bulging", "depth")):
            means = discs.groupby(["ivd_level", sign])[feature].mean().unstack().loc[1:5]
            change = means[1.0] / means[0.0]
            assert (change < 0.9).all() if feature == "height" else (change > 1.0).all()

    def test_grades_of_one_patient_are_alike(self, cohort):
        discs = measured(cohort)
        centred = discs["pfirrmann"] - discs.groupby("ivd_level")["pfirrmann"].transform("mean")
        between = centred.groupby(discs["patient_id"]).mean().var()
        count = discs.groupby("patient_id").size().mean()
        assert between > 3 * centred.var() / count  # independent discs would have a ratio of 1

    def test_readers_of_different_signs_are_good_not_perfect_and_err_differently(self, cohort):
        discs = measured(cohort)
        truth = (discs["pfirrmann"] >= 4).to_numpy()
        assert 0.2 < truth.mean() < 0.5
        crops = np.stack(discs["crop"].tolist())
        readers = {
            "appearance": (
                make_pipeline(PCA(30), StandardScaler(), LogisticRegression(C=0.1)),
                crops.reshape(len(crops), -1),
            ),
            "statistics": (RandomForestClassifier(100, min_samples_leaf=5, random_state=0), statistics_of(crops)),
        }
        wrong = []
        for model, features in readers.values():
            folds = GroupKFold(5).split(features, truth, discs["patient_id"])
            scores = cross_val_predict(model, features, truth, cv=list(folds), method="predict_proba")[:, 1]
            assert 0.80 < roc_auc_score(truth, scores) < 0.97
            wrong.append((scores > 0.5) != truth)
        shared = np.sum(wrong[0] & wrong[1]) / np.sum(wrong[0] | wrong[1])
        assert shared < 0.7


def measured(phantom: Path) -> pd.DataFrame:
    """Graded discs of the middle slices with what their pixels show."""
    table = pd.read_csv(phantom / "discs.csv").dropna()
    middle = json.loads((phantom / "phantom.json").read_text())["middle"]
    rows = table[table["image"].isin(middle.values())].reset_index(drop=True)
    return rows.join(pd.DataFrame([measure(phantom, row) for row in rows.itertuples()]))


def measure(phantom: Path, row) -> dict[str, object]:
    picture, mask = picture_of(phantom, row.image), mask_of(phantom, row.image)
    spacing = float(pydicom.dcmread(phantom / "studies" / row.image, stop_before_pixels=True).PixelSpacing[0])
    middle = picture[
        (row.ymin + row.ymax) // 2, int(row.xmin * 0.65 + row.xmax * 0.35) : int(row.xmin * 0.35 + row.xmax * 0.65)
    ]
    near = np.zeros_like(mask, dtype=bool)
    near[max(0, row.ymin - 3) : row.ymax + 3, row.xmin : row.xmax + 16] = True
    disc = (mask == 2) & near
    return {
        "signal": middle.mean() / np.percentile(picture[(mask == 3) & near], 80),
        "height": disc.sum() / (row.xmax - row.xmin) * spacing,
        "depth": (row.xmax - row.xmin) * spacing,
        "crop": crop_of(picture, row),
    }


def crop_of(picture: np.ndarray, row) -> np.ndarray:
    """The box grown by 10 %, its grey levels stretched to 0 ... 1, 32x32."""
    dx, dy = 0.1 * (row.xmax - row.xmin), 0.1 * (row.ymax - row.ymin)
    rows = slice(max(0, int(row.ymin - dy)), int(row.ymax + dy) + 1)
    columns = slice(max(0, int(row.xmin - dx)), int(row.xmax + dx) + 1)
    crop = picture[rows, columns]
    return cv2.resize((crop - crop.min()) / np.ptp(crop), (32, 32))


def statistics_of(crops: np.ndarray) -> np.ndarray:
    core = crops[:, 11:21, 9:23]
    features = [core.mean((1, 2)), core.std((1, 2)), core.max((1, 2)), crops.mean((1, 2)), crops.std((1, 2))]
    steps = [np.abs(np.diff(core, axis=axis)).mean((1, 2)) for axis in (1, 2)]
    return np.stack([*features, *steps], axis=1)


def test_the_phantom_is_fast_enough(tmp_path):
    """80 patients in about 15 s of one core, so 4 in a fraction of that; a wide margin for a busy machine."""
    started = time.process_time()
    generate(PhantomSettings(patients=4, slices=(7,)), tmp_path / "phantom")
    assert time.process_time() - started < 4 * 15 / 80 * 4
