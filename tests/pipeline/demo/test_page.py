"""The page as it is served: nothing of it comes from elsewhere, and no other file of this machine can be had."""

import re

import httpx
import pytest

from pipeline.demo import launch
from spine.core.problems import SpineError
from tests.pipeline.demo.conftest import GRADIO

pytestmark = GRADIO
pytest.importorskip("gradio", reason="the extra demo is not installed")


@pytest.fixture(scope="module")
def page(run):
    with launch.served(run) as url, httpx.Client(base_url=url) as client:
        yield client


def test_it_says_what_it_is_not_for_and_who_answers(page):
    config = page.get("config").text
    assert "not for diagnosis" in config
    assert "lumbar, version 1" in config


def test_no_font_script_or_style_comes_from_elsewhere(page):
    text = page.get("/").text
    sources = re.findall(r"""<(?:script|link|img|iframe)[^>]*?(?:src|href)=["']([^"']+)""", text)
    sources += re.findall(r"""(?:url\(|@import\s+)["']?([^"')]+)""", page.get("theme.css").text)
    assert sources
    assert not [source for source in sources if source.startswith(("http", "//")) and "127.0.0.1" not in source]


@pytest.mark.parametrize("path", ["/etc/passwd", "pyproject.toml", "../pyproject.toml", "%2e%2e/%2e%2e/etc/passwd"])
def test_no_other_file_can_be_had(page, path):
    assert page.get(f"gradio_api/file={path}").status_code in (403, 404)


def test_a_file_that_was_not_uploaded_cannot_be_opened(page):
    """The events are asked as the browser asks them, about a file of this machine."""
    events = page.get("config").json()["dependencies"]
    opened = next(event["id"] for event in events if any(target[1] == "upload" for target in event["targets"]))
    file = {"path": __file__, "orig_name": "x.png", "meta": {"_type": "gradio.FileData"}}
    asked = {"data": [file, None], "fn_index": opened, "session_hash": "test"}
    assert page.post("gradio_api/queue/join", json=asked).status_code == 200
    with page.stream("GET", "gradio_api/queue/data", params={"session_hash": "test"}, timeout=30) as events:
        last = next(line for line in events.iter_lines() if "process_completed" in line)
    assert '"success":false' in last.replace(" ", "")


def test_uploads_are_bounded(page, monkeypatch):
    size = page.get("config").json()["max_file_size"]
    assert size == 512 * 1024**2


def test_where_gradio_is_missing_it_is_told_how_to_get_it(run, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gradio", None)
    with pytest.raises(SpineError, match=r"the page needs Gradio; install it .* '\.\[demo\]'"), launch.served(run):
        pass


def test_a_port_that_is_taken_is_told(run, page):
    with pytest.raises(SpineError, match="choose another"), launch.served(run, port=page.base_url.port):
        pass


def test_nothing_is_left_behind(run, monkeypatch, tmp_path):
    monkeypatch.setattr(launch.tempfile, "tempdir", str(tmp_path))
    with launch.served(run):
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())
