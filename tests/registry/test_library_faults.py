"""Every way in which a library can be unfit is told in `list`; the others are untouched."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

LIBRARIES = {
    "annharness_test_fine": ("1.0", ""),
    "annharness_test_old": ("0.9", ""),
    "annharness_test_broken": ("1.0", "raise ImportError('libnothing.so.7: no such file')"),
    "annharness_test_crashing": ("1.0", "import ctypes\nctypes.string_at(0)"),
    "annharness_test_leaving": ("1.0", "import os\nos._exit(3)"),
    "annharness_test_chatty": (
        "1.0",
        "import os\nprint('hello from Python')\nos.write(1, b'and from C')",
    ),
}
ADAPTER = """
import {library}
import numpy as np
from harness.contracts import Algorithm


class Adapter(Algorithm):
    def fit(self, base):
        self.rows = base

    def query(self, query, k):
        return np.argsort(-(self.rows @ query))[:k]

    def index_bytes(self):
        return self.rows.nbytes
"""
EXPECTED = {
    "fine": "ready",
    "old": "missing annharness-test-old==1.0 (found 0.9): pip install 'annharness-test-old==1.0'",
    "absent": "missing annharness-test-absent==1.0: pip install 'annharness-test-absent==1.0'",
    "broken": "does not import: ImportError: libnothing.so.7: no such file",
    "crashing": "crashes at import: ended by SIGSEGV in import",
    "leaving": "crashes at import: left early with exit status 3 in import",
    "chatty": "ready, but prints to stdout at import: hello from Python and from C",
}


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch) -> Path:
    """Write the libraries, put them on the path, and give a plug-in for each."""
    site = tmp_path / "site"
    for library, (version, source) in LIBRARIES.items():
        info = site / f"{library}-{version}.dist-info"
        info.mkdir(parents=True)
        name = library.replace("_", "-")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (site / f"{library}.py").write_text(source + "\n")
    for name in EXPECTED:
        folder = tmp_path / "plugins" / "algorithms" / name
        folder.mkdir(parents=True)
        (folder / "adapter.py").write_text(ADAPTER.format(library=f"annharness_test_{name}"))
        (folder / "config.yml").write_text(
            f"{name}: {{adapter: 'adapter:Adapter', about: A test., metrics: [angular], "
            f"requires: [annharness-test-{name}==1.0]}}\n"
        )
    monkeypatch.setenv("PYTHONPATH", str(site))
    return tmp_path / "plugins"


def listed(command, plugins: Path, *options: str):
    """Give `annharness list` on a screen so wide that no line is folded."""
    program = [sys.executable, "-m", "harness", "list", "algorithms", "--plugins", str(plugins)]
    return command.raw(["env", "COLUMNS=500", *program, *options], timeout=300)


def states(output: str) -> dict[str, str]:
    """Read the last column of the table, row by row; rows are one line on so wide a screen."""
    lines = [line.split("   ") for line in output.splitlines()]
    parts = [[part.strip() for part in line if part.strip()] for line in lines]
    return {row[0]: row[-1] for row in parts if len(row) == 4}


@pytest.mark.faults
def test_each_fault_of_a_library_has_its_line(plugins, command):
    plain = listed(command, plugins)
    assert plain.returncode == 0, plain.stderr
    before = states(plain.stdout)
    assert before["old"] == EXPECTED["old"]
    assert before["absent"] == EXPECTED["absent"]
    assert before["crashing"] == "ready"  # nothing was imported
    checked = listed(command, plugins, "--check")
    assert (checked.returncode, "Traceback" in checked.stderr) == (0, False), checked.stderr
    found = states(checked.stdout)
    assert {name: found[name] for name in EXPECTED} == EXPECTED
    assert found["exact"] == found["pq"] == "ready"
    again = states(listed(command, plugins).stdout)
    assert {name: again[name] for name in EXPECTED} == EXPECTED  # remembered
    library = plugins.parent / "site" / "annharness_test_broken.py"
    library.write_text("")
    source = plugins / "algorithms" / "broken" / "adapter.py"
    source.write_text(source.read_text() + "\nmended = True\n")
    assert states(listed(command, plugins).stdout)["broken"] == "ready"


@pytest.mark.faults
def test_a_run_records_each_fault_and_measures_the_others(plugins, command, tmp_path, small_hdf5):
    suite = tmp_path / "s.yml"
    names = "".join(f"{name}: , " for name in EXPECTED)
    suite.write_text(
        f"k: 5\ndatasets: small.hdf5\nbuilds: 1\nrepeats: 1\nalgorithms: {{{names}}}\n"
    )
    done = command("run", suite, "--plugins", plugins, timeout=300)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    import harness

    frame = harness.load_results(tmp_path / "results").set_index("algorithm")
    assert dict(frame["status"].drop("no-op")) == {
        "fine": "ok",
        "old": "unsupported",
        "absent": "unsupported",
        "broken": "error",
        "crashing": "crashed",
        "leaving": "crashed",
        "chatty": "ok",
    }
    assert "not installed: annharness-test-old==1.0 (found 0.9)" in frame.loc["old", "reason"]
    assert "libnothing.so.7" in frame.loc["broken", "reason"]
    assert "SIGSEGV" in frame.loc["crashing", "reason"]
