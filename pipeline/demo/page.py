"""The page itself, of Gradio: what is on it, and what happens when something is touched.

Each function of an event gives new values by component. Models are asked by one event at a time; a few more wait.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from pipeline.demo.examples import Example
from pipeline.demo.explain import BOXES, LIKELIEST
from pipeline.demo.look import banner
from pipeline.demo.pictures import heat_over
from pipeline.demo.shown_run import ShownRun
from pipeline.demo.tables import findings_table, legend, measurements_table
from pipeline.demo.visit import Visit
from spine.core.problems import SpineError, printable

__all__ = ["page_of"]

_WAITING = 16  # events
_KEPT = 3600  # seconds that a visitor's pictures are kept
_GRADIENT = "linear-gradient(90deg, #57106d, #bb3754, #f98d0a, #fcffa4)"  # inferno from a quarter on
_INVITATION = "Drop a PNG, JPEG or DICOM file, or a zipped series. It stays on the machine that runs this page."
_PROGRESS = gr.Progress()  # as a default Gradio finds it, and hands a fresh one to each event
Values = dict[Any, Any]  # by component


def page_of(run: ShownRun, scratch: Path, example: Example) -> gr.Blocks:
    """The page of a run; visitors' files are kept below `scratch`, `example` is for who has none."""
    page = _Page(run, scratch, example)
    page.blocks.queue(max_size=_WAITING, default_concurrency_limit=1)
    return page.blocks


