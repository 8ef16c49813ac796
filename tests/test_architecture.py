"""What holds the project together: who imports whom, and that every configuration file loads."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TASKS = ("classification", "segmentation", "detection")
PACKAGES = ("spine", *TASKS, "ensemble")
ALLOWED = {"spine": {"spine"}, **{package: {package, "spine"} for package in (*TASKS, "ensemble")}}

# Each heavy dependency has one home.
HOMES = {
    "pydicom": ("spine/dicom/",),
    "dicomanonymizer": ("spine/dicom/deidentify.py",),
    "optuna": ("ensemble/study.py", "ensemble/storage.py"),
    "jinja2": ("ensemble/report/",),
    "numba": ("ensemble/engine/",),
    "keras": ("classification/", "segmentation/", "spine/training/"),
    "segmentation_models": ("segmentation/library.py",),
    "surface_distance": ("spine/metrics/surface.py",),
    "pycocotools": ("spine/metrics/matches.py",),
    "ensemble_boxes": ("ensemble/fuse_boxes.py",),
    "nibabel": ("spine/decoders/nifti.py",),
    "google_crc32c": ("spine/tfrecords.py",),
    "official": ("detection/",),
    "tf_keras": ("detection/",),
}

# The rooms of the exact search: each imports those before it only.
ENGINE = ("scoring", "grid", "line", "boxes", "nested")


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


def test_rooms_of_the_search_import_only_those_before():
    assert {path.parent.name for path in (ROOT / "ensemble/engine").glob("*/__init__.py")} == set(ENGINE)
    for number, room in enumerate(ENGINE):
        for file in files(f"ensemble/engine/{room}"):
            used = set(re.findall(r"ensemble\.engine(?:\.| import )(\w+)", file.read_text()))
            assert used <= set(ENGINE[: number + 1]), file


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
