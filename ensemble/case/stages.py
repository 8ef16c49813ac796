"""The parts of a case as commands would run them one after another: detect, cut out, store, predict, fuse."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ensemble.case.config import CaseSettings
from ensemble.case.parts import CaseParts, Part
from ensemble.fusion.fuse_boxes import fuse_boxes
from spine.dataset.detections import Detections
from spine.dataset.truth import Region
from spine.images.pictures import write_png16
from spine.intake.crop import expand_box
from spine.member.run_model import detect_pictures, predict_pictures, predict_regions, sees_boxes, sees_slices

__all__ = ["Stages", "WholePixels"]

WholePixels = tuple[int, int, int, int]  # x0 y0 x1 y1 in whole pixels


class Stages:
    """Members by themselves, each from a file, and their answers fused by NumPy."""

    def __init__(self, settings: CaseSettings, parts: CaseParts) -> None:
        self.settings, self.parts = settings, parts

    def detect(self, picture: Path) -> Detections:
        """The detector's boxes in a picture's file that are sure enough for any part."""
        part = self.parts.detector
        members = [next(detect_pictures(model, [picture])) for model in part.models]
        fused = fuse_boxes(members, part.weights, part.boxes) if part.boxes else members[0]
        cuts = [cut for cut in (self.settings.discs, self.settings.region) if cut]
        return fused.above(min(cut.confidence for cut in cuts))

    def of_box(
        self, part: Part, picture: Region, pixels: np.ndarray, box: tuple[float, float, float, float]
    ) -> np.ndarray:
        """Fused probabilities (C,) of a disc of a whole picture with the grey levels (H, W), its box x0 y0 x1 y1 in
        pixels.

        Members see the box in the picture, each in its own way, and with the slices next to it where they see those;
        those that know no boxes get it grown and cut out.
        """
        (x0, y0, x1, y1), (height, width) = box, pixels.shape
        left, top, right, bottom = self.grown(box, self.settings.discs.grow, pixels)
        region = picture._replace(box=(y0 / height, x0 / width, y1 / height, x1 / width))
        with tempfile.TemporaryDirectory() as folder:
            write_png16(pixels[top:bottom, left:right], crop := Path(folder) / "crop.png")
            answers = [
                predict_regions(model, [region])
                if sees_boxes(model) or sees_slices(model)
                else predict_pictures(model, [crop])
                for model in part.models
            ]
            return self._fused(part, [next(answer)[0] for answer in answers])

    def map_of(self, part: Part, pixels: np.ndarray, region: WholePixels | None) -> np.ndarray:
        """Fused probabilities (H, W, C) of a picture: of the region, and background around it; of None background."""
        whole = np.zeros((*pixels.shape, len(part.labels)))
        whole[..., 0] = 1
        if region:
            x0, y0, x1, y1 = region
            whole[y0:y1, x0:x1] = self._probabilities(part, pixels[y0:y1, x0:x1])
        return whole

    @staticmethod
    def grown(box: tuple[float, float, float, float], grow: float, pixels: np.ndarray) -> WholePixels:
        """Whole pixels of a box that grew."""
        return expand_box(box, grow, *pixels.shape)

    def _probabilities(self, part: Part, pixels: np.ndarray) -> np.ndarray:
        """Of a cut-out, which is stored as the intake stores crops."""
        with tempfile.TemporaryDirectory() as folder:
            write_png16(pixels, file := Path(folder) / "crop.png")
            return self._fused(part, [next(predict_pictures(model, [file]))[0] for model in part.models])

    @staticmethod
    def _fused(part: Part, outputs: Sequence[np.ndarray]) -> np.ndarray:
        fused: np.ndarray = part.mean([output.astype(np.float64) for output in outputs])
        return fused