class _Page:
    """The components by what they show, and the events between them."""

    def __init__(self, run: ShownRun, scratch: Path, example: Example) -> None:
        self.run, self.scratch, self.example = run, scratch, example
        description = run.model.description
        with gr.Blocks(
            title=f"{description.name} · spine demo",
            analytics_enabled=False,
            fill_width=True,
            delete_cache=(600, _KEPT),
        ) as self.blocks:
            self.visit = gr.State(None, time_to_live=_KEPT, delete_callback=_forget)
            gr.HTML(banner(description.name, run.model.version), padding=False)
            with gr.Row():
                with gr.Column(scale=2, min_width=260):
                    self._inputs()
                with gr.Column(scale=5, min_width=340), gr.Tabs():
                    self._views()
                with gr.Column(scale=6, min_width=340), gr.Tabs():
                    self._tables()
            self._wire()

    def _inputs(self) -> None:
        self.file = gr.File(label="Picture or study", type="filepath", height=150)
        self.use_example = gr.Button("Show a generated example", size="sm")
        self.chosen = gr.Dropdown(label="Picture of the study", visible=False, interactive=True)
        self.status = gr.HTML(_sentence(_INVITATION), padding=False, elem_classes="sentence")
        with gr.Row():
            self.downloads = [
                gr.DownloadButton(label, visible=False, size="sm", min_width=120) for label in _DOWNLOADS.values()
            ]

    def _views(self) -> None:
        with gr.Tab("Answer"):
            self.picture = _image("The picture with boxes, levels, grades and mask")
            self.legend = gr.HTML("", padding=False)
            with gr.Row():
                self.opacity = gr.Slider(0, 100, 30, step=5, label="Mask opacity (%)", scale=3, min_width=180)
                self.boxes = gr.Checkbox(True, label="Annotations", scale=2, min_width=130)
        with gr.Tab("Disagreement"):
            self.disagreement = _image("Where the members disagree on the mask")
            self.told_disagreement = gr.HTML("", padding=False)
        with gr.Tab("Explanation"):
            self.heat = _image("Where the answer comes from")
            self.told_heat = gr.HTML("", padding=False)
            with gr.Row():
                self.subject = gr.Dropdown(label="Explain", choices=[], interactive=True, min_width=140)
                self.label = gr.Dropdown(label="Label", choices=[LIKELIEST], value=LIKELIEST, interactive=True)
            self.explain = gr.Button("Explain", variant="primary", interactive=False)

    def _tables(self) -> None:
        with gr.Tab("Findings"):
            self.findings = gr.HTML("", padding=False, elem_classes="answer")
        with gr.Tab("Measurements"):
            self.measurements = gr.HTML("", padding=False, elem_classes="answer")

    def _wire(self) -> None:
        shown = [
            *(self.visit, self.status, self.chosen, self.picture, self.legend, self.disagreement),
            *(self.told_disagreement, self.heat, self.told_heat, self.subject, self.label, self.explain),
            *(self.findings, self.measurements, *self.downloads),
        ]
        quiet: Values = {"api_visibility": "private", "show_progress": "minimal"}
        asks: Values = {"concurrency_id": "model", "concurrency_limit": 1, "api_visibility": "private"}
        progress: Values = {"show_progress_on": [self.picture, self.status]}
        self.file.upload(self._opened, [self.file, self.visit], shown, **asks, **progress)
        self.file.clear(self._cleared, [self.visit], shown, **quiet)
        self.use_example.click(self._example, [self.visit], [self.file, *shown], **asks, **progress)
        self.chosen.input(self._chosen, [self.chosen, self.visit], shown, **asks, **progress)
        look = [self.opacity, self.boxes, self.visit]
        self.opacity.release(_drawn, look, self.picture, **quiet)
        self.boxes.input(_drawn, look, self.picture, **quiet)
        self.subject.input(_labels, [self.subject, self.visit], self.label, **quiet)
        self.explain.click(
            self._explained,
            [self.subject, self.label, self.visit],
            [self.heat, self.told_heat, self.status],
            **asks,
            show_progress_on=[self.heat],
        )

    def _opened(self, path: str | None, visit: Visit | None) -> Values:
        return self._answered(visit, lambda own: own.open(Path(path or "")))

    def _example(self, visit: Visit | None) -> Values:
        return {self.file: None, **self._answered(visit, lambda own: own.open(*self.example))}

    def _chosen(self, number: int, visit: Visit | None) -> Values:
        return self._answered(visit, lambda own: own.choose(int(number)))

    def _cleared(self, visit: Visit | None) -> Values:
        if visit:
            visit.close()
        return {**self._nothing(_sentence(_INVITATION)), self.visit: visit}

    def _answered(self, visit: Visit | None, ask: Callable[[Visit], None]) -> Values:
        """The whole page of the picture in view, or of none and the sentence that says why."""
        visit = visit or Visit.begin(self.run, self.scratch)
        told = _told(lambda: ask(visit))
        if told:
            visit.answer = None
        shown = self._nothing(_sentence(told, wrong=True)) if told else self._answer(visit)
        return {**shown, self.chosen: _choice(visit), self.visit: visit}

    def _nothing(self, sentence: str) -> Values:
        empty: Values = dict.fromkeys([self.picture, self.disagreement, self.heat])
        empty |= dict.fromkeys([self.legend, self.told_disagreement, self.told_heat, self.findings], "")
        empty |= {button: gr.update(visible=False) for button in self.downloads}
        return {
            **empty,
            self.measurements: "",
            self.status: sentence,
            self.chosen: gr.update(visible=False),
            self.subject: gr.update(choices=[], value=None),
            self.explain: gr.update(interactive=False),
        }

    def _answer(self, visit: Visit) -> Values:
        assert visit.answer is not None
        assert visit.picture is not None
        subjects = visit.subjects
        first = subjects[0] if subjects else None
        map_of_bits, told = _disagreement(visit)
        return {
            self.status: _remarks(visit),
            self.picture: visit.drawn(),
            self.legend: legend(visit.answer),
            self.disagreement: gr.update(value=map_of_bits, visible=map_of_bits is not None),
            self.told_disagreement: told,
            self.heat: None,
            self.told_heat: "" if subjects else _sentence("There is no grade and no box to explain."),
            self.subject: gr.update(choices=subjects, value=first),
            self.label: _labels(first, visit),
            self.explain: gr.update(interactive=bool(subjects)),
            self.findings: findings_table(visit.answer),
            self.measurements: measurements_table(visit.answer),
            **self._links(visit),
        }

    def _links(self, visit: Visit) -> Values:
        written = {path.name: str(path) for path in visit.written}
        return {
            button: gr.update(value=written.get(name), visible=name in written)
            for button, name in zip(self.downloads, _DOWNLOADS, strict=True)
        }

    def _explained(self, subject: str | None, label: str, visit: Visit | None, progress: Any = _PROGRESS) -> Values:
        def ask() -> None:
            if visit is None:
                raise SpineError("there is no answer to explain; drop a picture first")
            visit.explain(subject or BOXES, label, lambda share: progress(share, desc="covering parts of the picture"))

        if told := _told(ask):
            return {self.status: _sentence(told, wrong=True), self.heat: None, self.told_heat: ""}
        assert visit is not None
        assert visit.picture is not None
        assert visit.explanation is not None
        made = visit.explanation
        return {
            self.status: _remarks(visit),
            self.heat: heat_over(visit.picture.pixels, made.values, made.top),
            self.told_heat: _scale(f"{made.top:.2f} {made.unit}") + _sentence(made.how),
        }


