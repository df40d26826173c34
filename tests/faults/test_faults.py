"""Adapters that misbehave end with the status they deserve, and the others go on."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest

from tests.conftest import Command

EXPECTED = {
    "nothing": "ok",
    "init-raise": "error",
    "fit-raise": "error",
    "set_search-raise": "error",
    "query-raise": "error",
    "query-segfault": "crashed",
    "fit-segfault": "crashed",
    "query-abort": "crashed",
    "query-exit-0": "crashed",
    "fit-sys-exit": "crashed",
    "query-loop": "timeout",
    "fit-loop-in-c": "timeout",
    "fit-grow-slowly": "out_of_memory",
    "fit-grow-fast": "out_of_memory",
    "fit-fork-bomb": "ok",
    "fit-daemon": "ok",
    "fit-flood": "ok",
    "fit-warn": "ok",
    "fit-close-stdout": "ok",
    "fit-write-base": "error",
    "fit-write-base-in-c": "crashed",
    "fit-change-world": "ok",
    "wrong-shape": "wrong_answer",
    "too-few": "wrong_answer",
    "float": "wrong_answer",
    "nan": "wrong_answer",
    "negative": "wrong_answer",
    "repeated": "wrong_answer",
    "out-of-range": "wrong_answer",
    "none": "wrong_answer",
    "padding-first": "wrong_answer",
    "depends-on-order": "ok",
    "lazy": "wrong_answer",
    "lazy-array": "wrong_answer",
    "query-grow-a-little": "out_of_memory",
    "fit-grow-out-of-sight": "out_of_memory",
    "fit-grow-in-dev-shm": "out_of_memory",
    "fit-leave-in-dev-shm": "ok",
    "fit-die-while-others-have-their-turn": "crashed",
    "fit-spin-in-a-thread": "ok",
    "fit-spin-in-a-daemon": "ok",
    "fit-answer-twice": "error",
    "fit-answer-another-turn": "error",
    "fit-answer-something-else": "error",
    "fit-never-leave": "ok",
    "fit-write-to-every-descriptor": "error",
    "fit-close-descriptors": "crashed",
    "fit-kill-supervisor": "crashed",
    "fit-kill-group": "crashed",
    "query-stop-self": "timeout",
    "fit-spoil-folder": "ok",
    "size-negative": "error",
    "size-true": "error",
    "size-text": "error",
    "size-endless": "error",
    "table-slash": "error",
    "table-dot": "error",
    "table-nul": "error",
    "table-nameless": "error",
    "table-number": "error",
    "table-ragged": "error",
    "table-objects": "error",
    "table-empty": "ok",
    "table-surrogate": "error",
    "table-odd-text": "ok",
    "table-huge": "error",
    "fit-die-by-a-real-time-signal": "crashed",
    "fit-take-an-odd-name": "ok",
    "fit-build-for-ever": "error",
    "fit-send-what-cannot-be": "error",
}


def suite(path: Path, ways: list[str], **more: object) -> Path:
    lines = [
        "k: 5",
        "datasets: small.hdf5",
        "algorithms:",
        "  exact:",
        f"  misbehaving: {{build: {{how: {json.dumps(ways)}}}, search: {{setting: [0, 1]}}}}",
        *(f"{name}: {value}" for name, value in {**DEFAULTS, **more}.items()),
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


DEFAULTS = {
    "builds": 1,
    "repeats": 2,
    "least_seconds": 0,
    "timeout": 4,
    "memory": "600MiB",
    "build_threads": 1,
    "precision": "off",
}
PATIENT = 60
"""The time-out, in seconds, of adapters that do not hang."""


def statuses(results: Path) -> dict[str, list[str]]:
    import harness

    found: dict[str, list[str]] = {}
    frame = harness.load_results(results)
    for row in frame[frame["algorithm"] == "misbehaving"].to_dict("records"):
        found.setdefault(row["build"]["how"], []).append(row["status"])
    return found


def sleepers() -> list[int]:
    def is_one(process: psutil.Process) -> bool:
        try:
            return any("annharness-misbehaving-sleeper" in part for part in process.cmdline())
        except psutil.Error:
            return False

    return [process.pid for process in psutil.process_iter() if is_one(process)]


@pytest.fixture(scope="module")
def misdeeds(tmp_path_factory, session_cache, forks, write_small_hdf5):
    """Results of every misdeed."""
    folder = tmp_path_factory.mktemp("misdeeds")
    write_small_hdf5(folder / "small.hdf5", "angular")
    command = Command(folder, session_cache, forks)
    hanging = [how for how, status in EXPECTED.items() if status == "timeout"]
    contained = [how for how, status in EXPECTED.items() if status == "ok"]
    failing = [how for how in EXPECTED if how not in (*hanging, *contained)]
    # Only what hangs meets a short time-out: on a busy machine the rest may be slow too.
    for name, ways, timeout in (
        ("hanging", hanging, 4),
        ("contained", contained, PATIENT),
        ("failing", failing, PATIENT),
    ):
        done = command("run", suite(folder / f"{name}.yml", ways, timeout=timeout), timeout=500)
        assert done.returncode == (name != "contained"), done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    return folder / "results"


@pytest.mark.faults
def test_every_misdeed_gets_its_status_and_the_rest_completes(misdeeds):
    found = statuses(misdeeds)
    assert {how: set(both) for how, both in found.items()} == {
        how: {status} for how, status in EXPECTED.items()
    }
    assert sleepers() == []
    assert list(Path("/dev/shm").glob("annharness-hoard-*")) == []


@pytest.mark.faults
def test_contained_mischief_is_told(misdeeds):
    import harness

    frame = harness.load_results(misdeeds)
    told = {
        row["build"]["how"]: (" ".join(row["warnings"]), row["nondeterministic"])
        for row in frame[frame["algorithm"] == "misbehaving"].to_dict("records")
    }
    assert "50 processes were left running" in told["fit-fork-bomb"][0]
    assert "MiB of output" in told["fit-flood"][0]
    assert told["fit-warn"][0].startswith("while building: 0 ")
    assert len(told["fit-warn"][0]) < 50_000
    assert "\x1b" not in told["fit-warn"][0]
    assert "changed or removed the working folder" in told["fit-change-world"][0]
    assert "did not leave when it was asked to" in told["fit-never-leave"][0]
    assert "left in /dev/shm, now removed: 1" in told["fit-leave-in-dev-shm"][0]
    assert told["nothing"] == ("", False)
    assert told["depends-on-order"][1]
    assert not told["fit-flood"][1]


@pytest.mark.faults
def test_one_bad_setting_does_not_lose_the_others(tmp_path, small_hdf5, command):
    ways = ["setting-1-wrong", "second-segfault"]
    done = command("run", suite(tmp_path / "s.yml", ways), timeout=300)
    assert done.returncode == 1
    assert "an id more than once in the answer to query 0" in done.stdout
    found = statuses(tmp_path / "results")
    assert {how: sorted(both) for how, both in found.items()} == {
        "setting-1-wrong": ["ok", "wrong_answer"],
        "second-segfault": ["crashed", "ok"],
    }


@pytest.mark.faults
def test_a_bad_count_of_distances_fails_its_own_point_alone(tmp_path, small_hdf5, command):
    reasons = {
        "counts-text": "'12', a whole number or None is expected",
        "counts-endless": f"is {10**40}, 0 to ",
        "counts-negative": "is -1, 0 to ",
        "count-raise": "RuntimeError: it went <wrong>",
        "count-segfault": "ended by SIGSEGV",
        "count-loop": "finish took longer than the timeout of 4 s",
        "count-empty-the-index": "",
    }
    done = command("run", suite(tmp_path / "s.yml", list(reasons)), timeout=300)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    import harness

    frame = harness.load_results(tmp_path / "results")
    rows = frame[frame["algorithm"] == "misbehaving"].to_dict("records")
    found = {(row["build"]["how"], row["search"]["setting"]): row for row in rows}
    assert len(found) == 2 * len(reasons)
    for how, reason in reasons.items():
        other, own = found[how, 1], found[how, 0]
        assert (other["status"], other["recall@5"], other["distance_computations"]) == (
            "ok", 1.0, other["n"],
        ), how  # fmt: skip
        assert reason in own["reason"], how
        assert (own["status"] == "ok") == (not reason), how
    statuses = {how: found[how, 0]["status"] for how in reasons}
    assert (statuses["count-loop"], statuses["count-segfault"]) == ("timeout", "crashed")
    assert found["count-empty-the-index", 0]["recall@5"] == 1.0


@pytest.mark.faults
def test_failures_are_kept_and_retried_only_when_asked(tmp_path, small_hdf5, command):
    path = suite(tmp_path / "s.yml", ["query-raise"])
    first = command("run", path)
    assert (first.returncode, "RuntimeError: it went <wrong>" in first.stdout) == (1, True)
    [failure, _] = sorted((tmp_path / "results").rglob("*.failure.json"))
    written = failure.stat().st_mtime_ns
    again = command("run", path)
    assert again.returncode == 1
    assert "0 builds to run" in again.stderr
    assert failure.stat().st_mtime_ns == written
    retried = command("run", path, "--retry", "error")
    assert retried.returncode == 1
    assert failure.stat().st_mtime_ns > written
    assert "Traceback" in json.loads(failure.read_text())["log_tail"]
