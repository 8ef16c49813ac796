"""The masks that `postprocess.one_label` is measured on: a class for each vertebra's level."""

import sys

import numpy as np
import pandas as pd

from benchmarks import masks_of_levels
from benchmarks.masks_of_levels import CANAL, DISC, LEVELS, VERTEBRA, with_levels
from spine.images.pictures import read_mask, write_mask


def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Seven vertebrae from the top, a disc below each, the canal beside them; and the rows of the discs' centres."""
    mask = np.zeros((70, 20), np.uint8)
    for number in range(7):
        mask[10 * number : 10 * number + 7, 2:10] = VERTEBRA
        mask[10 * number + 8, 2:10] = DISC
    mask[:, 14:16] = CANAL
    return mask, np.arange(7) * 10 + 8.5


def test_a_vertebra_has_the_level_of_the_disc_below_it():
    mask, centres = drawn()
    told = with_levels(mask, centres)
    assert [LEVELS[told[10 * number + 3, 5] - 1] for number in range(7)] == [
        *("thoracic", "thoracic"),
        *("L1", "L2", "L3", "L4", "L5"),
    ]
    np.testing.assert_array_equal(told == len(LEVELS) + 1, mask == DISC)
    np.testing.assert_array_equal(told == len(LEVELS) + 2, mask == CANAL)
    np.testing.assert_array_equal(told > 0, mask > 0)


def test_what_lies_below_all_discs_is_of_the_lowest_level():
    mask, centres = drawn()
    told = with_levels(mask, centres[:-1])  # the lowest disc is not listed
    assert LEVELS[told[63, 5] - 1] == "L5"


def test_the_command_draws_each_picture_that_has_discs(tmp_path, monkeypatch, capsys):
    mask, centres = drawn()
    (tmp_path / "masks").mkdir()
    write_mask(mask, tmp_path / "masks" / "a.png")
    rows = [{"image": "a.png", "ymin": centre - 0.5, "ymax": centre + 0.5} for centre in centres]
    pd.DataFrame(rows).to_csv(tmp_path / "discs.csv", index=False)
    monkeypatch.setattr(sys, "argv", ["masks_of_levels.py", str(tmp_path), str(tmp_path / "out")])
    masks_of_levels.main()
    np.testing.assert_array_equal(read_mask(tmp_path / "out" / "a.png"), with_levels(mask, centres))
    assert capsys.readouterr().out.strip() == str(tmp_path / "out")
