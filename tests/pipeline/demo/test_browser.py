"""The page in a real browser: a picture is answered, a wrong file is told of, and nothing leaves this machine."""

import shutil

import pytest

from pipeline.demo.launch import served
from tests.pipeline.demo.conftest import GRADIO

CHROMIUM = shutil.which("chromium")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
pytestmark = [
    pytest.mark.slow,
    *GRADIO,
    pytest.mark.skipif(CHROMIUM is None, reason="no browser: install Debian's chromium"),
]


@pytest.fixture
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="the library that drives a browser is not installed")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, run):
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    left, complaints = [], []
    page.on("request", lambda request: left.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    with served(run) as url:
        page.goto(url)
        yield page
        page.close()
    assert left
    assert [address for address in left if not address.startswith(("http://127.0.0.1:", "data:", "blob:"))] == []
    assert complaints == []


def test_a_picture_is_answered_a_wrong_file_is_told_of_and_nothing_leaves_this_machine(page, picture, tmp_path):
    seen = page.get_by_text
    seen("Research software: not for diagnosis.").wait_for()
    page.set_input_files("input[type=file]", picture)
    seen("degeneration: normal / degenerated").wait_for()
    assert seen("disc 1 (lowest)").first.is_visible()
    assert seen("scan.png: 80 x 100 pixels").is_visible()
    assert page.get_by_role("button", name="Answer (JSON)").is_visible()
    shown = page.locator(".image-frame img, [data-testid=image] img, img").first
    assert shown.evaluate("image => image.naturalWidth") == 9 * 80

    page.get_by_role("tab", name="Measurements").click()
    seen("middle height (px)").first.wait_for()
    page.get_by_role("tab", name="Explanation").click()
    page.get_by_role("button", name="Explain", exact=True).click()
    seen("Occlusion: how far").wait_for()

    wrong = tmp_path / "letter.dcm"
    wrong.write_text("Dear colleague")
    page.get_by_label("Remove this file").or_(page.get_by_label("Clear")).first.click()
    seen("Drop a PNG, JPEG or DICOM file").wait_for()
    page.set_input_files("input[type=file]", wrong)
    page.get_by_role("alert").wait_for()
    assert "letter.dcm" in page.get_by_role("alert").inner_text()
    assert "Traceback" not in page.content()
    assert seen("degeneration: normal / degenerated").count() == 0
