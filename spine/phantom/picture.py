"""One generated picture, where a picture is needed and no patient's may be used."""

from __future__ import annotations

import numpy as np

from spine.phantom.lumbar.paint import mottling, paint_sagittal
from spine.phantom.lumbar.patient import draw_patient
from spine.phantom.scanner import acquire, draw_scanner
from spine.phantom.sequences import SEQUENCES
from spine.phantom.settings import PhantomSettings

__all__ = ["draw_picture"]


def draw_picture(height: int, seed: int = 0) -> np.ndarray:
    """The mid-sagittal T2W plane of a phantom patient, (H, W) uint16 of 12 bits; W is 0.8 to 0.9 of the height.

    Equal arguments give equal pixels. The height, 128 to 1024, is rounded to a multiple of 8.
    """
    rng, settings = np.random.default_rng(seed), PhantomSettings.model_validate({"size": (height, height)})
    patient = draw_patient("phantom", rng, settings.difficulty)
    scanner = draw_scanner(patient.scale, rng, settings)
    signal, instances = paint_sagittal(patient, scanner.plane, scanner.offset, SEQUENCES["t2"])
    return acquire(signal, mottling(instances, patient), scanner, rng)
