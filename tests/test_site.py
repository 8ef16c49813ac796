"""The site of docs/ is built without a warning, has four kinds of page, and loads nothing from elsewhere."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("site") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(place)]
    own = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return place


@pytest.mark.slow
def test_it_has_the_four_kinds_of_page(site):
    tabs = re.findall(r'class="md-tabs__link">\s*(.+?)\s*</a>', (site / "index.html").read_text(), flags=re.DOTALL)
    assert [tab for tab in tabs if tab in ("Tutorials", "How-to guides", "Reference", "Explanation")] == tabs[1:]


@pytest.mark.slow
def test_every_page_of_docs_is_on_it(site):
    pages = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    missing = [page for page in pages if not (site / page.with_suffix("") / "index.html").exists()]
    assert [page for page in missing if page.name != "index.md"] == []
    assert all((site / "tutorials" / task / "index.html").exists() for task in ("classification", "segmentation"))


@pytest.mark.slow
def test_its_reference_is_made_of_docstrings_of_help_and_of_settings(site):
    python = (site / "reference" / "python" / "index.html").read_text()
    assert "Read an experiment file, apply <code>key=value</code> overrides" in python
    commands = (site / "reference" / "command_line" / "index.html").read_text()
    assert "Fuse the members of weight above 0 into one SavedModel" in commands
    schema = json.loads((site / "reference" / "experiment.schema.json").read_text())
    assert "experiment_file" in schema["$defs"]


@pytest.mark.slow
def test_it_loads_nothing_from_elsewhere(site):
    for page in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?:[^"]+)"', page.read_text())
        assert loaded == [], page
