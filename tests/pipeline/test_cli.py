import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipeline import cli
from spine.core.problems import Problem, SpineError
from spine.dataset.manifest import Manifest
from spine.intake import BuildResult
from tests.spine.dataset_on_disk import smooth_noise, write_dataset

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("tensorflow", "keras", "pandas", "numpy", "pydicom", "cv2", "optuna", "numba", "matplotlib", "sklearn")
COMMANDS = (
    [],
    *(
        [name]
        for name in ("run", "train", "tune", "predict", "search", "export", "evaluate", "report", "two-stage", "data")
    ),
    ["client"],
    ["pacs"],
    ["schema"],
    ["serve", "check"],
    *(["data", name] for name in ("build", "crop", "export", "check", "deidentify")),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_answers(command):
    result = CliRunner().invoke(cli.app, [*command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_the_version_is_that_of_the_package():
    result = CliRunner().invoke(cli.app, ["--version"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (result.exit_code, result.stdout) == (0, f"{project['name']} {project['version']}\n")


def test_help_imports_nothing_heavy():
    code = f"""
import sys
from pipeline.cli import app
try:
    app(["data", "build", "--help"])
except SystemExit:
    pass
loaded = sorted(set({HEAVY!r}) & set(sys.modules))
raise SystemExit(f"help imported {{loaded}}" if loaded else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_user_error_is_one_message_and_status_1(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["spine", "run", "nowhere.yaml"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: nowhere.yaml is not a file")
    assert "Traceback" not in printed


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "run", "nowhere.yaml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: nowhere.yaml is not a file")


@pytest.fixture
def file(tmp_path):
    """An experiment file that is never read to its end."""
    path = tmp_path / "x.yaml"
    path.write_text("name: x\n")
    return str(path)


def test_a_defect_of_ours_keeps_its_traceback(monkeypatch, file):
    monkeypatch.setattr(sys, "argv", ["spine", "run", file])
    monkeypatch.setattr("pipeline.experiments.load_experiments", lambda path, overrides: {}["defect"])
    with pytest.raises(KeyError):
        cli.main()


@pytest.mark.parametrize(("severity", "status"), [("warning", 0), ("error", 1)])
def test_the_exit_status_of_a_check_tells_errors(monkeypatch, severity, status):
    problem = Problem("images/a.png", "is empty", "scan it again", severity)
    monkeypatch.setattr("spine.dataset.audit.check", lambda root: ("the table", [problem]))
    result = CliRunner().invoke(cli.app, ["data", "check", "somewhere"])
    assert result.exit_code == status
    assert "the table" in result.output
    assert "images/a.png" in result.output
    assert result.stdout.splitlines()[-1] == f"somewhere: 1 {severity}"


def test_a_stage_prints_the_paths_it_wrote(monkeypatch, tmp_path, file):
    monkeypatch.setattr("pipeline.experiments.load_experiments", lambda path, overrides: ("settings",))
    monkeypatch.setattr(
        "pipeline.stages.run_stage", lambda settings, name, show, **own: [tmp_path / "a", tmp_path / "a"]
    )
    result = CliRunner().invoke(cli.app, ["predict", file])
    assert result.output.count(str(tmp_path / "a")) == 1


def test_a_run_ends_with_the_next_step(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings = "task: classification\ndata: d\ntarget: t\nlabels: [a, b]\nmembers: {a: {network: squeezenet}}\n"
    (tmp_path / "small.yaml").write_text(f"name: small\n{settings}")
    (tmp_path / "suite.yaml").write_text("experiments: [small.yaml, small.yaml]\ncases: [a case.yaml]\n")
    monkeypatch.setattr("pipeline.stages.run_all", lambda settings, show, built, fetched: [])
    monkeypatch.setattr("pipeline.cases.export_cases_of", lambda path, overrides, show: [])
    monkeypatch.setattr("pipeline.cli.experiments.show_leaderboard", lambda settings: None)

    def told(*words: str) -> str:
        return CliRunner().invoke(cli.app, ["run", *words], catch_exceptions=False).stderr.splitlines()[-1]

    assert told("small.yaml") == "== next: open runs/small/report.html in a browser"  # it could not be exported
    (tmp_path / "r" / "small" / "ensembles" / "weighted" / "model" / "1").mkdir(parents=True)
    shown = "; give the model a picture of yours: spine demo"
    assert told("small.yaml", "runs=r", "seed=3").endswith(
        f"r/small/report.html in a browser{shown} small.yaml runs=r seed=3"
    )
    assert told("suite.yaml", "runs=r", "seed=3").endswith(
        f"small/report.html in a browser{shown} 'a case.yaml' runs=r"
    )


def test_a_search_tells_what_it_is_worth_and_prints_its_paths(monkeypatch, tmp_path, file):
    monkeypatch.setattr("pipeline.experiments.load_experiments", lambda path, overrides: ("settings",))
    monkeypatch.setattr("pipeline.stages.run_stage", lambda settings, name, show, **own: [tmp_path / "weights.json"])
    monkeypatch.setattr("pipeline.registry.search_summary", lambda settings: f"what {settings} are worth")
    result = CliRunner().invoke(cli.app, ["search", file])
    assert result.stdout == f"{tmp_path / 'weights.json'}\n"
    assert result.stderr == "== what settings are worth\n"


def test_overrides_are_passed_on(monkeypatch, file):
    received = []

    def load(path, overrides):
        received.extend(overrides)
        raise SpineError("enough")

    monkeypatch.setattr("pipeline.experiments.load_experiments", load)
    CliRunner().invoke(cli.app, ["train", file, "seed=3", "search.step=0.2"])
    assert received == ["seed=3", "search.step=0.2"]


def test_a_build_that_was_skipped_says_so_and_how_to_force_it(monkeypatch, tmp_path):
    forced = []

    def build(config, force):
        forced.append(force)
        counts = pd.DataFrame({"train": [2, 4], "test": [1, 3]}, index=["patients", "samples"])
        return BuildResult(tmp_path, [], counts, skipped=not force)

    monkeypatch.setattr("spine.intake.load_data_config", lambda path: path)
    monkeypatch.setattr("spine.intake.build", build)
    assert "unchanged since it was built (--force" in CliRunner().invoke(cli.app, ["data", "build", "a.yaml"]).stderr
    forcing = CliRunner().invoke(cli.app, ["data", "build", "a.yaml", "--force"])
    assert "unchanged" not in forcing.output
    assert "== 7 samples, no problems\n" in forcing.stderr
    assert forcing.stdout == f"{tmp_path}\n"
    assert forced == [False, True]


def test_a_dataset_is_cropped_and_exported(tmp_path):
    boxes = [("a", "0", "disc", 10.0, 10.0, 30.0, 20.0, "1"), ("a", "1", "disc", 10.0, 24.0, 30.0, 34.0, "2")]
    whole = write_dataset(tmp_path / "whole", {"a": smooth_noise(1)}, boxes=boxes, splits=[("a", "test", "")])
    crops, exported = tmp_path / "crops", tmp_path / "exported"
    done = CliRunner().invoke(
        cli.app, ["data", "crop", str(whole.root), "--label", "disc", "--output", str(crops), "--grow", "0"]
    )
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, str(crops))
    assert Manifest.read(crops).images[["height", "width"]].to_numpy().tolist() == [[10, 20], [10, 20]]
    true_boxes = ["data", "crop", str(whole.root), "--label", "disc", "--output", str(tmp_path / "best")]
    with pytest.raises(SpineError, match=r"has count 1, .* give a detector"):
        CliRunner().invoke(cli.app, [*true_boxes, "--count", "1"], catch_exceptions=False)
    done = CliRunner().invoke(cli.app, ["data", "export", str(whole.root), "-f", "coco", "-o", str(exported)])
    assert (done.exit_code, done.stdout) == (0, f"{exported}\n")
    assert (exported / "annotations.coco.json").is_file()
