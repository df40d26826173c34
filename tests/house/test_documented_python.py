"""The Python of the documentation, run as a reader runs it: block by block in one process."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

DOCS = Path(__file__).parents[2] / "docs"
HOW_TO = DOCS / "how-to" / "python-api.md"
NOTEBOOKS = sorted(DOCS.rglob("*.ipynb"))


def run_cells(cells: list[str], name: str) -> dict[str, Any]:
    """Run cells as a notebook does: the last expression of each is shown."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells):
        body = ast.parse(cell, f"{name}, cell {number}")
        last = body.body.pop() if isinstance(body.body[-1], ast.Expr) else None
        exec(compile(body, f"{name}, cell {number}", "exec"), namespace)
        if isinstance(last, ast.Expr):
            shown = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
            getattr(shown, "_repr_html_", shown.__repr__)()
    return namespace


@pytest.fixture(autouse=True)
def _in_an_empty_folder(monkeypatch, tmp_path, session_cache):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANNHARNESS_DATA", str(session_cache))


@pytest.mark.slow
def test_the_how_to_page_runs(tmp_path, capsys):
    rng = np.random.default_rng(3)
    with h5py.File(tmp_path / "vectors.hdf5", "w") as file:
        file["train"] = rng.standard_normal((1000, 16)).astype(np.float32)
        file["test"] = rng.standard_normal((50, 16)).astype(np.float32)
        file.attrs["distance"] = "angular"
    text = HOW_TO.read_text().replace('"builds": 3,', '"builds": 3, "least_seconds": 0,')
    assert '"least_seconds": 0' in text
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    found = run_cells(blocks, HOW_TO.name)
    assert set(found["run"].table["status"]) == {"ok"}
    assert "did you mean 'demo'" in capsys.readouterr().out


def cells_of(notebook: Path) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(notebook.read_text())["cells"]
    return cells


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_hold_no_outputs(notebook):
    for cell in cells_of(notebook):
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_run(notebook):
    """One build, with the bundled 1,000 queries instead of 20,000, shows that it works."""
    code = "\0".join(
        "".join(cell["source"]) for cell in cells_of(notebook) if cell["cell_type"] == "code"
    )
    for long, short in (('"builds": 5', '"builds": 1'), ("10k-20k-queries", "10k")):
        assert long in code
        code = code.replace(long, short)
    found = run_cells(code.split("\0"), notebook.name)
    assert set(found["run"].table["status"]) == {"ok"}
    assert found["run"].recall_table[["low", "high"]].notna().all(axis=None)
