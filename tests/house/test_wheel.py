"""The wheel runs away from the clone, also on the lowest versions that it allows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.forked import Forks

HOUSE = Path(__file__).parents[2]
QUICK = "--k 10 --builds 1 --repeats 1 --least-seconds 0 --precision off"
UV = (sys.executable, "-m", "uv")
DECLARED = tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]["dependencies"]
VERBS = [  # one for each way through the libraries
    *("list", "show demo", "data show glove-50-10k --query driveway"),
    "data convert rows.npy rows.hdf5 --holdout 10 --metric l2",
    *("run demo --dry-run", "recommend --recall .9", "compare exact faiss-pq -o c.md"),
    *("plot --figure all -f pdf --style paper", "publish site"),
    *("export -o a.tex", "export -o q.parquet --per-query", "check exact --only k-one"),
]
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
def wheel(tmp_path_factory) -> Path:
    """The wheel of this clone."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.rmtree(HOUSE / "build", ignore_errors=True)  # what was removed since stays there
    sh(*UV, "build", "--quiet", "--wheel", "--out-dir", folder, HOUSE, cwd=folder)
    return next(folder.glob("*.whl"))


def venv_with(folder: Path, *installed: object) -> Path:
    """Make a venv in a folder, with nothing but what is installed; return its Python."""
    sh(sys.executable, "-m", "venv", "--without-pip", "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    install = ("pip", "install", "--quiet", "--python", python)
    sh(*UV, *install, *installed, cwd=folder)
    return python


@pytest.fixture(scope="module")
def installed(tmp_path_factory, wheel) -> Path:
    """A venv with nothing but the wheel, and Hugging Face's `datasets` beside it."""
    folder = tmp_path_factory.mktemp("away")
    venv_with(folder, "--constraint", HOUSE / "constraints.txt", wheel, "datasets")
    return folder


@pytest.fixture(scope="module")
def lowest(tmp_path_factory, wheel) -> Path:
    """A venv with the lowest versions that pyproject.toml allows, and results measured in it."""
    folder = tmp_path_factory.mktemp("lowest")
    venv_with(folder, "--resolution", "lowest-direct", *DECLARED, wheel)
    np.save(folder / "rows.npy", np.random.default_rng(0).standard_normal((200, 8), np.float32))
    head = "k: 10\ndatasets: glove-50-10k\n"
    (folder / "s.yml").write_text(
        head + "algorithms: {exact: , faiss-pq: {build: {M: 25}, search: {rerank: 100}}}\n"
    )
    annharness(folder, f"run s.yml {QUICK}")
    return folder


@pytest.fixture(scope="module")
def forks(lowest) -> Iterator[Forks]:
    """What calls on the lowest versions are forked from."""
    with Forks(python=lowest / "venv" / "bin" / "python", PYTHONPATH="") as forks:
        yield forks


def annharness(folder: Path, words: str) -> str:
    program = folder / "venv" / "bin" / "annharness"
    return sh(program, *words.split(), cwd=folder, **folders(folder))


def folders(folder: Path) -> dict[str, str]:
    """The variables that keep all that a call writes in a folder."""
    return {"ANNHARNESS_DATA": str(folder / "cache"), "XDG_DATA_HOME": str(folder / "user-data")}


def test_the_wheel_runs_the_demo(installed):
    assert "Pareto points" in annharness(installed, f"run demo -a exact -a faiss-pq {QUICK}")
    annharness(installed, "plot demo --out plots")
    assert list((installed / "plots").glob("*.png"))
    assert "driveway" in annharness(installed, "data show glove-50-10k --query driveway")


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


def test_the_lowest_versions_are_those_that_are_declared(lowest):
    code = "import importlib.metadata as m, sys; print(*map(m.version, sys.argv[1:]))"
    least = {r.name: next(iter(r.specifier)).version for r in map(Requirement, DECLARED)}
    found = sh(lowest / "venv" / "bin" / "python", "-c", code, *least, cwd=lowest).split()
    for (name, version), own in zip(least.items(), found, strict=True):
        assert Version(own) == Version(version), name


@pytest.mark.parametrize("words", VERBS)
def test_every_verb_runs_on_the_lowest_versions(lowest, forks, words):
    env = {**os.environ, "PYTHONPATH": "", **folders(lowest)}
    done = forks.call(words.split(), lowest, env, timeout=300)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
