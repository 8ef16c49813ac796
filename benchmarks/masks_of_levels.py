"""SPIDER's masks with a class for each vertebra's level: what `postprocess.one_label` is measured on.

    python benchmarks/masks_of_levels.py ../shared/data/spider-lumbar/t2space data/spider_levels_masks

The first argument is the folder of `masks/` (0 background, 1 vertebra, 2 disc, 3 canal) and `discs.csv`. A piece of
vertebra has the level of the disc below it: one disc of its picture, or none, lies lower than the centre of L5, five
lie lower than that of L1, and more than those of the thorax. Pieces that touch count as one, as in the masks.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd
from scipy import ndimage

from spine.core.progress import track
from spine.images.pictures import read_mask, write_mask

LEVELS = ("L5", "L4", "L3", "L2", "L1", "thoracic")  # from below; then the disc and the canal
VERTEBRA, DISC, CANAL = 1, 2, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="the folder of masks/ and discs.csv")
    parser.add_argument("output", type=Path, help="the folder for the new masks")
    options = parser.parse_args()
    discs = pd.read_csv(options.source / "discs.csv")
    centres = discs.assign(centre=(discs["ymin"] + discs["ymax"]) / 2).groupby("image")["centre"]
    options.output.mkdir(parents=True, exist_ok=True)
    for name, rows in track(centres, "drawing", centres.ngroups):
        mask = read_mask(options.source / "masks" / str(name))
        write_mask(with_levels(mask, rows.to_numpy()), options.output / str(name))
    print(options.output)


def with_levels(mask: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The mask (H, W) with a class for each of `LEVELS` in place of vertebra; `centres` (N,) are the rows of discs."""
    pieces, count = ndimage.label(mask == VERTEBRA, np.ones((3, 3)))
    rows = np.array([row for row, _ in ndimage.center_of_mass(pieces > 0, pieces, range(1, count + 1))])
    below = (centres > rows.reshape(-1, 1)).sum(axis=1)
    class_of = np.concatenate([[0], np.clip(below, 1, len(LEVELS))])
    others = {DISC: len(LEVELS) + 1, CANAL: len(LEVELS) + 2}
    drawn = class_of[pieces]
    for old, new in others.items():
        drawn[mask == old] = new
    return drawn.astype(np.uint8)


if __name__ == "__main__":
    main()
