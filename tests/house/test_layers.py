"""The floors of the house: a room imports lower floors only, never its neighbour."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
FLOORS = {
    "errors": -1,
    "metric": -1,
    "text": -2,
    "contracts": 0,
    "measures": 0,
    "files": 0,
    "foreign": 1,
    "registry": 1,
    "data": 1,
    "results": 1,
    "running": 2,
    "report": 3,
    "checks": 3,
    "cli": 4,
    "__main__": 5,
}
FOR_PLUGINS = {"contracts", "measures"}


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Every module that a file imports anywhere, with the line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module


def room(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "harness" and len(parts) > 1 else None


def test_every_room_has_a_floor():
    rooms = {p.stem for p in (HOUSE / "harness").iterdir() if p.suffix == ".py" or p.is_dir()}
    assert rooms - {"__pycache__", "__init__", "suites"} == set(FLOORS)


@pytest.mark.parametrize("path", sorted((HOUSE / "harness").rglob("*.py")), ids=str)
def test_a_room_imports_lower_floors_only(path):
    own = path.relative_to(HOUSE / "harness").parts[0].removesuffix(".py")
    if own == "__init__":
        return
    for line, module in imported(path):
        other = room(module)
        if other in FLOORS and other != own:
            assert FLOORS[other] < FLOORS[own], f"{path}:{line} imports {module}"


@pytest.mark.parametrize("kind", ["algorithms", "datasets"])
def test_plugins_import_the_contracts_and_their_own(kind):
    allowed = FOR_PLUGINS | ({"data"} if kind == "datasets" else set())
    for path in (HOUSE / kind).rglob("*.py"):
        for line, module in imported(path):
            assert room(module) in allowed | {None}, f"{path}:{line} imports {module}"
        assert not (HOUSE / kind / "__init__.py").exists()


def test_the_worker_loads_little():
    code = (
        "import sys, harness.running.worker.entry, harness.running.worker.measuring\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"pandas", "scipy", "sklearn", "faiss", "numba", "matplotlib", "pyarrow", "plotly"}
    heavy |= {"typer", "rich", "pooch", "jinja2", "platformdirs", "requests"}
    assert heavy & set(done.stdout.split()) == set()


def test_importing_the_package_loads_nothing():
    code = "import sys, harness; print('numpy' in sys.modules, 'pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
