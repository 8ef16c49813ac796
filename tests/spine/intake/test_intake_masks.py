"""Masks of several files on one picture: merged, never drawn over; and masks that were found and not read are told."""

from pathlib import Path

import numpy as np
import pytest

from spine.core.problems import SpineError
from spine.dataset.manifest import Manifest
from spine.images.pictures import read_mask
from tests.spine.source_on_disk import HEIGHT, WIDTH, built, errors, region, warnings, write_image, write_picture

UPPER, LOWER = region((0, 2), (1, 5)), region((3, 5), (1, 5))


def entry(path, *labels, **options):
    return {"format": "mask", "path": path, "labels": list(labels), **options}


def stored(result, sample="s_x"):
    """The mask of a sample, None where it has none."""
    manifest = Manifest.read(result.root)
    row = manifest.images.set_index("sample").loc[sample]
    return read_mask(manifest.mask_path(sample)) if row["mask_sha256"] else None


def test_a_file_a_class_becomes_one_mask(tmp_path):
    write_picture(tmp_path / "images" / "x.png")
    write_image(tmp_path / "vertebra" / "x.png", UPPER * 255)
    write_image(tmp_path / "disc" / "x.tif", LOWER.astype(np.uint16) * 65535)
    write_image(tmp_path / "canal" / "x.png", region((2, 3), (0, 8)))
    folders = [entry(tmp_path / label, label) for label in ("vertebra", "disc", "canal")]
    result = built(tmp_path, *folders)
    assert errors(result) == []
    np.testing.assert_array_equal(stored(result), UPPER + LOWER * 2 + region((2, 3), (0, 8), 3))
    assert Manifest.read(result.root).mask_labels == ("vertebra", "disc", "canal")


def test_a_class_that_two_files_draw_is_their_union(tmp_path):
    write_picture(tmp_path / "images" / "x.png")
    write_image(tmp_path / "one" / "x.png", region((0, 2), (0, 4)))
    write_image(tmp_path / "two" / "x.png", region((1, 4), (2, 6), 2))
    result = built(tmp_path, entry(tmp_path / "one", "disc"), entry(tmp_path / "two", "vertebra", "disc"))
    assert errors(result) == []
    assert stored(result).sum() == 2 * 4 + 3 * 4 - 1 * 2


def test_where_classes_overlap_the_pixels_are_counted_and_the_picture_has_no_mask(tmp_path):
    for name in "xy":
        write_picture(tmp_path / "images" / f"{name}.png", ord(name))
    write_image(tmp_path / "vertebra" / "x.png", region((0, 3), (0, 4)))
    write_image(tmp_path / "disc" / "x.png", region((2, 5), (1, 6)))  # one row, three columns in common
    for label, mask in (("vertebra", UPPER), ("disc", LOWER)):
        write_image(tmp_path / label / "y.png", mask)
    result = built(tmp_path, entry(tmp_path / "vertebra", "vertebra"), entry(tmp_path / "disc", "disc"))
    (problem,) = errors(result)
    assert "give 3 pixels of one picture different classes, vertebra and disc" in problem.reason
    assert f"{tmp_path / 'vertebra' / 'x.png'} and {tmp_path / 'disc' / 'x.png'}" in problem.reason
    assert stored(result, "s_x") is None
    np.testing.assert_array_equal(stored(result, "s_y"), UPPER + LOWER * 2)


@pytest.mark.parametrize("bad", [UPPER * 7, np.ones((HEIGHT + 1, WIDTH), np.uint8), None])
def test_a_picture_has_no_mask_that_lacks_a_class(bad, tmp_path):
    write_picture(tmp_path / "images" / "x.png")
    write_picture(tmp_path / "images" / "y.png", 1)
    write_image(tmp_path / "disc" / "x.png", LOWER)
    write_image(tmp_path / "vertebra" / "x.png", UPPER if bad is None else bad)
    if bad is None:
        (tmp_path / "vertebra" / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    write_image(tmp_path / "disc" / "y.png", LOWER)
    result = built(tmp_path, entry(tmp_path / "vertebra", "vertebra"), entry(tmp_path / "disc", "disc"))
    assert "x.png" in errors(result)[0].path
    assert stored(result, "s_x") is None
    assert stored(result, "s_y") is not None


def test_a_picture_that_lacks_the_file_of_a_class_is_told(tmp_path):
    for name in "xy":
        write_picture(tmp_path / "images" / f"{name}.png", ord(name))
        write_image(tmp_path / "disc" / f"{name}.png", LOWER)
    write_image(tmp_path / "vertebra" / "x.png", UPPER)
    result = built(tmp_path, entry(tmp_path / "vertebra", "vertebra"), entry(tmp_path / "disc", "disc"))
    (problem,) = warnings(result)
    assert "1 pictures have masks of some classes and none of others: y.png (vertebra)" in problem.reason


def test_masks_of_all_classes_in_one_folder_by_their_patterns(tmp_path):
    write_picture(tmp_path / "images" / "x.png")
    write_image(tmp_path / "masks" / "x_vertebra.png", UPPER)
    write_image(tmp_path / "masks" / "x_disc.png", LOWER)
    write_image(tmp_path / "masks" / "x_canal.png", LOWER)
    entries = [entry(tmp_path / "masks", label, pattern=f"{{stem}}_{label}") for label in ("vertebra", "disc")]
    result = built(tmp_path, *entries)
    np.testing.assert_array_equal(stored(result), UPPER + LOWER * 2)
    assert {Path(problem.path).name for problem in errors(result)} == {"x_canal.png"}  # which nobody takes


def test_files_that_are_no_masks_are_told_and_a_folder_without_any_stops_the_build(tmp_path):
    write_picture(tmp_path / "images" / "x.png")
    write_picture(tmp_path / "images" / "y.png", 1)
    write_image(tmp_path / "masks" / "x.png", UPPER)
    write_image(tmp_path / "masks" / "y.jpg", UPPER * 255)
    write_image(tmp_path / "masks" / "z.bmp", UPPER * 255)
    result = built(tmp_path, entry(tmp_path / "masks", "disc"))
    assert [Path(problem.path).name for problem in errors(result)] == ["y.jpg", "z.bmp"]
    assert stored(result, "s_x") is not None
    (tmp_path / "empty").mkdir()
    with pytest.raises(SpineError, match="empty holds no mask"):
        built(tmp_path, entry(tmp_path / "empty", "disc"))


def test_pictures_within_the_folder_of_the_masks_are_no_masks(tmp_path):
    write_picture(tmp_path / "all" / "images" / "x.png")
    write_image(tmp_path / "all" / "x.png", UPPER)
    result = built(tmp_path, entry(tmp_path / "all", "disc"), images=tmp_path / "all" / "images")
    assert errors(result) == []
    np.testing.assert_array_equal(stored(result), UPPER)


def test_a_mask_of_a_file_of_several_pictures_is_told(tmp_path):
    import cv2

    (tmp_path / "images").mkdir()
    cv2.imwritemulti(str(tmp_path / "images" / "x.tif"), [UPPER * 200, LOWER * 200])
    write_image(tmp_path / "masks" / "x.png", UPPER)
    (problem,) = errors(built(tmp_path, entry(tmp_path / "masks", "disc")))
    assert "1 masks are of files of several pictures" in problem.reason
