"""Every check can fail: for each there is an adapter that breaks this one rule."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from harness.checks.catalog import names_of_checks
from harness.checks.conducting import check_entry
from harness.contracts import UserError

CHECKS = names_of_checks()
PLUGINS = Path(__file__).parent / "plugins"

TITLES = {
    "recall": "recall[inner_product]",
    "filter-recall": "filter-recall[angular]",
    "group-builds": "group-builds[large]",
}
DEADLY = {"segfault": "k-one", "hang": "k-all", "exit": "diagnostics"}
MORE = {"counted-once": "distance-computations"}
FAULTS = {check: TITLES.get(check, check) for check in CHECKS} | DEADLY | MORE
REASONS = {
    "segfault": "crashed: ended by SIGSEGV",
    "hang": "timeout",
    "exit": "left early with exit status 0",
    "bad-parameters": "IndexError",
    "threads": "query kept",
    "index-bytes": "0 bytes",
    "distance-computations": "000",
    "counted-once": "0",
}
SECONDS = {"planted-hang": 4}  # the others get enough on any machine


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, session_cache):
    monkeypatch.setenv("ANNHARNESS_DATA", str(session_cache))


def failed(name: str, only: tuple[str, ...] = ()) -> dict[str, str]:
    """The checks that an adapter fails, with what came instead."""
    verdicts = check_entry(name, [PLUGINS], timeout=SECONDS.get(name, 60), only=only)
    return {verdict.title: verdict.got for verdict in verdicts if verdict.status == "fail"}


@pytest.mark.parametrize("fault", REASONS)
def test_the_check_finds_its_fault_and_says_what_came(fault):
    [(check, got)] = failed(f"planted-{fault}", (FAULTS[fault],)).items()
    assert check == FAULTS[fault]
    assert REASONS[fault] in got


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_each_check_finds_its_fault_and_no_other_fails(fault):
    assert set(failed(f"planted-{fault}")) == {FAULTS[fault]}


@pytest.mark.parametrize("check", ["ids-valid", "recall"])
def test_an_answer_that_computes_when_it_is_read_is_refused_as_in_a_run(check):
    """Only `fresh-process` failed, by a TypeError that said nothing of the cause."""
    (got,) = failed("planted-lazy", (check,)).values()
    assert "is Later, an array of integers is expected" in got


def test_an_adapter_without_a_fault_passes_all():
    verdicts = check_entry("planted-flat", [PLUGINS], timeout=60)
    assert {verdict.title: verdict.status for verdict in verdicts if verdict.status != "pass"} == {}
    assert {verdict.title.partition("[")[0] for verdict in verdicts} == set(CHECKS)


def test_lists_of_ints_pass_where_processes_are_compared():
    assert failed("planted-lists", ("fresh-process", "answers-stay", "single-equals-batch")) == {}


def test_an_adapter_without_a_fault_passes_on_few_rows(tmp_path):
    """Half of them are fewer than k."""
    rows = np.random.default_rng(0).standard_normal((18, 4)).astype(np.float32)
    with h5py.File(tmp_path / "few.hdf5", "w") as file:
        file["train"], file["test"], file.attrs["distance"] = rows[:15], rows[15:], "angular"
    verdicts = check_entry("planted-flat", [PLUGINS], str(tmp_path / "few.hdf5"), timeout=60)
    assert {verdict.title: verdict.got for verdict in verdicts if verdict.status != "pass"} == {}


def test_an_adapter_that_does_not_build_is_not_checked_further():
    verdicts = check_entry("planted-builds", [PLUGINS])
    assert [v.title for v in verdicts if v.status == "fail"] == ["builds"]
    assert {v.status for v in verdicts if v.title != "builds"} == {"skip"}


def test_a_check_that_does_not_exist_is_named():
    with pytest.raises(UserError, match="did you mean 'k-one'"):
        check_entry("planted-flat", [PLUGINS], only=["k-on"])
