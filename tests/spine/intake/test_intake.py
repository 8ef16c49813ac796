import json
import re
import shutil
from pathlib import Path

import cv2
import nibabel
import numpy as np
import pandas as pd
import pytest

from spine.core.problems import SpineError
from spine.dataset.audit import check
from spine.dataset.manifest import Manifest
from spine.dataset.splits import SplitSettings
from spine.images.pictures import read_mask, read_picture, write_mask
from spine.intake import DataConfig, build, load_data_config
from spine.intake.built import built, describe_splits
from spine.intake.config import AnnotationSource
from spine.phantom import PhantomSettings, generate

PATIENTS = ("p1", "p2", "p3", "p4")


ALL = {"splits": {"train": 1, "validation": 0, "test": 0}}


def _write_source(root):
    """Four patients, two 20 x 30 pictures each; COCO boxes, a table of grades, masks of the first pictures."""
    (root / "images").mkdir(parents=True)
    images, boxes, rows = [], [], ["image,level,x0,y0,x1,y1,grade"]
    for number, patient in enumerate(PATIENTS):
        for slice_ in (0, 1):
            name = f"{patient}_{slice_}.png"
            pixels = np.random.default_rng(10 * number + slice_).integers(0, 255, (20, 30), dtype=np.uint8)
            cv2.imwrite(str(root / "images" / name), pixels)
            images.append({"id": len(images) + 1, "file_name": name, "height": 20, "width": 30})
            boxes.append({"id": len(boxes) + 1, "image_id": len(images), "category_id": 1, "bbox": [2, 4, 10, 6]})
            rows.append(f"{name},1,2,4,12,10,{number + 1}")
        mask = np.zeros((20, 30), np.uint8)
        mask[4:10, 2:12] = 1
        write_mask(mask, root / "masks" / f"{patient}_0.png")
    coco = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "disc"}]}
    (root / "coco.json").write_text(json.dumps(coco))
    (root / "discs.csv").write_text("\n".join(rows) + "\n")


def _config(root, **changes):
    table = {"format": "table", "path": root / "discs.csv", "box": ["x0", "y0", "x1", "y1"], "label": "disc"}
    source = {
        "name": "mr",
        "images": root / "images",
        "patient": r"(?P<patient>p\d)_",
        "annotations": [
            {"format": "coco", "path": root / "coco.json"},
            {**table, "level": "level", "targets": ["grade"], "join": True},
            {"format": "mask", "path": root / "masks", "labels": ["disc"]},
        ],
    }
    given = {
        "name": "tiny",
        "output": root.parent / "out",
        "sources": [{**source, **changes.pop("source", {})}],
        "targets": {"degeneration": {"of": "grade", "at_least": 3, "labels": ["normal", "degenerated"]}},
        "splits": {"train": 0.5, "validation": 0.25, "test": 0.25},
    }
    return DataConfig.model_validate({**given, **changes})


@pytest.fixture
def source(tmp_path):
    _write_source(tmp_path / "source")
    return tmp_path / "source"


def _beside(root, name):
    """What a build tells of its sources lies beside the dataset."""
    return root.with_name(f"{root.name}.build") / name


def _problems(result, severity="error"):
    return [problem for problem in result.problems if problem.severity == severity]


