"""Every way in which a library can be unfit is told in `list`; the others are untouched."""

from __future__ import annotations

import os
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
    "old": "ready, but annharness-test-old 0.9 is installed, annharness-test-old==1.0 was tested",
    "absent": "not installed: annharness-test-absent==1.0: "
    "pip install 'annharness-test-absent==1.0'",
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
            f"{name}: {{adapter: 'adapter:Adapter', about: An exact test., metrics: [angular], "
            f"requires: [annharness-test-{name}==1.0]}}\n"
        )
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
    return tmp_path / "plugins"


def listed(command, plugins: Path, *options: str):
    """Give `annharness list` on a screen so wide that nothing is cut."""
    program = [sys.executable, "-m", "harness", "list", "algorithms", "--plugins", str(plugins)]
    return command.raw(["env", "COLUMNS=500", *program, *options], timeout=300)


def states(output: str) -> dict[str, str]:
    """Read the last column, line by line; the entries of the plug-ins are `An exact test.`."""
    lines = [line.split("  ") for line in output.splitlines()]
    parts = [[part.strip() for part in line if part.strip()] for line in lines]
    return {row[0]: row[-1] for row in parts if len(row) == 4}


def details(output: str) -> dict[str, str]:
    """Read what stands under the list after a check."""
    found = (line.partition(": ") for line in output.splitlines())
    return {name: detail for name, _, detail in found if name in EXPECTED}


@pytest.mark.faults
def test_each_fault_of_a_library_has_its_line(plugins, command):
    plain = listed(command, plugins)
    assert plain.returncode == 0, plain.stderr
    before = states(plain.stdout)
    assert before["old"] == "other version"
    assert before["absent"] == "not installed"
    assert before["exact"] == before["pq"] == "ready"
    assert before["crashing"] == "ready"  # nothing was imported
    # Not all: some libraries compile for half a minute when they are imported.
    checked = listed(command, plugins, "exact", "--check")
    assert (checked.returncode, "Traceback" in checked.stderr) == (0, False), checked.stderr
    told = {name: text for name, text in EXPECTED.items() if text != "ready"}
    assert details(checked.stdout) == told
    found = states(checked.stdout)
    assert found["exact"] == found["sklearn-kd-tree"] == found["fine"] == "ready"
    again = states(listed(command, plugins).stdout)
    assert {name: again[name] for name in EXPECTED} == {  # remembered
        **dict.fromkeys(("broken", "crashing", "leaving"), "no import"),
        "old": "other version",
        "absent": "not installed",
        "fine": "ready",
        "chatty": "ready",
    }
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
        f"k: 5\ndatasets: small.hdf5\nbuilds: 1\nrepeats: 1\nleast_seconds: 0\nprecision: off\n"
        f"algorithms: {{{names}}}\n"
    )
    done = command("run", suite, "--plugins", plugins, timeout=300)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    import harness

    frame = harness.load_results(tmp_path / "results", overhead=True).set_index("algorithm")
    assert dict(frame["status"].drop("no-op")) == {
        "fine": "ok",
        "old": "ok",
        "absent": "unsupported",
        "broken": "error",
        "crashing": "crashed",
        "leaving": "crashed",
        "chatty": "ok",
    }
    assert "annharness-test-old 0.9 is installed" in frame.loc["old", "warnings"][0]
    assert "not installed: annharness-test-absent==1.0" in frame.loc["absent", "reason"]
    assert "libnothing.so.7" in frame.loc["broken", "reason"]
    assert "SIGSEGV" in frame.loc["crashing", "reason"]
