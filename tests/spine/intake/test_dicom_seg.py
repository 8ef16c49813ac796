"""DICOM segmentations come back as masks: ours, and those that viewers save otherwise."""

from dataclasses import replace

import numpy as np
import pytest
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentDescription
from pydicom import dcmread

from spine.answers.answer import Answer
from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.dicom_results.codes import anatomical_structure
from spine.dicom_results.source import Source
from spine.dicom_results.write import write_results
from spine.images.dicom.headers import quiet
from spine.images.dicom.write import MRSeries, write_mr_series
from spine.images.pictures import read_mask
from spine.intake import DataConfig, build
from spine.intake.dicom_seg import read_segmentations
from spine.intake.reading import read_images
from tests.spine.dicom_results.sources import KINDS, SHAPE, write_source

LABELS = ("background", "vertebra", "disc", "canal")
MASK = np.zeros(SHAPE, int)
MASK[2:9, 3:8], MASK[12:20, 10:17] = 1, 2  # no canal


@pytest.fixture
def trial(tmp_path):
    return Trial(tmp_path)


class Trial:
    """A sagittal slice, its segmentation, and how it is read."""

    def __init__(self, root, kind="sagittal"):
        self.root, self.source = root, write_source(kind, root / "images")
        answer = Answer("case", "3", *SHAPE, mask=MASK, mask_labels=LABELS)
        self.file = write_results(answer, self.source, root / "seg")[0]

    def change(self, edit):
        with quiet():
            dataset = dcmread(self.file)
            edit(dataset)
            dataset.save_as(self.file)

    def read(self, **options):
        return read_segmentations(self.root / "seg", self.root / "images", self.root / "scratch", **options)