_DOWNLOADS = {
    "answer.json": "Answer (JSON)",
    "overlay.png": "Picture (PNG)",
    "segmentation.dcm": "Mask (DICOM-SEG)",
    "report.dcm": "Report (DICOM-SR)",
}


def _image(label: str) -> gr.Image:
    return gr.Image(
        label=label,
        show_label=False,
        type="numpy",
        format="png",
        interactive=False,
        elem_classes="shown",
        buttons=["fullscreen", "download"],
    )


def _told(ask: Callable[[], None]) -> str:
    """What went wrong, in a sentence; empty where nothing did. The trace of a defect of ours goes to the log alone."""
    try:
        ask()
    except SpineError as error:
        return str(error)
    except Exception:
        logging.getLogger(__name__).exception("the page could not answer")
        return "This could not be answered, which is a defect of the page; its log has the details."
    return ""


def _sentence(text: str, wrong: bool = False) -> str:
    kind = ' class="wrong" role="alert"' if wrong else ""
    return f"<p{kind}>{escape(printable(text))}</p>"


def _remarks(visit: Visit) -> str:
    assert visit.picture is not None
    picture = visit.picture
    spacing = f", {picture.spacing[0]:.2f} x {picture.spacing[1]:.2f} mm" if picture.spacing else ", spacing not known"
    lines = [f"{Path(picture.name).name}: {picture.width} x {picture.height} pixels{spacing}."]
    lines += [f"Note: {picture.note}."] if picture.note else []
    lines += [f"{remark}." for remark in visit.answer.remarks] if visit.answer else []
    return "".join(_sentence(line) for line in (*lines, *visit.remarks))


def _choice(visit: Visit) -> Any:
    """The pictures of a study to choose from, where there are several."""
    names = [(picture.name, number) for number, picture in enumerate(visit.pictures)]
    at = visit.pictures.index(visit.picture) if visit.picture else None
    return gr.update(choices=names, value=at, visible=len(names) > 1)


def _labels(subject: str | None, visit: Visit | None) -> Any:
    labels = visit.labels_of(subject) if visit and subject else [LIKELIEST]
    return gr.update(choices=labels, value=LIKELIEST, visible=len(labels) > 1)


def _drawn(opacity: float, boxes: bool, visit: Visit | None) -> Any:
    return visit.drawn(opacity / 100, boxes) if visit and visit.answer else None


def _disagreement(visit: Visit) -> tuple[Any, str]:
    assert visit.answer is not None
    assert visit.picture is not None
    bits = visit.answer.disagreement
    if bits is None:
        return None, _sentence("There is no map: the model gives no mask, or does not tell its members apart.")
    told = "H(mean) − mean H of the members' probabilities: 0 where they agree."
    return heat_over(visit.picture.pixels, bits, 1.0), _scale("1 bit") + _sentence(told)


def _scale(top: str) -> str:
    return f'<div class="scale">0<i style="background:{_GRADIENT}"></i>{escape(top)}</div>'


def _forget(visit: Visit | None) -> None:
    if visit:
        visit.forget()
