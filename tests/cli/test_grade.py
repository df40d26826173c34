"""A run says if the machine disturbs what it measures."""

from __future__ import annotations

import importlib

import pytest

import harness
from harness.running.machine.doctor import Diagnosis, Finding

FINDINGS = {
    "A": Finding("SMT", "good", "one hardware thread per core"),
    "B": Finding("boost", "note", "the clock may rise"),
    "C": Finding("noise", "warning", "varies by 7%", "wait"),
    "D": Finding("load", "unfit", "processors 80% busy", "stop it"),
}


@pytest.mark.parametrize("grade", FINDINGS)
def test_grades_c_and_d_have_a_line_with_what_was_found(grade, monkeypatch, capsys):
    run = importlib.import_module("harness.cli.commands.run")
    found = Diagnosis((FINDINGS["A"], FINDINGS[grade], FINDINGS["A"]))
    monkeypatch.setattr(run, "diagnose", lambda: found)
    assert run.examined()["grade"] == grade
    told = capsys.readouterr().err
    if grade in "AB":
        assert told == ""
        return
    assert len(told.splitlines()) == 1
    assert f"grade {grade} ({FINDINGS[grade].topic}: {FINDINGS[grade].found})" in told
    assert "annharness doctor" in told
    assert ("unfit" in told) == (grade == "D")


def test_the_run_has_the_line_before_its_first_build(command, small_hdf5, tmp_path):
    arguments = ("-a", "exact", "--k", 5, "--builds", 1, "--repeats", 1, "--precision", "off")
    done = command("run", "-d", "small.hdf5", *arguments)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    building = next(n for n, line in enumerate(lines) if "building" in line)
    told = [n for n, line in enumerate(lines) if "annharness doctor says what to do" in line]
    [row] = harness.load_results(tmp_path / "results").to_dict("records")
    assert len(told) == (row["provenance"]["conditions"]["grade"] in "CD")
    assert all(n < building for n in told)
