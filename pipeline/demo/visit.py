"""One visitor of the page: what was dropped, the picture and the answer in view, and what is written of them."""

from __future__ import annotations

import logging
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.client import SentPicture
from pipeline.demo.explain import LIKELIEST, Advance, Explanation, explain, subjects_of
from pipeline.demo.shown_run import ShownRun
from pipeline.demo.uploads import read_upload
from spine.answers.answer import Answer
from spine.answers.overlay import draw_answer
from spine.core.files import write_json
from spine.core.problems import SpineError

__all__ = ["Visit"]

Box = tuple[float, float, float, float]

STANDS = (
    "The model sees the slices next to a picture, too. This page shows it the picture alone, which stands for them: "
    "the answer may differ from that of `spine client`, which sends them."
)


@dataclass
class Visit:
    """Pictures of the last upload, and the one in view with its answer; `folder` is removed with `forget`."""

    run: ShownRun
    folder: Path
    pictures: tuple[SentPicture, ...] = ()
    remarks: tuple[str, ...] = ()
    box: Box | None = None  # of the one disc that is asked about
    picture: SentPicture | None = None
    answer: Answer | None = None
    explanation: Explanation | None = None
    written: list[Path] = field(default_factory=list)

    @classmethod
    def begin(cls, run: ShownRun, scratch: Path) -> Visit:
        """A visit with a folder of its own below `scratch`."""
        return cls(run, Path(tempfile.mkdtemp(prefix="visit-", dir=scratch)))

    def open(self, path: Path, box: Box | None = None) -> None:
        """Read a file that was dropped and answer its first picture, or one disc in it, whose `box` is x0 y0 x1 y1 in
        pixels; SpineError where there is none.
        """
        self.close()
        upload = read_upload(path, self.folder)
        self.pictures, self.remarks, self.box = upload.pictures, upload.remarks, box
        if self.run.model.sees_slices:
            self.remarks = (*self.remarks, STANDS)
        self.choose(0)

    def choose(self, number: int) -> None:
        """Answer another picture of the upload."""
        self.picture, self.answer, self.explanation = None, None, None
        picture = self.pictures[number]
        self.answer = self.run.model.answer(picture.png, picture.spacing, members=True, box=self.box)
        self.picture = picture
        self._write()

    def close(self) -> None:
        """Forget the upload; what was unpacked or written of it is removed."""
        self.pictures, self.remarks, self.written, self.box = (), (), [], None
        self.picture, self.answer, self.explanation = None, None, None
        for entry in self.folder.iterdir():
            shutil.rmtree(entry, ignore_errors=True)

    def forget(self) -> None:
        """Remove all that the visit has left on the disk."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def subjects(self) -> list[str]:
        """What can be explained of the answer."""
        return subjects_of(self.answer) if self.answer else []

    def labels_of(self, subject: str) -> list[str]:
        """The labels that a target's explanation may ask for."""
        return [LIKELIEST, *self.run.model.description.targets.get(subject, ())]

    def explain(self, subject: str, label: str, advance: Advance) -> Explanation:
        """Where the answer in view comes from; SpineError where there is none, or nothing to explain."""
        if self.picture is None or self.answer is None:
            raise SpineError("there is no answer to explain; drop a picture first")
        self.explanation = explain(self.run, self.picture.pixels, self.answer, subject, label, advance)
        return self.explanation

    def _write(self) -> None:
        """The answer as JSON, the overlay as PNG and, for a DICOM file, the DICOM results."""
        from PIL import Image

        assert self.picture is not None
        assert self.answer is not None
        folder = Path(tempfile.mkdtemp(prefix="answer-", dir=self.folder))
        write_json({"picture": Path(self.picture.name).name, **self.answer.to_json()}, folder / "answer.json")
        Image.fromarray(self.drawn()).save(folder / "overlay.png")
        self.written = [folder / "answer.json", folder / "overlay.png"]
        if self.picture.source:
            self._write_dicom(folder)

    def _write_dicom(self, folder: Path) -> None:
        from spine.dicom_results.write import write_results

        assert self.picture is not None
        assert self.picture.source is not None
        assert self.answer is not None
        try:
            self.written += write_results(self.answer, self.picture.source, folder)
        except SpineError as error:
            self.remarks = (*self.remarks, f"There are no DICOM results: {error}.")
        except Exception:  # a defect of ours: the answer is shown all the same
            logging.getLogger(__name__).exception("the DICOM results could not be written")
            self.remarks = (*self.remarks, "There are no DICOM results, which is a defect; the log has its details.")

    def drawn(self, opacity: float = 0.3, boxes: bool = True) -> np.ndarray:
        """The picture in view with its answer, RGB (H, W, 3) uint8."""
        assert self.picture is not None
        assert self.answer is not None
        return draw_answer(self.picture.pixels, self.answer, opacity=opacity, boxes=boxes)
