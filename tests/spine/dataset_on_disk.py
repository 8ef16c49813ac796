"""A small dataset on disk for tests of crops, audit and manifest: pictures of smooth noise, one a sample."""

import cv2
import numpy as np
import pandas as pd

from spine.core.files import hash_file
from spine.dataset.manifest import BOXES, IMAGES, LABELS, SPLITS, Manifest
from spine.images.pictures import write_mask, write_png16


def smooth_noise(seed, height=48, width=64):
    noise = np.random.default_rng(seed).normal(size=(height, width))
    blurred = cv2.GaussianBlur(noise, (0, 0), 4)
    return (1000 + 20000 * (blurred - blurred.min()) / np.ptp(blurred)).astype(np.uint16)


def write_dataset(root, pictures, masks=(), boxes=(), labels=(), splits=(), mask_labels=(), **columns):
    """`pictures` and `masks` map samples to arrays; `columns` map a column of images.csv to sample -> value."""
    masks = dict(masks)
    rows = []
    for sample, pixels in pictures.items():
        path = root / "images" / f"{sample}.png"
        write_png16(pixels, path)
        row = {**dict.fromkeys(IMAGES, ""), "sample": sample, "patient": sample, "source": "a"}
        row |= {"height": pixels.shape[0], "width": pixels.shape[1], "sha256": hash_file(path)}
        if sample in masks:
            write_mask(masks[sample], root / "masks" / f"{sample}.png")
            row["mask_sha256"] = hash_file(root / "masks" / f"{sample}.png")
        rows.append(row | {name: values[sample] for name, values in columns.items() if sample in values})
    manifest = Manifest(
        root,
        pd.DataFrame(rows, columns=list(IMAGES)),
        pd.DataFrame(list(boxes), columns=list(BOXES)),
        pd.DataFrame(list(labels), columns=list(LABELS)),
        pd.DataFrame(list(splits), columns=list(SPLITS)),
        tuple(mask_labels),
    )
    manifest.write()
    return Manifest.read(root)
