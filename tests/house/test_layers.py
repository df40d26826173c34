"""The layers of `harness`: a package imports lower layers only, none of its own."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = {
    "errors": -1,
    "text": -2,
    "contracts": 0,
    "measures": 1,
    "files": 1,
    "foreign": 1,
    "registry": 2,
    "data": 2,
    "results": 2,
    "running": 3,
    "report": 3,
    "interop": 4,
    "checks": 4,
    "tuning": 4,
    "api": 5,
    "cli": 6,
    "__main__": 7,
}
FOR_PLUGINS = {"contracts", "measures"}


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Every module that a file imports anywhere, with the line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module


def package_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "harness" and len(parts) > 1 else None


def test_every_package_has_a_layer():
    packages = {p.stem for p in (ROOT / "harness").iterdir() if p.suffix == ".py" or p.is_dir()}
    assert packages - {"__pycache__", "__init__", "suites"} == set(LAYERS)


def test_contributing_lists_the_same_layers():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| (\d) \| `(\w+)(?:/|\.py)` \|", text, re.M)
    packages = {name: layer for name, layer in LAYERS.items() if layer >= 0 and name[0] != "_"}
    assert {name: int(layer) for layer, name in rows} == packages


@pytest.mark.parametrize("path", sorted((ROOT / "harness").rglob("*.py")), ids=str)
def test_a_package_imports_lower_layers_only(path):
    own = path.relative_to(ROOT / "harness").parts[0].removesuffix(".py")
    if own == "__init__":
        return
    for line, module in imported(path):
        other = package_of(module)
        if other in LAYERS and other != own:
            assert LAYERS[other] < LAYERS[own], f"{path}:{line} imports {module}"


@pytest.mark.parametrize("kind", ["algorithms", "datasets"])
def test_plugins_import_the_contracts_and_their_own(kind):
    allowed = FOR_PLUGINS | ({"data"} if kind == "datasets" else set())
    for path in (ROOT / kind).rglob("*.py"):
        for line, module in imported(path):
            assert package_of(module) in allowed | {None}, f"{path}:{line} imports {module}"
        assert not (ROOT / kind / "__init__.py").exists()


def test_the_worker_loads_little():
    code = (
        "import sys, harness.running.worker.entry, harness.running.worker.member_program\n"
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


def test_the_wheel_holds_every_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = set(project["tool"]["setuptools"]["packages"])
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "harness").rglob("__init__.py")
    }
    assert found == listed - {"harness.algorithms", "harness.datasets"}
