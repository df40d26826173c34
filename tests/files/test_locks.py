"""Locks are held by one process and die with it; without locks work goes on, with a warning."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import warnings

import pytest

from harness.files import locks
from harness.files.locks import locked, try_lock

HOLD = """
import sys, time
from pathlib import Path
from harness.files.locks import try_lock
with try_lock(Path(sys.argv[1])) as held:
    print(held, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "work.lock")], stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"True\n"
    yield process
    process.kill()
    process.communicate()


def test_a_lock_is_held_by_one_and_dies_with_its_owner(tmp_path, holder):
    with try_lock(tmp_path / "work.lock") as held:
        assert not held
    with try_lock(tmp_path / "other.lock") as held:
        assert held
    holder.kill()
    holder.wait()
    with try_lock(tmp_path / "work.lock") as held:
        assert held


def test_who_waits_is_told_and_gets_the_lock_once_it_is_free(tmp_path, holder):
    waited = []

    def wait():
        waited.append(holder.poll())
        holder.kill()

    with locked(tmp_path / "work.lock", wait):
        assert waited == [None]
    with locked(tmp_path / "work.lock", wait):
        assert waited == [None]


@pytest.fixture
def no_locks(monkeypatch, request):
    """A file system without locks, of which nobody has been warned yet."""

    def refuse(handle, how):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(locks, "_warned_of", set())


@pytest.mark.parametrize(
    "no_locks",
    [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS],
    ids=errno.errorcode.get,
    indirect=True,
)
def test_without_locks_work_goes_on_with_one_warning(tmp_path, no_locks):
    with (
        pytest.warns(UserWarning, match="two runs into one folder at the same time") as caught,
        try_lock(tmp_path / "a.lock") as held,
        locked(tmp_path / "b.lock"),
        try_lock(tmp_path / "deep" / "a.lock"),
    ):
        assert held
    assert len(caught) == 1


@pytest.mark.parametrize("no_locks", [errno.EIO], indirect=True)
def test_other_errors_are_no_lack_of_locks(tmp_path, no_locks):
    with pytest.raises(OSError, match="Input/output"), locked(tmp_path / "a.lock"):
        pass
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(OSError, match="Input/output"), try_lock(tmp_path / "a.lock"):
            pass
