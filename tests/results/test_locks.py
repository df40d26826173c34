"""Locks die with their owner; what a killed writer left is removed when nobody else writes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from harness.results.locks import among_writers, try_lock

from harness.results.store import ResultStore

HOLD = """
import sys, time
from pathlib import Path
from harness.results.locks import {function} as take
with take(Path(sys.argv[1]), {argument}):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Start another process that holds a lock; killing it must free the lock."""
    started = []

    def start(function, argument):
        code = HOLD.format(function=function, argument=argument)
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE
        )
        started.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_lock_is_held_by_one_and_dies_with_its_owner(tmp_path, other):
    holder = other("try_lock", "'work'")
    with try_lock(tmp_path, "work") as held:
        assert not held
    with try_lock(tmp_path, "other work") as held:
        assert held
    holder.kill()
    holder.wait()
    with try_lock(tmp_path, "work") as held:
        assert held


def test_only_the_first_writer_cleans_up(tmp_path, other):
    cleaned = []
    holder = other("among_writers", "lambda: None")
    with among_writers(tmp_path, lambda: cleaned.append(1)):
        assert cleaned == []
    holder.kill()
    holder.wait()
    with among_writers(tmp_path, lambda: cleaned.append(2)):
        assert cleaned == [2]


def test_half_written_files_are_removed_and_results_are_not(tmp_path):
    folder = tmp_path / "data" / "10" / "exact"
    folder.mkdir(parents=True)
    left = [folder / ".point-x1.part", folder.parent / ".truth-00-x2.npz"]
    kept = [folder / "point.hdf5", folder / "point.failure.json", folder.parent / "truth-00.npz"]
    for path in left + kept:
        path.write_text("half")
    with ResultStore(tmp_path).open_for_writing():
        pass
    assert [path.exists() for path in left + kept] == [False, False, True, True, True]
