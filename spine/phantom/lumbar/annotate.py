"""What is true of phantom pictures, in the formats that real data come in: COCO boxes, a table of discs, masks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from spine.core.files import write_json
from spine.phantom.lumbar.paint import BODY, CANAL, DISC
from spine.phantom.lumbar.patient import Patient
from spine.phantom.shapes import bounds

__all__ = ["CATEGORIES", "MASK_LABELS", "AnnotatedSlice", "whole", "write_annotations"]

CATEGORIES = ("lumbar_region", "disc", "vertebra")  # category_id is the index + 1
MASK_LABELS = ("vertebra", "disc", "canal")  # index i names value i + 1
_GRADES = ("pfirrmann", "herniation", "bulging", "narrowing")


@dataclass(frozen=True)
class AnnotatedSlice:
    """What is drawn where in one picture: instances (H, W) uint8 as `spine.phantom.lumbar.paint` numbers them."""

    name: str  # relative to studies/
    patient: Patient
    sequence: str
    instances: np.ndarray

    def boxes(self) -> dict[int, tuple[int, int, int, int]]:
        """Instance number of each visible body and disc -> x0, y0, x1, y1, half-open pixels."""
        found = (int(value) for value in np.unique(self.instances) if value >= BODY)
        return {value: bounds(self.instances == value) for value in found}


def write_annotations(pictures: list[AnnotatedSlice], directory: Path) -> None:
    """Write masks/, annotations.coco.json and discs.csv, as `spine.phantom.lumbar.study` tells."""
    for picture in pictures:
        _write_mask(picture, directory / "masks")
    write_json(_coco(pictures), directory / "annotations.coco.json")
    rows = [row for picture in pictures for row in _disc_rows(picture)]
    pd.DataFrame(rows).to_csv(directory / "discs.csv", index=False)


def _write_mask(picture: AnnotatedSlice, masks: Path) -> None:
    classes = np.zeros(256, np.uint8)
    classes[BODY:DISC], classes[DISC:], classes[CANAL] = 1, 2, 3
    path = masks / Path(picture.name).with_suffix(".png")
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), classes[picture.instances])


def _coco(pictures: list[AnnotatedSlice]) -> dict[str, object]:
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for image_id, picture in enumerate(pictures, start=1):
        height, width = picture.instances.shape
        images.append(
            {
                **{"id": image_id, "file_name": picture.name, "width": width, "height": height},
                **{"patient_id": picture.patient.identifier, "sequence": picture.sequence},
            }
        )
        region = bounds(picture.instances >= BODY)
        boxes = [(1, region), *((2 if value >= DISC else 3, box) for value, box in picture.boxes().items())]
        for category, (x0, y0, x1, y1) in boxes:
            bbox = [x0, y0, x1 - x0, y1 - y0]
            entry = {"id": len(annotations) + 1, "image_id": image_id, "category_id": category, "bbox": bbox}
            annotations.append({**entry, "area": bbox[2] * bbox[3], "iscrowd": 0})
    categories = [{"id": i, "name": name} for i, name in enumerate(CATEGORIES, start=1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def _disc_rows(picture: AnnotatedSlice) -> Iterator[dict[str, object]]:
    """One row a visible disc; the grades of one that the picture's edge cuts stay empty."""
    height, width = picture.instances.shape
    for value, (x0, y0, x1, y1) in picture.boxes().items():
        if value < DISC:
            continue
        disc = picture.patient.discs[value - DISC]
        whole = min(x0, y0) > 0 and x1 < width and y1 < height
        yield {
            **{"image": picture.name, "patient_id": picture.patient.identifier, "sequence": picture.sequence},
            **{"ivd_level": disc.level, "xmin": x0, "ymin": y0, "xmax": x1, "ymax": y1},
            **{name: int(getattr(disc, name)) if whole else "" for name in _GRADES},
        }


def whole(instances: np.ndarray) -> np.ndarray:
    """Each body and disc as one 8-connected component: of one that the picture's edge cuts in two, the larger part."""
    kept = instances.copy()
    for value in np.unique(instances[instances >= BODY]):
        _, parts, statistics, _ = cv2.connectedComponentsWithStats((instances == value).astype(np.uint8))
        largest = 1 + np.argmax(statistics[1:, cv2.CC_STAT_AREA])
        kept[(parts > 0) & (parts != largest)] = 0
    return kept
