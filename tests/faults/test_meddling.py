"""Adapters that change the process, the clock, signals, limits or the folder given to them."""

from __future__ import annotations

import json
import sys

import pytest

import harness

ANY = {"ok", "error", "crashed", "out_of_memory"}
"""What a process may become whose limits are too low for the harness's own work."""

EXPECTED = {
    "nothing": "ok",
    "fit-no-lengths": ANY,
    "fit-clock-runs-slowly": "ok",
    "fit-clock-runs-back": "error",
    "fit-clock-stands": "error",
    "fit-clock-of-fractions": "error",
    "fit-clock-of-text": "error",
    "fit-answer-after-the-clock": "ok",
    "fit-no-memory": ANY,
    "fit-no-files": ANY,
    "fit-no-file-sizes": "ok",
    "fit-no-processor-time": ANY,
    "fit-raise-in-a-handler": {"error", "crashed"},
    "fit-ignore-all-signals": "ok",
    "fit-leave-a-thread": "ok",
    "fit-hang-at-exit": "ok",
    "fit-trace": ANY,
    "fit-no-recursion": ANY,
    "fit-raise-for-warnings": "ok",
    "fit-raise-for-overflow": "ok",
    "fit-one-processor": "ok",
    "fit-own-group": "ok",
    "fit-dig": "ok",
    "fit-lock-folder": "ok",
    "fit-litter": "ok",
    "fit-closed-output": "ok",
    "fit-undumpable": "ok",
    "fit-outlive-parent": "ok",
    "fit-forget-modules": ANY,
    "fit-replace-query": "ok",
    "fit-read-input": "error",
    "fit-become-another-program": "crashed",
    "fit-stop-supervisor": ANY,
    "query-fork-and-answer": {"ok", "error"},  # ok if the copy came to answer only at the end
    "query-raise-interrupt": "crashed",
    "query-raise-generator-exit": "crashed",
    "query-raise-cancelled": "crashed",
    "query-raise-group": "error",
    "query-raise-mute": "error",
    "query-raise-odd-name": "error",
    "query-raise-stop": "error",
    "query-write-into-query": "error",
    "prepare-raise-interrupt": "crashed",
    "index_bytes-raise-interrupt": "crashed",
    "close-raise-interrupt": "ok",
    "close-wait": "ok",
    "answer-same-buffer": "ok",
    "answer-unsigned": "wrong_answer",
    "answer-big-endian": "ok",
    "answer-truths": "wrong_answer",
    "answer-endless-ints": "wrong_answer",
    "answer-ragged": "error",
    "answer-masked": "wrong_answer",
    "answer-record": "wrong_answer",
    "answer-nothing-at-all": "wrong_answer",
    "answer-reversed-view": "ok",
    "answer-readonly": "ok",
    "answer-set": "wrong_answer",
    "answer-generator": "wrong_answer",
    "answer-text": "wrong_answer",
    "answer-tuple-of-numpy-ints": "ok",
}
HANGING = ("warm_up-wait", "index_bytes-wait", "diagnostics-wait", "prepare-wait")


@pytest.fixture
def run(tmp_path, small_hdf5, command, session_cache):
    """Run `meddling` in these ways; return the outcome and the rows by way."""

    def run(ways, timeout=60, cache=session_cache):
        path = tmp_path / "meddling.yml"
        path.write_text(
            "k: 5\ndatasets: small.hdf5\n"
            f"algorithms: {{meddling: {{build: {{how: {json.dumps(ways)}}}}}}}\n"
            f"builds: 1\nrepeats: 2\nleast_seconds: 0\ntimeout: {timeout}\n"
            "memory: 600MiB\nbuild_threads: 1\nprecision: off\n"
        )
        environment = ["env", f"ANNHARNESS_DATA={cache}", sys.executable]
        done = command.raw([*environment, "-m", "harness", "run", str(path)], timeout=500)
        assert "Traceback" not in done.stderr
        if not (tmp_path / "results").exists():
            return done, {}
        table = harness.load_results(tmp_path / "results")
        return done, {row["build"]["how"]: row for row in table.to_dict("records")}

    return run


@pytest.mark.faults
def test_what_changes_its_process_harms_no_other(run, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "jobs"))
    (tmp_path / "jobs").mkdir()
    done, found = run(list(EXPECTED))
    assert done.returncode == 1, done.stdout
    wrong = {
        how: (row["status"], row["reason"])
        for how, row in found.items()
        if row["status"] not in EXPECTED[how]
    }
    assert not wrong, wrong
    assert set(found) == set(EXPECTED)
    assert "\x1b" not in done.stdout + done.stderr
    assert list((tmp_path / "jobs").iterdir()) == []


@pytest.mark.faults
def test_what_waits_for_ever_meets_its_time_out(run):
    _, found = run(list(HANGING), timeout=4)
    assert {how: row["status"] for how, row in found.items()} == dict.fromkeys(HANGING, "timeout")


@pytest.mark.faults
@pytest.mark.parametrize("metric", ["angular", "euclidean"])
@pytest.mark.parametrize("how", ["cut-dataset", "rewrite-dataset"])
def test_a_dataset_that_is_changed_ends_the_run_and_stores_nothing(
    run, tmp_path, write_small_hdf5, how, metric
):
    """Angular rows are mapped from the cache, euclidean ones from the user's own file."""
    write_small_hdf5(tmp_path / "small.hdf5", metric)
    done, found = run(["nothing", f"fit-{how}"], cache=tmp_path / "cache")
    assert done.returncode == 2, done.stdout
    assert "was changed or removed while it was in use" in done.stderr
    assert found == {}
    write_small_hdf5(tmp_path / "small.hdf5", metric)
    done, found = run(["nothing"], cache=tmp_path / "cache")
    assert done.returncode == 0, done.stderr
    assert found["nothing"]["recall_curve"].min() == 1


@pytest.mark.faults
@pytest.mark.parametrize(
    "how", ["fit-clock-runs-slowly", "fit-answer-after-the-clock"], ids=["clock", "numpy"]
)
def test_work_that_the_times_do_not_show_is_told(run, how):
    _, found = run(["nothing", how])
    told = {way: " ".join(row["warnings"]) for way, row in found.items()}
    assert told["nothing"] == ""
    assert "in turns of which it says" in told[how]