def test_pictures_boxes_labels_masks_and_patients_come_together(source):
    result = build(_config(source))
    manifest = Manifest.read(result.root)
    assert _problems(result) == []
    assert manifest.images["sample"].tolist() == [f"mr_{patient}_{slice_}" for patient in PATIENTS for slice_ in (0, 1)]
    assert manifest.images["patient"].tolist() == [patient for patient in PATIENTS for _ in (0, 1)]
    # The COCO box and the table's are one box, with the table's level.
    assert manifest.boxes.groupby("sample").size().tolist() == [1] * 8
    assert set(manifest.boxes["level"]) == {"1"}
    assert manifest.labels["value"].tolist() == ["normal"] * 4 + ["degenerated"] * 4
    assert manifest.splits.merge(manifest.images, on="sample").groupby("patient")["split"].nunique().tolist() == [1] * 4
    assert read_mask(manifest.mask_path("mr_p1_0")).sum() == 6 * 10
    expected = cv2.imread(str(source / "images" / "p2_1.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(read_picture(manifest.image_path("mr_p2_1"), "").pixels, expected)


def test_crops_take_the_place_of_whole_images(source):
    result = build(_config(source, crop={"label": "disc", "grow": 0.2, "require": "degeneration"}))
    manifest = Manifest.read(result.root)
    assert manifest.images[["height", "width"]].drop_duplicates().to_numpy().tolist() == [[8, 12]]
    assert manifest.values("degeneration")["mr_p4_1_disc0"] == "degenerated"
    assert {path.name for path in (result.root / "images").iterdir()} == {f"{s}.png" for s in manifest.images["sample"]}
    assert not [path for path in result.root.iterdir() if path.name.startswith(".")]


def test_folds_leave_the_test_patients_out_and_the_audit_agrees(source):
    result = build(_config(source, splits={"folds": 3, "test": 0.25}))
    splits = Manifest.read(result.root).splits
    assert splits.groupby(["split", "fold"]).size().to_dict() == {
        **{("test", ""): 2, ("train", "0"): 2, ("train", "1"): 2, ("train", "2"): 2}
    }
    assert [problem for problem in check(result.root)[1] if problem.severity == "error"] == []


def test_pictures_are_pseudonymised_on_request(source):
    manifest = Manifest.read(build(_config(source, source={"pseudonymise": True})).root)
    assert manifest.images["patient"].nunique() == 4
    assert not manifest.images[["sample", "patient"]].map(lambda text: any(p in text for p in PATIENTS)).any(axis=None)


def test_a_patient_who_is_hidden_in_one_source_alone_is_refused(source):
    given = _config(source).model_dump()
    first = given["sources"][0]
    twice = {**given, "sources": [first, {**first, "name": "other", "pseudonymise": True}]}
    with pytest.raises(SpineError, match=r"4 patients have pseudonyms in some pictures of mr, other .* the same"):
        build(DataConfig.model_validate(twice))


def test_slices_of_one_volume_are_of_one_unknown_patient(tmp_path):
    volume = np.random.default_rng(0).integers(0, 900, (8, 20, 30), dtype=np.int16)
    for name in ("a", "b", "c"):
        (tmp_path / "volumes").mkdir(exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / "volumes" / f"{name}.nii.gz")
    source = {"name": "v", "images": tmp_path / "volumes", "read": "volume", "slices": 3}
    result = build(DataConfig.model_validate({"name": "v", "output": tmp_path / "v", "sources": [source], **ALL}))
    manifest = Manifest.read(result.root)
    assert sorted(manifest.images["patient"].value_counts().tolist()) == [3, 3, 3]
    (tmp_path / "told.csv").write_text("image,patient,grade\na.nii.gz#4,somebody,1\na.nii.gz#5,another,1\n")
    table = {"format": "table", "path": tmp_path / "told.csv", "patient": "patient", "targets": ["grade"]}
    both = {**source, "annotations": [table], "unnamed": "background"}
    with pytest.raises(SpineError, match=r"slices of one volume are of two patients in 1 cases, such as a\.nii\.gz"):
        build(DataConfig.model_validate({"name": "w", "output": tmp_path / "w", "sources": [both], **ALL}))
    assert manifest.images.groupby("patient")["sample"].apply(lambda samples: len({s[:3] for s in samples})).eq(1).all()


def test_slices_of_one_series_that_are_told_to_be_of_two_patients_are_refused(phantom, tmp_path):
    name = sorted((phantom / "studies" / "ph001" / "t2").iterdir())[0].relative_to(phantom / "studies")
    (tmp_path / "told.csv").write_text(f"image,patient,grade\n{name},somebody,1\n")
    table = {"format": "table", "path": tmp_path / "told.csv", "patient": "patient", "targets": ["grade"]}
    source = {"name": "mr", "images": phantom / "studies", "read": "dicom", "slices": None, "annotations": [table]}
    given = {"name": "x", "output": tmp_path / "x", "sources": [{**source, "unnamed": "background"}]}
    with pytest.raises(SpineError, match=r"slices of one series are of two patients in 1 cases, such as ph001"):
        build(DataConfig.model_validate(given))


def test_a_changed_split_of_another_dataset_and_a_named_file_build_again(source):
    first = build(_config(source)).root
    like = _config(source, output=source.parent / "like", splits={"like": first})
    assert not build(like).skipped
    assert build(like).skipped
    table = pd.read_csv(first / "splits.csv", dtype=str, keep_default_na=False)
    table["split"] = table["split"].map({"train": "test", "test": "train", "validation": "validation"})
    table.to_csv(first / "splits.csv", index=False)
    again = build(like)
    assert not again.skipped
    assert dict(Manifest.read(again.root).splits[["sample", "split"]].values) == dict(table[["sample", "split"]].values)
    named = AnnotationSource(format="tfrecord", path=Path("a"), label_map="b.pbtxt")
    assert named.files == (Path("a"), Path("b.pbtxt"))
    assert AnnotationSource(format="spider", path=Path("a"), gradings="g.csv").files == (Path("a"), Path("a/g.csv"))


def test_an_output_within_annotations_is_refused(source):
    with pytest.raises(SpineError, match=r"lies within .*masks, the annotations of source mr"):
        build(_config(source, output=source / "masks" / "out"))


def test_patients_whose_names_differ_in_capital_letters_alone_are_told(source):
    (source / "images" / "p1_1.png").rename(source / "images" / "P1_1.png")
    result = build(_config(source, source={"patient": r"(?P<patient>[pP]\d)_"}))
    told = [problem for problem in _problems(result, "warning") if problem.path == "P1"]
    assert [problem.reason for problem in told] == [
        "the patient P1 is told from p1 by capital letters or leading zeros alone"
    ]


def test_a_pseudonymised_dataset_names_no_patient_whatever_is_wrong_with_it(source):
    (source / "images" / "p1_2.png").write_bytes(b"")
    (source / "images").rename(source / "Doe_Jane")
    told = (source / "discs.csv").read_text().replace("12,10,4\n", "12,10,Doe\n")
    (source / "discs.csv").write_text(told.replace("p3_1", "p3_9"))
    result = build(_config(source, source={"pseudonymise": True, "images": source / "Doe_Jane"}))
    assert len(_problems(result)) >= 3
    assert any("Doe_Jane/p1_2.png" in problem.path for problem in result.problems)  # the person at the machine sees it
    texts = [path.read_text() for path in result.root.iterdir() if path.is_file()]
    held = " ".join([*texts, *(path.name for path in result.root.rglob("*"))])
    assert [word for word in ("Doe", "p1_", "p2_", "p3_", "p4_") if word in held] == []
    assert "Doe_Jane" in _beside(result.root, "config.yaml").read_text()
    files = pd.read_csv(_beside(result.root, "files.csv")).set_index("sample")["file"]
    assert set(files.index) == set(Manifest.read(result.root).images["sample"])
    assert all((source / "Doe_Jane" / file).is_file() for file in files)


def test_files_of_an_earlier_build_do_not_stay_beside_crops_of_another_dataset(source):
    whole = build(_config(source)).root
    output = source / "again"
    build(_config(source, output=output))
    assert _beside(output, "files.csv").exists()
    build(DataConfig(name="crops", output=output, dataset=whole, crop={"label": "disc"}))
    assert not _beside(output, "files.csv").exists()


def test_a_build_that_fails_still_lists_the_problems_it_met(source):
    for path in (source / "images").glob("p[2-4]*"):
        path.write_bytes(b"")
    file = _beside(_config(source).output, "problems.csv")
    with pytest.raises(SpineError, match=f"6 problems are listed in {file}"):
        build(_config(source))
    assert pd.read_csv(file)["reason"].str.contains("is empty").sum() == 6


def test_work_in_progress_is_not_printed_among_results(source, capfd):
    check(build(_config(source, crop={"label": "disc"})).root)
    assert capfd.readouterr() == ("", "")


def test_crops_that_lack_their_whole_pictures_are_built_again(source):
    config = _config(source, crop={"label": "disc"})
    root = build(config).root
    assert build(config).skipped
    shutil.rmtree(root / "parents")
    assert not build(config).skipped
    assert sorted((root / "parents").iterdir())


def test_unchanged_inputs_are_skipped_and_changed_ones_are_not(source):
    config = _config(source)
    first, again = build(config), build(config)
    assert (first.skipped, again.skipped) == (False, True)
    assert again.counts.equals(first.counts)
    assert not build(config, force=True).skipped
    assert not build(_config(source, splits={"train": 0.25, "validation": 0.25, "test": 0.5})).skipped
    (source / "discs.csv").write_text((source / "discs.csv").read_text().replace(",4\n", ",1\n"))
    changed = Manifest.read(build(_config(source)).root)
    assert changed.labels["value"].tolist() == ["normal"] * 4 + ["degenerated"] * 2 + ["normal"] * 2


def test_two_builds_are_equal_byte_for_byte(source, tmp_path):
    one = build(_config(source)).root
    other = build(_config(source, output=tmp_path / "other")).root
    for path in ("images.csv", "boxes.csv", "labels.csv", "splits.csv", "dataset.json", "images/mr_p1_0.png"):
        assert (one / path).read_bytes() == (other / path).read_bytes()


def test_a_folder_that_no_build_wrote_is_not_replaced(source, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(SpineError, match="no build has written"):
        build(_config(source))


def test_a_dataset_within_its_own_source_is_refused(source):
    with pytest.raises(SpineError, match=r"lies within .* the images of source mr"):
        build(_config(source, output=source / "images" / "dataset"))


def test_bad_input_is_listed_and_the_good_goes_on(source):
    images = source / "images"
    (images / "empty.png").write_bytes(b"")
    (images / "text.png").write_text("not a picture")
    whole = (images / "p1_0.png").read_bytes()
    (images / "p1_0.png").write_bytes(whole[: len(whole) // 2])
    coco = json.loads((source / "coco.json").read_text())
    coco["images"].append({"id": 99, "file_name": "gone.png", "height": 20, "width": 30})
    coco["annotations"] += [
        {"id": 97, "image_id": 3, "category_id": 1, "bbox": [2, 12, 0, 6]},
        {"id": 98, "image_id": 3, "category_id": 7, "bbox": [2, 12, 4, 6]},
        {"id": 99, "image_id": 3, "category_id": 1, "bbox": [40, 0, 4, 6]},
    ]
    (source / "coco.json").write_text(json.dumps(coco))
    (source / "discs.csv").write_text((source / "discs.csv").read_text().replace("12,10,4\n", "12,10,severe\n"))
    result = build(_config(source))
    told = " ".join(f"{problem.path} {problem.reason}" for problem in _problems(result))
    wanted = ("empty.png", "text.png", "p1_0.png", "gone.png", "no area", "category_id 7", "outside", "severe")
    assert [word for word in wanted if word not in told] == []
    assert all(problem.advice for problem in result.problems)
    manifest = Manifest.read(result.root)
    assert len(manifest.images) == 7
    assert len(pd.read_csv(_beside(result.root, "problems.csv"))) == len(result.problems)
    assert build(_config(source)).problems == result.problems  # also when it is skipped


def test_a_mask_of_another_size_leaves_its_picture_without(source):
    write_mask(np.ones((5, 5), np.uint8), source / "masks" / "p1_0.png")
    result = build(_config(source))
    (problem,) = _problems(result)
    assert "p1_0.png" in problem.path
    assert "5" in problem.reason
    assert Manifest.read(result.root).images.set_index("sample").loc["mr_p1_0", "mask_sha256"] == ""


def test_no_picture_at_all_is_an_error(source):
    shutil.rmtree(source / "images")
    (source / "images").mkdir()
    with pytest.raises(
        SpineError,
        match=r"no picture is left to build with \(.*p1_0.png: an annotation names this image, .*; and 9 more\)",
    ):
        build(_config(source))


def test_a_failed_build_leaves_what_was_there(source):
    root = build(_config(source)).root
    before = (root / "images.csv").read_bytes()
    for path in (source / "images").glob("p[2-4]*"):
        path.unlink()
    with pytest.raises(SpineError, match="patients"):
        build(_config(source))
    assert (root / "images.csv").read_bytes() == before
    assert [path.name for path in root.parent.iterdir() if path.suffix == ".tmp"] == []


def test_pictures_of_unknown_patients_count_each_as_one_and_say_so(source):
    result = build(_config(source, source={"patient": ""}))
    assert Manifest.read(result.root).images["patient"].nunique() == 8
    assert "patient" in _problems(result, "warning")[0].reason


def test_sources_that_name_indices_differently_share_one_numbering(source, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(source, other)
    config = _config(source)
    mask = {"format": "mask", "path": other / "masks", "labels": ["vertebra"]}
    second = {**config.sources[0].model_dump(), "name": "ct", "images": other / "images", "annotations": [mask]}
    manifest = Manifest.read(build(_config(source, sources=[config.sources[0].model_dump(), second])).root)
    assert manifest.mask_labels == ("disc", "vertebra")
    assert read_mask(manifest.mask_path("mr_p1_0")).max() == 1
    assert read_mask(manifest.mask_path("ct_p1_0")).max() == 2


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    settings = PhantomSettings(patients=6, seed=3, size=(128, 128), slices=(3,))
    return generate(settings, tmp_path_factory.mktemp("phantom") / "studies")


def _phantom_config(phantom, output):
    table = {"format": "table", "path": phantom / "discs.csv", "label": "disc", "join": True, "patient": "patient_id"}
    return DataConfig.model_validate(
        {
            "name": "phantom",
            "output": output,
            "sources": [
                {
                    "name": "phantom",
                    "images": phantom / "studies",
                    "annotations": [
                        {"format": "coco", "path": phantom / "annotations.coco.json"},
                        {
                            **table,
                            "box": ["xmin", "ymin", "xmax", "ymax"],
                            "level": "ivd_level",
                            "targets": ["pfirrmann"],
                        },
                        {"format": "mask", "path": phantom / "masks", "labels": ["vertebra", "disc", "canal"]},
                    ],
                }
            ],
            "splits": {"train": 0.5, "validation": 0.25, "test": 0.25},
        }
    )


def test_dicom_becomes_one_pseudonymous_midsagittal_picture_a_patient(phantom, tmp_path):
    result = build(_phantom_config(phantom, tmp_path / "out"))
    manifest = Manifest.read(result.root)
    assert result.problems == []  # annotated slices that were not chosen are no problem
    assert len(manifest.images) == manifest.images["patient"].nunique() == 6
    assert manifest.images["sequence"].str.startswith("T2").all()
    assert (manifest.images["mask_sha256"] != "").all()
    notes = pd.read_csv(result.root / "notes.csv")
    assert notes["note"].str.contains("nearest the middle, half way between the outermost of").sum() == 6
    text = "".join(path.read_text() for path in result.root.glob("*.csv"))
    assert "ph00" not in text
    assert not any("ph00" in path.name for path in result.root.rglob("*"))


def test_splits_do_not_change_with_the_salt(phantom, tmp_path, monkeypatch):
    def sha_by_split(output):
        manifest = Manifest.read(build(_phantom_config(phantom, output)).root)
        return manifest.images.merge(manifest.splits, on="sample")[["patient", "sha256", "split"]]

    first = sha_by_split(tmp_path / "one")
    monkeypatch.setenv("SPINE_SALT", "another")
    second = sha_by_split(tmp_path / "two")
    assert set(first["patient"]).isdisjoint(second["patient"])
    assert first[["sha256", "split"]].values.tolist() == second[["sha256", "split"]].values.tolist()


def test_an_unknown_key_names_the_known(tmp_path):
    path = tmp_path / "data.yaml"
    path.write_text("name: a\noutput: b\nsources:\n  - {name: x, images: y, slice: 3}\n")
    with pytest.raises(SpineError, match="slices") as error:
        load_data_config(path)
    assert len(str(error.value).splitlines()) == 2  # the one fault, and none that follows from it
    path.write_text("name: a\noutput: b\nsources: []\n")
    with pytest.raises(SpineError, match="sources: is empty"):
        load_data_config(path)


@pytest.mark.parametrize("format", ["spider", "coco"])
def test_an_unknown_option_of_a_format_names_the_known(source, format):
    annotations = [{"format": format, "path": source, "grading": "other.csv"}]
    with pytest.raises(SpineError, match=f"'{format}' has no option 'grading'; its options are"):
        build(_config(source, source={"annotations": annotations}))


def test_a_target_of_what_no_annotation_tells_is_refused_with_what_they_tell(source):
    with pytest.raises(SpineError, match=r"targets.narrowing.of is 'grad'; what the annotations tell is: grade"):
        build(_config(source, targets={"narrowing": {"of": "grad"}}))


def test_a_crop_that_requires_an_unknown_target_is_refused(source):
    with pytest.raises(ValueError, match="the targets are degeneration"):
        _config(source, crop={"label": "disc", "require": "narrowing"})


CONFIGS = sorted((Path(__file__).parents[3] / "configs" / "data").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_data_configs_are_lab_books_named_as_their_file(path):
    config = load_data_config(path)
    header = path.read_text().split("name:")[0]
    assert config.name == path.stem
    assert config.output == Path("data") / path.stem
    assert f"spine data build configs/data/{path.name}" in header


def test_a_dataset_takes_the_splits_of_another_one_of_the_same_patients(source, tmp_path):
    other = build(_config(source, splits={"test": 0.25, "folds": 3, "seed": 4}, output=tmp_path / "other")).root
    placed = Manifest.read(other).splits
    fold_of = {row.sample[3:5]: (row.split, row.fold) for row in placed.itertuples()}
    cv2.imwrite(str(source / "images" / "p5_0.png"), np.full((20, 30), 9, np.uint8))
    whole = {"source": {"unnamed": "background"}, "splits": {"like": str(other)}}
    result = build(_config(source, **whole))
    assert not result.skipped
    assert build(_config(source, **whole)).skipped
    own = {row.sample[3:5]: (row.split, row.fold) for row in Manifest.read(result.root).splits.itertuples()}
    assert own == {**fold_of, "p5": ("train", "0")}
    fold_again = {"like": str(other), "folds": 2, "seed": 1}
    again = Manifest.read(build(_config(source, splits=fold_again, output=tmp_path / "again")).root).splits
    assert set(again.loc[again["split"] == "test", "sample"]) == set(placed.loc[placed["split"] == "test", "sample"])
    assert sorted(again["fold"].unique()) == ["", "0", "1"]
    build(_config(source, splits={"test": 0.25, "folds": 3, "seed": 5}, output=tmp_path / "other"))
    assert not build(_config(source, **whole)).skipped


def test_a_build_tells_by_which_rule_patients_were_split(source, tmp_path):
    halves = {"train": 0.5, "validation": 0.25, "test": 0.25, "stratify": "degeneration", "seed": 4}
    first = Manifest.read(build(_config(source, splits=halves, output=tmp_path / "first")).root)
    rule = SplitSettings(**halves).describe()
    assert describe_splits(first) == rule
    second = build(_config(source, splits={"like": str(first.root)}, output=tmp_path / "second")).root
    assert describe_splits(Manifest.read(second)) == (
        f"Each patient is where first has that patient; those that it has not are train. first: {rule}"
    )
    crops = {"name": "crops", "output": tmp_path / "crops", "dataset": first.root, "crop": {"label": "disc"}}
    third = build(DataConfig.model_validate(crops)).root
    assert describe_splits(Manifest.read(third)) == f"Crops are in the split of their picture in first. first: {rule}"
    assert built(third).crop.label == "disc"


def test_a_rule_is_not_told_of_splits_that_were_changed_since_or_of_a_record_that_is_lost(source):
    root = build(_config(source)).root
    text = (root / "splits.csv").read_text()
    (root / "splits.csv").write_text(re.sub(r",(train|validation|test),", ",train,", text))
    assert describe_splits(Manifest.read(root)) == ""
    (root / "splits.csv").write_text(text)
    assert describe_splits(Manifest.read(root)).startswith("Patients were drawn into train 50 %")
    _beside(root, "config.yaml").write_text("splits: [")
    assert describe_splits(Manifest.read(root)) == ""
    _beside(root, "config.yaml").unlink()
    assert built(root) is None


def test_sources_within_the_phantoms_directory_are_generated(phantom, source, tmp_path):
    settings = {"patients": 6, "seed": 3, "size": (128, 128), "slices": (3,)}
    drawn = _phantom_config(phantom, tmp_path / "drawn").model_dump(exclude={"splits"})
    theirs = _config(source).model_dump()["sources"]
    made = {**drawn, "sources": [*drawn["sources"], *theirs], "phantom": {"directory": phantom, "settings": settings}}
    root = build(DataConfig.model_validate(made)).root
    assert built(root).generated == {"phantom"}
    crops = {"name": "crops", "output": tmp_path / "crops", "dataset": root, "crop": {"label": "disc"}}
    cut = build(DataConfig.model_validate(crops)).root
    assert built(cut).generated == {"phantom"}
    assert set(Manifest.read(cut).images["source"]) == {"phantom", "mr"}
    assert built(build(_config(source)).root).generated == frozenset()


def test_splits_like_another_dataset_say_what_is_wrong(source, tmp_path):
    with pytest.raises(ValueError, match="remove test"):
        _config(source, splits={"like": "data/other", "test": 0.2})
    with pytest.raises(SpineError, match="is not a dataset"):
        build(_config(source, splits={"like": str(tmp_path / "missing")}))
    with pytest.raises(SpineError, match="whose splits are taken"):
        build(_config(source, splits={"like": str(tmp_path / "out")}))
    strangers = {"source": {"patient": r"(?P<patient>p\d_\d)"}, "output": tmp_path / "other"}
    build(_config(source, **strangers))
    with pytest.raises(SpineError, match="has none of these 4 patients"):
        build(_config(source, splits={"like": str(tmp_path / "other")}))
