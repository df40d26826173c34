"""What numba compiles for an adapter is kept, and never used for other code of the adapter."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

import harness
from harness.cli.main import app

CONFIG = "mine: {adapter: 'adapter:Mine', about: a test, metrics: [angular]}\n"
ADAPTER = """
import numba
import numpy as np

from harness.contracts import Algorithm

from .helper import sign


@numba.njit(cache=True)
def scores(rows, query):
    return sign() * (rows @ query)


class Mine(Algorithm):
    def fit(self, base):
        self.base = base

    def query(self, query, k):
        return np.argsort(-scores(self.base, query))[:k]

    def index_bytes(self):
        return 1
"""
PLAIN = """
import numpy as np

from harness.contracts import Algorithm


class Mine(Algorithm):
    def fit(self, base):
        pass

    def query(self, query, k):
        return np.arange(k) + {shift}

    def index_bytes(self):
        return 1
"""
THEIRS = """
import numpy as np

from ann_benchmarks.algorithms.base.module import BaseANN

from ..beside.helper import shift


class Theirs(BaseANN):
    def __init__(self, metric):
        pass

    def fit(self, X):
        pass

    def query(self, v, n):
        return np.arange(n) + shift
"""
THEIR_CONFIG = """
float:
  angular:
  - base_args: ['@metric']
    constructor: Theirs
    disabled: false
    module: ann_benchmarks.algorithms.theirs
    name: theirs
    run_groups:
      whole: {args: []}
"""
HELPER = """
import numba


@numba.njit
def sign():
    return {sign}
"""


def own(folder: Path) -> Path:
    """Write a plug-in whose kernel calls a helper of another file, and return that file's path."""
    plugin = folder / "plugins" / "algorithms" / "mine"
    plugin.mkdir(parents=True)
    (plugin / "config.yml").write_text(CONFIG)
    (plugin / "adapter.py").write_text(ADAPTER)
    return plugin / "helper.py"


def foreign(folder: Path) -> Path:
    """Write an adapter of ann-benchmarks whose helper is in a folder beside its own."""
    plugin = folder / "plugins" / "algorithms" / "mine"
    theirs, beside = (folder / "checkout" / "algorithms" / name for name in ("theirs", "beside"))
    for made in (plugin, theirs, beside):
        made.mkdir(parents=True)
    (theirs / "module.py").write_text(THEIRS)
    (theirs / "config.yml").write_text(THEIR_CONFIG)
    (plugin / "config.yml").write_text(f"mine: {{from: ann-benchmarks, path: {theirs}}}\n")
    return beside / "helper.py"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("ANNHARNESS_DATA", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def measured_recall(cache, small_hdf5, tmp_path):
    """Measure anew, with the code as it is now."""
    quick = {"builds": 1, "repeats": 1, "least_seconds": 0, "precision": "off", "force": True}

    def measured_recall():
        measured = harness.run(
            datasets=str(small_hdf5),
            algorithms="mine",
            plugins=tmp_path / "plugins",
            k=5,
            progress=False,
            **quick,
        )
        assert not measured.summary.failures
        return measured.table["recall@5"].item()

    return measured_recall


def compiled(cache):
    """All files of compiled code, with the time at which each was written."""
    return {path: path.stat().st_mtime_ns for path in cache.glob("numba/mine/*/*/*")}


@pytest.mark.slow
def test_a_changed_helper_is_compiled_into_the_kernels_of_other_files(
    cache, measured_recall, tmp_path
):
    helper = own(tmp_path)
    helper.write_text(HELPER.format(sign="1.0"))
    assert measured_recall() == 1
    helper.write_text(HELPER.format(sign="-1.0"))
    assert measured_recall() < 0.5
    kept = compiled(cache)
    helper.write_text(HELPER.format(sign="1.0") + "# As it was at first.\n")
    assert measured_recall() == 1
    assert kept
    assert compiled(cache) == kept


@pytest.mark.slow
def test_each_state_of_the_helpers_of_a_foreign_adapter_has_a_folder(
    cache, measured_recall, tmp_path
):
    helper = foreign(tmp_path)
    for shift in (0, 1):
        helper.write_text(f"shift = {shift}\n")
        measured_recall()
        assert len(list(cache.glob("numba/mine/*"))) == 1 + shift


@pytest.mark.slow
def test_compiled_code_that_was_unused_for_days_makes_way_for_new(cache, measured_recall, tmp_path):
    adapter = own(tmp_path).with_name("adapter.py")
    folders = []
    for shift in range(3):
        if shift == 2:
            long_ago = time.time() - 7 * 24 * 3600
            os.utime(folders[0], (long_ago, long_ago))
        adapter.write_text(PLAIN.format(shift=shift))
        measured_recall()
        folders += set(cache.glob("numba/mine/*")) - set(folders)
    assert len(folders) == 3
    assert [folder.is_dir() for folder in folders] == [False, True, True]


def test_compiled_code_can_be_cleaned(cache):
    code = cache / "numba" / "mine" / "0123456789ab" / "kernel.nbc"
    code.parent.mkdir(parents=True)
    code.write_bytes(bytes(10**6))
    kept = CliRunner().invoke(app, ["data", "clean"]).output
    assert re.search(r"kept compiled +1\.0 MB  \(--compiled\)", kept)
    cleaned = CliRunner().invoke(app, ["data", "clean", "--compiled"]).output
    assert "freed 1.0 MB" in cleaned
    assert not code.exists()
    assert cache.is_dir()
