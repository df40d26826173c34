"""A run says if the machine disturbs what it measures."""

from __future__ import annotations

import pytest

import harness
from harness.running import suite_run
from harness.running.machine.doctor import Diagnosis, Finding

FINDINGS = {
    "A": Finding("SMT", "good", "one hardware thread per core"),
    "B": Finding("boost", "note", "the clock may rise"),
    "C": Finding("noise", "warning", "varies by 7%", "wait"),
    "D": Finding("load", "unfit", "processors 80% busy", "stop it"),
}


@pytest.mark.parametrize("grade", FINDINGS)
def test_grades_c_and_d_have_a_line_with_what_was_found(grade, monkeypatch):
    found = Diagnosis((FINDINGS["A"], FINDINGS[grade], FINDINGS["A"]))
    monkeypatch.setattr(suite_run, "diagnose", lambda: found)
    lines = []
    assert suite_run.examined(lines.append)["grade"] == grade
    if grade in "AB":
        assert lines == []
        return
    (told,) = lines
    assert "\n" not in told
    assert f"grade {grade} ({FINDINGS[grade].topic}: {FINDINGS[grade].found})" in told
    assert "annharness doctor" in told
    assert ("unfit" in told) == (grade == "D")


@pytest.mark.slow
def test_the_run_has_the_line_before_its_first_build(command, small_hdf5, tmp_path):
    arguments = ("-a", "exact", "--k", 5, "--builds", 1, "--repeats", 1, "--least-seconds", 0)
    arguments += ("--precision", "off")
    done = command("run", "-d", "small.hdf5", *arguments)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    building = next(n for n, line in enumerate(lines) if "building" in line)
    told = [n for n, line in enumerate(lines) if "annharness doctor says what to do" in line]
    [row] = harness.load_results(tmp_path / "results").to_dict("records")
    assert len(told) == (row["provenance"]["conditions"]["grade"] in "CD")
    assert all(n < building for n in told)