def only(reading):
    """The one annotation of a reading without errors, and its mask as names."""
    assert [problem for problem in reading.problems if problem.severity == "error"] == []
    (told,) = reading.annotations
    names = np.array(["background", *told.mask_labels])
    return told, names[read_mask(told.mask)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_comes_back_pixel_for_pixel(tmp_path, kind):
    trial = Trial(tmp_path, kind)
    told, mask = only(trial.read())
    np.testing.assert_array_equal(mask, np.array(LABELS)[MASK])
    assert told.image == next(one.name for one in read_images(tmp_path / "images") if Source.of(one) == trial.source)
    assert told.mask_labels == LABELS[1:]
    assert told.size == SHAPE


def test_a_study_becomes_a_dataset_its_mask_a_segmentation_and_that_the_same_mask(tmp_path):
    images = write_source("tilted", tmp_path / "images").path.parent
    picture = next(iter(read_images(images, slices=1)))
    source = Source.of(picture)
    answer = Answer("case", "3", *SHAPE, mask=MASK, mask_labels=LABELS)
    paths = write_results(answer, source, images / "seg")  # beside the images, as in an archive
    paths[1].unlink()
    paths[2].unlink()
    annotations = [{"format": "dicom-seg", "path": images, "labels": LABELS[1:], "boxes": True}]
    config = {"name": "s", "output": tmp_path / "data", "sources": [{"name": "s", "images": images}]}
    config["sources"][0]["annotations"] = annotations
    config["splits"] = {"train": 1.0, "validation": 0.0, "test": 0.0}
    result = build(DataConfig.model_validate(config))
    assert result.problems == []
    manifest = Manifest.read(tmp_path / "data")
    (sample,) = manifest.images["sample"]
    np.testing.assert_array_equal(read_mask(manifest.root / "masks" / f"{sample}.png"), MASK)
    assert manifest.mask_labels == LABELS[1:]
    assert manifest.boxes["label"].tolist() == ["vertebra", "disc"]


def errors(reading):
    return [f"{problem.path}: {problem.reason}" for problem in reading.problems if problem.severity == "error"]


def test_segments_are_renamed_joined_and_left_out(trial):
    told, mask = only(trial.read(rename={"vertebra": "bone", "canal": "bone", "disc": None}, labels=["bone"]))
    assert told.mask_labels == ("bone",)
    np.testing.assert_array_equal(mask == "bone", MASK == 1)


def test_a_segment_of_no_label_is_told_and_the_picture_has_no_mask(trial):
    reading = trial.read(labels=["vertebra", "disc"])
    assert "has the segment 'canal'; the labels are vertebra, disc" in errors(reading)[0]
    assert reading.annotations == ()
    assert reading.lost_masks == {"IM0003.dcm"}


def test_a_rename_that_is_no_mapping_is_refused(trial):
    with pytest.raises(SpineError, match="maps SegmentLabels to classes"):
        trial.read(rename="disc")


def test_boxes_are_drawn_around_what_is_segmented(trial):
    told, _ = only(trial.read(boxes=True))
    assert [(box.label, box.x0, box.y0, box.x1, box.y1) for box in told.boxes] == [
        ("vertebra", 3, 2, 8, 9),
        ("disc", 10, 12, 17, 20),
    ]


@pytest.mark.parametrize("turn", [(0, 1), (1, 0), (1, 1), "transposed"])
def test_a_frame_that_is_stored_turned_is_turned_back(trial, turn):
    def edit(dataset):
        bits = np.unpackbits(np.frombuffer(dataset.PixelData, np.uint8), bitorder="little")
        frames = bits[: 3 * MASK.size].reshape(3, *SHAPE)
        orientation = dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
        measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        row, column = np.reshape(orientation.ImageOrientationPatient, (2, 3))
        far = np.zeros(3)
        if turn == "transposed":
            frames = frames.transpose(0, 2, 1)
            dataset.Rows, dataset.Columns = SHAPE[::-1]
            orientation.ImageOrientationPatient = [*column, *row]
            measures.PixelSpacing = measures.PixelSpacing[::-1]
        else:
            down, across = turn
            frames = frames[:, :: -1 if down else 1, :: -1 if across else 1]
            far = down * column * 0.75 * (SHAPE[0] - 1) + across * row * 0.5 * (SHAPE[1] - 1)
            orientation.ImageOrientationPatient = [*(-row if across else row), *(-column if down else column)]
        for group in dataset.PerFrameFunctionalGroupsSequence:
            place = group.PlanePositionSequence[0]
            place.ImagePositionPatient = [round(float(value), 6) for value in place.ImagePositionPatient + far]
        dataset.PixelData = np.packbits(frames.ravel(), bitorder="little").tobytes()

    trial.change(edit)
    _, mask = only(trial.read())
    np.testing.assert_array_equal(mask, np.array(LABELS)[MASK])


def test_a_frame_on_another_grid_is_told(trial):
    def edit(dataset):
        dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = [0.8, 0.5]

    trial.change(edit)
    reading = trial.read()
    assert "its frame 0 lies otherwise than IM0003.dcm" in errors(reading)[0]
    assert reading.lost_masks == {"IM0003.dcm"}


def test_a_frame_that_names_no_image_is_of_the_one_at_its_place(trial):
    def edit(dataset):
        for group in dataset.PerFrameFunctionalGroupsSequence:
            del group.DerivationImageSequence
        del dataset.SourceImageSequence

    trial.change(edit)
    told, mask = only(trial.read())
    assert told.image == "IM0003.dcm"
    np.testing.assert_array_equal(mask, np.array(LABELS)[MASK])
    again = dcmread(trial.source.path)  # another contrast of the same slice
    again.SOPInstanceUID, again.SeriesInstanceUID = "1.2.3", "1.2"
    again.save_as(trial.source.path.with_name("T1.dcm"))
    (told,) = errors(trial.read())
    assert "names none of the images, and lies at the place of 2: IM0003.dcm, T1.dcm (and 2 more frames)" in told


def test_a_frame_that_may_be_of_an_image_leaves_it_without_a_mask_and_one_of_another_image_does_not(trial):
    def edit(dataset):
        source = dataset.PerFrameFunctionalGroupsSequence[2].DerivationImageSequence[0].SourceImageSequence[0]
        source.ReferencedSOPInstanceUID = "1.2.3"

    trial.change(edit)
    reading = trial.read()
    assert [told.image for told in reading.annotations] == ["IM0003.dcm"]
    assert "frame 2: was drawn on 1.2.3, which is not among" in errors(reading)[0]

    def unname(dataset):
        del dataset.PerFrameFunctionalGroupsSequence[2].DerivationImageSequence
        del dataset.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence
        del dataset.SourceImageSequence

    trial.change(unname)
    reading = trial.read()
    assert "frame 2: names none of the images, and lies at the place of none" in errors(reading)[0]
    assert reading.lost_masks == {"IM0003.dcm"}
    assert reading.annotations == ()


def test_a_second_segmentation_that_cannot_be_drawn_takes_the_mask_along(trial):
    answer = Answer("bones", "1", *SHAPE, mask=MASK * (MASK == 1), mask_labels=("background", "bone"))
    write_results(answer, trial.source, trial.root / "seg")
    trial.file.rename(trial.file.with_name("zz.dcm"))
    trial.file = trial.file.with_name("zz.dcm")
    write_results(replace(answer, mask_labels=("background", "spine")), trial.source, trial.root / "seg")
    trial.change(with_pixels("LABELMAP", [MASK * 9]))
    reading = trial.read()
    assert "which are numbers of no segment" in errors(reading)[0]
    assert reading.lost_masks == {"IM0003.dcm"}
    assert reading.annotations == ()


def test_a_segmentation_of_other_images_is_told_once(trial):
    for file in trial.source.path.parent.iterdir():
        file.unlink()
    write_source("axial", trial.root / "images")
    for file in trial.source.path.parent.iterdir():
        dataset = dcmread(file)
        dataset.SOPInstanceUID += ".1"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(file)
    (told,) = errors(trial.read())
    assert "frame 0: was drawn on 1.2.826" in told
    assert "which is not among the images (and 2 more frames)" in told


def test_two_segmentations_of_a_picture_add_up_or_are_told(trial):
    answer = Answer("bones", "1", *SHAPE, mask=MASK * (MASK == 1), mask_labels=("background", "bone"))
    second = write_results(answer, trial.source, trial.root / "seg" / "more")[0]
    both = trial.read(rename={"vertebra": None})
    _, mask = only(both)
    np.testing.assert_array_equal(mask, np.array(["background", "bone", "disc"])[MASK])
    clash = trial.read(rename={"bone": "vertebra"})
    assert (
        f"draws vertebra on IM0003.dcm, as {second.parent.parent / 'more' / 'segmentation.dcm'} does"
        in errors(clash)[0]
    )
    assert clash.lost_masks == {"IM0003.dcm"}
    assert clash.annotations == ()


@pytest.mark.parametrize("omit", [True, False])
def test_a_segmentation_of_a_series_gives_each_image_its_mask(tmp_path, omit):
    shape = (4, 5, 7)  # 35 bits a frame: the second begins within a byte
    files = write_mr_series(np.zeros(shape, np.uint16), MRSeries("p^", "1", 2, "T2", (1, 2, 3)), tmp_path / "images")
    sources = [dcmread(file) for file in files]
    for source in sources:
        for keyword in ("PatientBirthDate", "PatientSex", "AccessionNumber", "ReferringPhysicianName"):
            setattr(source, keyword, "")
    drawn = np.random.default_rng(1).integers(0, 3, shape).astype(np.uint8)
    drawn[2] = 0
    code, kind = anatomical_structure(), SegmentAlgorithmTypeValues.MANUAL
    segments = [SegmentDescription(number, label, code, code, kind) for number, label in ((1, "disc"), (2, "canal"))]
    series = {"series_instance_uid": "1.2.3", "series_number": 9, "sop_instance_uid": "1.2.3.4", "instance_number": 1}
    made = {"manufacturer": "m", "manufacturer_model_name": "m", "software_versions": "1", "device_serial_number": "1"}
    whole = Segmentation(sources, drawn, "BINARY", segments, omit_empty_frames=omit, **series, **made)
    whole.save_as(tmp_path / "whole.dcm")
    reading = read_segmentations(tmp_path / "whole.dcm", tmp_path / "images", tmp_path / "scratch")
    masks = {told.image: read_mask(told.mask) for told in reading.annotations}
    expected = {file.name: mask for file, mask in zip(files, drawn, strict=True) if mask.any() or not omit}
    assert masks.keys() == expected.keys()
    for name, mask in expected.items():
        np.testing.assert_array_equal(masks[name], mask)


def with_pixels(kind, frames, **values):
    """An edit: another SegmentationType, and frames of bytes."""

    def edit(dataset):
        dataset.SegmentationType = kind
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit = 7
        dataset.NumberOfFrames = len(frames)
        dataset.PerFrameFunctionalGroupsSequence = dataset.PerFrameFunctionalGroupsSequence[: len(frames)]
        dataset.PixelData = np.asarray(frames, np.uint8).tobytes()
        dataset["PixelData"].VR = "OB"
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    return edit


def test_a_label_map_is_read_as_it_is(trial):
    trial.change(with_pixels("LABELMAP", [MASK]))
    _, mask = only(trial.read())
    np.testing.assert_array_equal(mask, np.array(LABELS)[MASK])
    trial.change(with_pixels("LABELMAP", [MASK * 4]))
    assert "frame 0 holds [4, 8], which are numbers of no segment" in errors(trial.read())[0]


def test_a_fractional_one_counts_from_half_on_with_a_warning(trial):
    frames = [100 * (MASK == 1), 50 * (MASK == 2), 49 * (MASK == 0)]
    trial.change(with_pixels("FRACTIONAL", frames, MaximumFractionalValue=100))
    reading = trial.read()
    _, mask = only(reading)
    np.testing.assert_array_equal(mask, np.array(LABELS)[MASK])
    assert [problem.reason for problem in reading.problems] == [
        "is FRACTIONAL: a pixel counts from half of MaximumFractionalValue on"
    ]


def test_pixels_of_two_classes_are_told(trial):
    trial.change(with_pixels("FRACTIONAL", [255 * (MASK == 1), 255 * (MASK > 0), 0 * MASK]))
    assert "gives 35 pixels of IM0003.dcm two classes" in errors(trial.read())[0]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"SegmentationType": "OTHER"}, "SegmentationType is 'OTHER'"),
        ({"NumberOfFrames": 2}, "states 2 frames, and tells of 3"),
        ({"NumberOfFrames": 10**9}, "lacks the last"),
        ({"SegmentSequence": []}, "has no segment"),
        ({"PixelData": b"\0" * 16}, "lacks the last"),
        ({"Rows": 60_000, "Columns": 60_000}, "would take 14,400,000,000 bytes"),
        ({"Rows": 0}, "Rows is"),
    ],
)
def test_a_damaged_one_is_told(trial, change, told):
    trial.change(lambda dataset: [setattr(dataset, keyword, value) for keyword, value in change.items()])
    reading = trial.read()
    assert told in errors(reading)[0]
    assert reading.annotations == ()


def test_a_folder_without_a_segmentation_is_refused(trial):
    trial.file.unlink()
    for file in (trial.root / "seg").iterdir():
        assert file.suffix == ".dcm"  # the report and the overlay are passed over
    with pytest.raises(SpineError, match="holds no DICOM segmentation"):
        trial.read()


def test_a_copy_of_an_image_is_the_image(trial):
    (trial.root / "images" / "zz.dcm").write_bytes(trial.source.path.read_bytes())
    assert only(trial.read())[0].image == "IM0003.dcm"


def test_an_empty_mask_is_kept_with_a_warning(trial):
    answer = Answer("case", "4", *SHAPE, mask=0 * MASK, mask_labels=LABELS)
    write_results(answer, trial.source, trial.root / "seg")
    reading = trial.read()
    assert only(reading)[1].tolist() == [["background"] * SHAPE[1]] * SHAPE[0]
    (warning,) = reading.problems
    assert warning.reason == "nothing is drawn on 1 images that segmentations name: IM0003.dcm"
