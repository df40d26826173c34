"""What is stored names neither user nor host, unless it is signed."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest

from harness.running.machine.facts import impersonal, impersonal_data, signature


@pytest.fixture
def somebody(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("LOGNAME", "ada")
    monkeypatch.setattr(platform, "node", lambda: "engine-7")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/ada/data.hdf5", "~/data.hdf5"),
        ("/home/ada", "~"),
        ("/home/adam/data.hdf5", "/home/adam/data.hdf5"),
        ("/scratch/ada/x", "/scratch/USER/x"),
        ("adapter of ada-boost", "adapter of ada-boost"),
        ("on engine-7 and engine-72", "on HOST and engine-72"),
    ],
)
def test_names_are_taken_out_and_nothing_else(somebody, text, expected):
    assert impersonal(text) == expected


def test_all_of_plain_data_is_cleaned(somebody):
    data = {"command": ["run", "/home/ada/s.yml"], "deep": [{"a": ["on engine-7"]}], "n": 1}
    assert impersonal_data(data) == {
        "command": ["run", "~/s.yml"],
        "deep": [{"a": ["on HOST"]}],
        "n": 1,
    }
    assert signature() == {"user": "ada", "host": "engine-7"}


@pytest.mark.slow
def test_a_traceback_of_a_failure_and_the_command_name_nobody(
    tmp_path, small_hdf5, command, monkeypatch
):
    """The failing adapter lies below a home folder; its traceback shows the path."""
    home = Path(__file__).parents[1]
    monkeypatch.setitem(command._env, "HOME", str(home))
    monkeypatch.setitem(command._env, "XDG_CONFIG_HOME", str(tmp_path))
    suite = tmp_path / "s.yml"
    suite.write_text(
        "k: 5\ndatasets: small.hdf5\nbuilds: 1\nrepeats: 1\nleast_seconds: 0\nbuild_threads: 1\n"
        "precision: off\n"
        "algorithms: {misbehaving: {build: {how: [query-raise]}}}\n"
    )
    for more, named in (((), False), (("--signed", "--force"), True)):
        done = command("run", suite, "--plugins", home / "faults", *more)
        assert done.returncode == 1, done.stderr
        [path] = (tmp_path / "results").rglob("*.failure.json")
        failure = json.loads(path.read_text())
        assert "Traceback" in failure["log_tail"]
        assert (str(home) in path.read_text()) == named
        assert ("signature" in failure["provenance"]) == named
