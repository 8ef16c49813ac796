"""What holds the project together: who imports whom, and that every configuration file loads."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("spine", "classification", "ensemble")
ALLOWED = {"spine": {"spine"}, "classification": {"classification", "spine"}, "ensemble": {"ensemble", "spine"}}

# Each heavy dependency has one home.
HOMES = {
    "pydicom": "spine/dicom/",
    "dicomanonymizer": "spine/dicom/deidentify.py",
    "SimpleITK": "spine/volumes.py",
    "optuna": "ensemble/study.py",
    "jinja2": "ensemble/report",
    "keras": "classification/",
}


def imports(file: Path) -> set[str]:
    """The top-level names that a file imports anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add((node.module or "").split(".")[0])
    return names


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_what_they_may(package):
    assert files(package)
    for file in files(package):
        assert imports(file) & set(PACKAGES) <= ALLOWED[package], file


@pytest.mark.parametrize(("library", "home"), HOMES.items())
def test_each_heavy_dependency_has_one_home(library, home):
    users = {file.relative_to(ROOT).as_posix() for package in PACKAGES for file in files(package) if library in imports(file)}
    assert users, f"nothing imports {library}"
    assert all(user.startswith(home) for user in users), users


def test_every_public_name_exists():
    for package in PACKAGES:
        for file in files(package):
            tree = ast.parse(file.read_text())
            defined = {node.name for node in tree.body if hasattr(node, "name")}
            defined |= {t.id for n in tree.body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)}
            defined |= {n.target.id for n in tree.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}
            defined |= {a.asname or a.name for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names}
            public = [n.value for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == "__all__"]
            names = ast.literal_eval(public[0]) if public else []
            assert set(names) <= defined, (file, set(names) - defined)


def test_every_module_says_what_it_is():
    for package in PACKAGES:
        for file in files(package):
            assert ast.get_docstring(ast.parse(file.read_text())), file
