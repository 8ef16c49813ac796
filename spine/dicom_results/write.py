"""An answer and the frame that it is about -> DICOM files for the archive that the frame came from.

They keep the patient and the study of the source, since they go back to it: keep them where the source may be kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from spine.answers.answer import Answer
from spine.core.files import atomic_file
from spine.core.problems import SpineError, one_file
from spine.dicom_results.source import Source, StoredFrame
from spine.images.dicom.headers import quiet

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["results_of", "write_results"]


def write_results(answer: Answer, source: Source, directory: Path, occasion: str = "") -> list[Path]:
    """Write what the answer has as DICOM files in `directory`, one directory an answer; gives their paths.

    - `segmentation.dcm`, the mask on the frame's pixels, where there is a mask
    - `report.dcm`, boxes, grades, probabilities and measurements as a structured report
    - `overlay.dcm`, the picture with all of them drawn on it, for viewers that show neither

    Results of the same model version about the same frame have the same UIDs, unless `occasion` tells them apart.
    SpineError where the answer is of another size than the frame, or the file lacks what results are filed by.
    """
    paths = []
    for kind, result in results_of(answer, source, occasion).items():
        paths.append(Path(directory) / f"{kind}.dcm")
        with atomic_file(paths[-1]) as temporary, quiet():
            result.save_as(temporary, enforce_file_format=True)
    return paths


def results_of(answer: Answer, source: Source, occasion: str = "") -> dict[str, Dataset]:
    """The same by kind, to be sent; errors as `write_results`."""
    from spine.dicom_results.capture import capture_of
    from spine.dicom_results.report import report_of
    from spine.dicom_results.segmentation import segmentation_of

    with quiet(), one_file(source.path, "repair its header, or export it again"):
        frame = source.read()
        _check_size(answer, frame)
        makers = {"segmentation": segmentation_of, "report": report_of, "overlay": capture_of}
        if answer.mask is None:
            del makers["segmentation"]
        return {kind: make(answer, frame, occasion) for kind, make in makers.items()}


def _check_size(answer: Answer, frame: StoredFrame) -> None:
    if (answer.height, answer.width) != frame.shape:
        raise SpineError(
            f"the answer is about a picture of {(answer.height, answer.width)}, frame {frame.source.frame} of "
            f"{frame.source.path} has {frame.shape} (height, width); give the frame that was sent"
        )
