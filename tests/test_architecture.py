"""What holds the project together: who imports whom, and that every configuration file loads."""

import ast
import functools
import re
from pathlib import Path

import pytest

from tests.imports_of_files import circles, read_graph

ROOT = Path(__file__).resolve().parents[1]
TASKS = ("classification", "segmentation", "detection")
PACKAGES = ("spine", *TASKS, "ensemble", "pipeline")
ALLOWED = {
    "spine": {"spine"},
    **{package: {package, "spine"} for package in (*TASKS, "ensemble")},
    "pipeline": set(PACKAGES),
}

# Rooms in order, each with the modules or packages in it: no import leads to a later room, and no circle leaves one.
# Those of one line know nothing of each other. What a package lists apart from itself lies in rooms of its own.
ROOMS = (
    (("core", ("spine", "spine.core")),),
    (("images", ("spine.images",)),),
    (("annotations", ("spine.annotations",)), ("measurements", ("spine.measurements",))),
    (("phantom", ("spine.phantom",)),),
    (("dataset", ("spine.dataset",)),),
    (("metrics", ("spine.metrics",)), ("predictions", ("spine.predictions",))),
    (("tasks", ("spine.tasks",)), ("answers", ("spine.answers",))),
    (("member", ("spine.member",)),),
    (("experiment", ("spine.experiment",)),),
    (("training", ("spine.training",)),),
    (("intake", ("spine.intake",)),),
    (("dicom_results", ("spine.dicom_results",)),),
    (*((package, (package,)) for package in TASKS), ("fusion", ("ensemble.fusion", "ensemble.names"))),
    (("engine", ("ensemble.engine",)),),
    (("engine/scoring", ("ensemble.engine.scoring",)),),
    (("engine/grid", ("ensemble.engine.grid",)),),
    (("engine/line", ("ensemble.engine.line",)),),
    (("engine/boxes", ("ensemble.engine.boxes",)),),
    (("engine/nested", ("ensemble.engine.nested",)),),
    (("engine/rules", ("ensemble.engine.rules",)),),
    (("results", ("ensemble.results", "ensemble.split_predictions")), ("record", ("ensemble.record",))),
    (("decisions", ("ensemble.decisions",)),),
    (("evaluators", ("ensemble.evaluators",)), ("search_problem", ("ensemble.search_problem",))),
    (("ensemble", ("ensemble",)),),
    (("case", ("ensemble.case",)),),
    (("pipeline", ("pipeline",)),),
)

# Each heavy dependency has one home.
HOMES = {
    "pydicom": ("spine/images/dicom/", "spine/dicom_results/"),
    "highdicom": ("spine/dicom_results/",),
    "dicomweb_client": ("pipeline/pacs/archive.py",),
    "dicomanonymizer": ("spine/images/dicom/deidentify.py",),
    "optuna": ("ensemble/record/",),
    "submitit": ("pipeline/jobs/slurm.py",),
    "ray": ("pipeline/jobs/ray_cluster.py", "pipeline/jobs/ray_session.py"),
    "pyarrow": ("pipeline/bulk/tables.py",),
    "jinja2": ("ensemble/report/",),
    "numba": ("ensemble/engine/",),
    "keras": ("classification/", "segmentation/", "spine/training/"),
    "segmentation_models": ("segmentation/library.py",),
    "surface_distance": ("spine/metrics/surface.py",),
    "pycocotools": ("spine/metrics/matches.py",),
    "ensemble_boxes": ("ensemble/fusion/fuse_boxes.py",),
    "nibabel": ("spine/images/decoders/nifti.py",),
    "gradio": ("pipeline/demo/",),
    "starlette": ("pipeline/server/rest.py",),
    "uvicorn": ("pipeline/server/server.py",),
    "google_crc32c": ("spine/annotations/tfrecords.py",),
    "official": ("detection/",),
    "tf_keras": ("detection/",),
}

GRAPH = read_graph(ROOT, PACKAGES, TASKS)


@functools.cache
def imports(file: Path) -> set[str]:
    """The top-level names that a file imports anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add((node.module or "").split(".")[0])
    return names


def assigned(file: Path) -> set[str]:
    """The names that a module assigns at its top level; ruff's F822 checks that what `__all__` names is there."""
    targets = [
        target for node in ast.parse(file.read_text()).body if isinstance(node, ast.Assign) for target in node.targets
    ]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_what_they_may(package):
    assert files(package)
    for file in files(package):
        assert imports(file) & set(PACKAGES) <= ALLOWED[package], file


def room_of(module: str) -> tuple[int, str]:
    """The line and the name of the room that a module is in, by the longest of the paths that lead to it."""
    places = [(len(path), line, name) for line, rooms in enumerate(ROOMS) for name, paths in rooms for path in paths
              if module == path or module.startswith(f"{path}.")]  # fmt: skip
    assert places, f"{module} is in no room"
    return max(places)[1:]


def test_imports_lead_to_earlier_rooms_only():
    wrong = [
        f"{module} imports {other}"
        for module, others in GRAPH.items()
        for other in others
        if room_of(module) != room_of(other) and room_of(other)[0] >= room_of(module)[0]
    ]
    assert not wrong


def test_no_circle_of_imports_leaves_its_room():
    for circle in circles(GRAPH):
        assert len({room_of(module) for module in circle}) == 1, sorted(circle)


def test_only_the_application_imports_packages_by_name():
    by_name = re.compile(
        r"""import_module\(\s*f?["'](?:\{|(?:spine|classification|segmentation|detection|ensemble)\b)"""
    )
    for package in PACKAGES[:-1]:
        for file in files(package):
            assert not by_name.search(file.read_text()), file


def test_circles_are_found_at_every_level_of_an_import(tmp_path):
    texts = {
        "low/a.py": "def f():\n    from low import b\n",
        "low/b.py": "if TYPE_CHECKING:\n    from low.c import C\n",
        "low/c.py": "import_module('low.a')\n",
        "low/d.py": "import low.a\n",
        "high/config.py": "",
        "low/e.py": "import_module(f'{_known(task)}.config')\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    graph = read_graph(tmp_path, ("low", "high"), ("high",))
    assert circles(graph) == [{"low.a", "low.b", "low.c"}]
    assert graph["low.d"] == {"low.a"}
    assert graph["low.e"] == {"high.config"}


@pytest.mark.parametrize(("library", "homes"), HOMES.items())
def test_each_heavy_dependency_has_one_home(library, homes):
    users = {
        file.relative_to(ROOT).as_posix() for package in PACKAGES for file in files(package) if library in imports(file)
    }
    assert users, f"nothing imports {library}"
    assert all(user.startswith(homes) for user in users), users


def test_every_module_says_what_is_public():
    for package in PACKAGES:
        for file in files(package):
            if file.name not in ("__init__.py", "__main__.py"):
                assert "__all__" in assigned(file), file


def test_every_module_says_what_it_is():
    for package in PACKAGES:
        for file in files(package):
            assert ast.get_docstring(ast.parse(file.read_text())), file
