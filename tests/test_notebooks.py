"""The tutorials' notebooks are kept without outputs, and run from end to end."""

import os
from pathlib import Path

import pytest

from tests.forked_spine import write_spine

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))
RUNS = {"classification": "discs", "detection": "boxes", "segmentation": "spine"}


def read(path):
    import nbformat

    return nbformat.read(path, as_version=4)


def test_there_is_one_for_each_task():
    assert [path.stem for path in NOTEBOOKS] == sorted(RUNS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_without_outputs(path):
    cells = read(path).cells
    assert cells[0].cell_type == "markdown"
    assert cells[0].source.startswith("# ")
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert [(cell.outputs, cell.execution_count) for cell in code] == [([], None)] * len(code)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path, tmp_path, monkeypatch):
    from nbclient import NotebookClient

    spine = tmp_path / "bin" / "spine"  # of this checkout, whatever is installed
    spine.parent.mkdir()
    write_spine(spine)
    monkeypatch.setenv("PATH", f"{spine.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = read(path)
    NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(tmp_path)}}).execute()
    run = tmp_path / "tutorial" / "runs" / RUNS[path.stem]
    assert (run / "report.html").exists()
    told = [
        output.get("data", {}).get("text/plain", "") for cell in notebook.cells for output in cell.get("outputs", [])
    ]
    assert any("equal weights" in table and "ensemble" in table for table in told)  # the leaderboard
