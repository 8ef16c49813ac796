"""Which of the project's files import which, read from their text, and the circles among them.

Counted are imports at every level: of the module, inside functions, under TYPE_CHECKING, and by name where the name is
written out, as in `import_module("a.b")` or `f"{task}.config"` beside a tuple of TASKS. A package's `__init__` is not
counted for the import of a module below it. A module that is taken from a package (`from a import b`) is that module.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

Graph = Mapping[str, frozenset[str]]


def read_graph(root: Path, packages: Iterable[str], tasks: Iterable[str] = ()) -> dict[str, frozenset[str]]:
    """Module -> the modules of these packages that it imports, itself left out."""
    files = {_name(path.relative_to(root)): path for package in packages for path in (root / package).rglob("*.py")}
    known = set(files)
    return {name: frozenset(_imported(name, path, known, tuple(tasks))) - {name} for name, path in files.items()}


def circles(graph: Graph) -> list[frozenset[str]]:
    """The strongly connected components of more than one module, the largest first (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[frozenset[str]] = []
    numbers = itertools.count()

    def visit(module: str) -> None:
        index[module] = low[module] = next(numbers)
        stack.append(module)
        for other in graph[module]:
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            start = stack.index(module)
            found.append(frozenset(stack[start:]))
            del stack[start:]

    for module in graph:
        if module not in index:
            visit(module)
    return sorted((circle for circle in found if len(circle) > 1), key=len, reverse=True)


def _name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(name: str, path: Path, known: set[str], tasks: tuple[str, ...]) -> Iterator[str]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                full = f"{module}.{alias.name}"
                if full in known or module in known:
                    yield full if full in known else module
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from (module for module in _by_name(node.args[0], known, tasks) if module in known)


def _by_name(argument: ast.expr, known: set[str], tasks: tuple[str, ...]) -> Iterator[str]:
    """The modules that a written name may be: itself, or with every value of what is filled in."""
    if isinstance(argument, ast.Constant):
        yield str(argument.value)
    elif isinstance(argument, ast.JoinedStr):
        parts = [str(part.value) if isinstance(part, ast.Constant) else None for part in argument.values]
        if parts[0] is None:  # such as f"{task}.config"
            yield from (task + "".join(part or "" for part in parts[1:]) for task in tasks)
        else:  # such as f"ensemble.{stage}"
            yield from (module for module in known if module.startswith(parts[0]) and module.count(".") == 1)
