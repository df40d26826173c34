"""The wheel runs the demo away from the clone, and shadows nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
pytestmark = pytest.mark.network


def sh(*program: object, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        list(map(str, program)),
        cwd=cwd,
        env={**{k: v for k, v in os.environ.items() if k != "PYTHONPATH"}, **env},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{program}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A venv with nothing but the wheel, and Hugging Face's `datasets` beside it."""
    folder = tmp_path_factory.mktemp("away")
    uv = (sys.executable, "-m", "uv")
    sh(*uv, "build", "--quiet", "--wheel", "--out-dir", folder, HOUSE, cwd=folder)
    [wheel] = folder.glob("*.whl")
    sh(sys.executable, "-m", "venv", "--without-pip", "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    pins = HOUSE / "constraints.txt"
    sh(*uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python,
       "--constraint", pins, wheel, "datasets", cwd=folder)  # fmt: skip
    return folder


def test_the_wheel_runs_the_demo(installed):
    command = installed / "venv" / "bin" / "annharness"
    env = {"ANNHARNESS_DATA": str(installed / "cache")}
    done = sh(command, "run", "demo", "-a", "exact", "-a", "pq", cwd=installed, **env)
    assert "Pareto points" in done
    sh(command, "plot", "demo", "--out", "plots", cwd=installed, **env)
    assert list((installed / "plots").glob("*.png"))
    shown = sh(command, "data", "show", "glove-50-10k", "--query", "driveway", cwd=installed, **env)
    assert "driveway" in shown


def test_the_wheel_holds_every_plugin_and_suite(installed):
    code = (
        "import pathlib, harness\n"
        "from harness.registry import load_registry\n"
        "registry = load_registry()\n"
        "print(pathlib.Path(harness.__file__).is_relative_to(pathlib.Path.cwd()))\n"
        "print(sorted(registry.algorithms), sorted(registry.datasets))"
    )
    python = installed / "venv" / "bin" / "python"
    away = sh(python, "-c", code, cwd=installed).splitlines()
    at_home = sh(sys.executable, "-c", code, cwd=HOUSE).splitlines()
    assert away == ["True", at_home[1]]


def test_hugging_faces_datasets_still_imports_as_itself(installed):
    code = "import harness, datasets; print(datasets.load_dataset.__module__)"
    python = installed / "venv" / "bin" / "python"
    assert sh(python, "-c", code, cwd=installed).split()[-1].startswith("datasets.")
