"""The part of the data that a sample belongs to: what must not share patients or pictures with another part."""

from __future__ import annotations

import pandas as pd

from spine.dataset.manifest import Manifest

__all__ = ["with_part", "with_split"]


def with_split(manifest: Manifest, table: pd.DataFrame) -> pd.DataFrame:
    """The table with the split and fold of each row's sample; the split is "none" where there is none."""
    joined = table.merge(manifest.splits, on="sample", how="left")
    return joined.assign(split=joined["split"].fillna("none"), fold=joined["fold"].fillna(""))


def with_part(manifest: Manifest) -> pd.DataFrame:
    """The images with the part of the data, a split or a fold, that they belong to; those of no split are left out."""
    images = with_split(manifest, manifest.images)
    images = images[images["split"] != "none"]
    fold = images["fold"].where(images["fold"] == "", " fold " + images["fold"])
    return images.assign(part=images["split"] + fold)
