"""A library of another version than was tested runs, and its points say so."""

from __future__ import annotations

import pytest

import harness
from harness.registry.plugins import missing_requirements, other_versions

ADAPTER = """
import numpy as np
from harness.contracts import Algorithm


class Scan(Algorithm):
    def fit(self, base):
        self.rows = base

    def query(self, query, k):
        return np.argsort(-(self.rows @ query))[:k]

    def index_bytes(self):
        return self.rows.nbytes
"""
ENTRY = """
old-scan:
  adapter: adapter:Scan
  about: A test.
  metrics: [angular]
  requires: ["numpy==1.0"]
"""


@pytest.fixture
def plugins(tmp_path):
    folder = tmp_path / "plugins" / "algorithms" / "old_scan"
    folder.mkdir(parents=True)
    (folder / "adapter.py").write_text(ADAPTER)
    (folder / "config.yml").write_text(ENTRY)
    return tmp_path / "plugins"


def test_what_is_missing_is_told_from_what_is_of_another_version():
    import numpy

    requires = ["numpy==1.0", "numpy>=1.0", "no-such-package==1.2"]
    assert missing_requirements(requires) == ["no-such-package==1.2"]
    (text,) = other_versions(requires)
    assert text == f"numpy {numpy.__version__} is installed, numpy==1.0 was tested"


@pytest.mark.slow
def test_it_runs_with_a_warning_that_is_stored_and_shown(plugins, small_hdf5, command, tmp_path):
    run = (
        "run",
        "-d",
        "small.hdf5",
        "-a",
        "old-scan",
        "--k",
        5,
        "--builds",
        1,
        "--repeats",
        1,
        "--least-seconds",
        0,
    )
    done = command(*run, "--precision", "off", "--plugins", plugins)
    assert done.returncode == 0, done.stderr
    assert "warning: old-scan: numpy" in done.stderr
    assert "1 marked by a warning" in done.stdout
    assert "old-scan, 1 point: numpy" in done.stdout
    frame = harness.load_results(tmp_path / "results", overhead=True).set_index("algorithm")
    assert frame.loc["old-scan", "status"] == "ok"
    (warning,) = frame.loc["old-scan", "warnings"]
    assert "is installed, numpy==1.0 was tested" in warning
    assert frame.loc["no-op", "warnings"] == ()

    fastest = command("recommend", "--recall", "0.9", "--plugins", plugins)
    assert "warning: numpy" in fastest.stdout
    shown = command("show", "old-scan", "--plugins", plugins)
    assert "ready, but numpy" in shown.stdout
    listed = command("list", "old-scan", "--plugins", plugins)
    assert "other version" in listed.stdout
