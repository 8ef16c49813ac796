"""Serving the page on this machine: no telemetry, no link to elsewhere, nothing left behind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.demo.examples import example_of
from pipeline.demo.shown_run import ShownRun
from pipeline.demo.uploads import read_upload
from spine.core.problems import SpineError
from spine.core.words import needs_extra

__all__ = ["served"]

_UPLOAD = "512mb"  # a zipped series of a whole spine
_VISITORS = 32  # whose pictures are kept at a time


@contextmanager
def served(run: ShownRun, host: str = "127.0.0.1", port: int | None = None) -> Iterator[str]:
    """Serve the page of a run while the body runs; gives its URL. Without a `port` the first free one from 7860 on.

    SpineError where Gradio is not installed, or the port is taken. Uploads and what was made of them lie in one folder
    of this machine's temporary ones, which is removed at the end.
    """
    with tempfile.TemporaryDirectory(prefix="spine-demo-") as scratch:
        page = _page(run, Path(scratch))
        try:
            _, url, _ = page.launch(**_options(), server_name=host, server_port=port)
        except OSError:  # Gradio's words are of its own functions
            raise SpineError(
                f"the page cannot be served on {host}, port {port}, which is taken; choose another"
            ) from None
        try:
            yield url
        finally:
            page.close(verbose=False)


def _page(run: ShownRun, scratch: Path) -> Any:
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when Gradio is imported
    os.environ["GRADIO_TEMP_DIR"] = str(scratch / "gradio")  # as these are when an upload arrives
    try:
        import gradio  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        raise SpineError(needs_extra("the page", "Gradio", "demo")) from None
    from pipeline.demo.page import page_of

    example = example_of(scratch, run.model.description, sees_boxes=run.model.sees_boxes)
    (picture,) = read_upload(example.path, scratch).pictures
    run.model.answer(picture.png, members=True, box=example.box)  # the first answer of a model takes the longest
    return page_of(run, scratch, example)


def _options() -> dict[str, Any]:
    from pipeline.demo.look import CSS, theme

    return {
        "theme": theme(),
        "css": CSS,
        "share": False,
        "inbrowser": False,
        "quiet": True,
        "prevent_thread_lock": True,
        "show_error": False,
        "allowed_paths": [],
        "max_file_size": _UPLOAD,
        "state_session_capacity": _VISITORS,
        "ssr_mode": False,
        "pwa": False,
        "mcp_server": False,
        "enable_monitoring": False,
        "run_history": False,
        "footer_links": [],
    }
