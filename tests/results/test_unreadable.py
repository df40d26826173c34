"""What cannot be read in a results folder is neither overwritten nor measured again unasked."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import h5py
import pytest

from harness.contracts import UserError
from harness.results.point import Failure


@pytest.fixture
def failed(small_store, header):
    """Give a stored failure of another point."""
    return Failure(header(build={"M": 9}), "crashed", "by a signal")


@pytest.fixture
def unreadable(monkeypatch):
    """Let nobody open a file of a name, as where another user has written it."""
    opened, opened_by_h5py = Path.open, h5py.File

    def deny(name):
        def refusing(way):
            def open_it(path, *how, **more):
                if Path(str(path)).name == name:
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
                return way(path, *how, **more)

            return open_it

        monkeypatch.setattr(Path, "open", refusing(opened))
        monkeypatch.setattr(h5py, "File", refusing(opened_by_h5py))

    return deny


def test_a_point_that_may_not_be_read_is_not_called_missing(small_store, header, unreadable):
    unreadable(small_store.stems()[0].name + ".hdf5")
    for ask in (small_store.settled, small_store.find):
        with pytest.raises(UserError, match="cannot be read") as refused:
            ask(header())
        assert "Permission denied" in refused.value.got


def test_a_failure_that_may_not_be_read_is_not_called_missing(small_store, failed, unreadable):
    path = small_store.write_failure(failed)
    unreadable(path.name)
    with pytest.raises(UserError, match="cannot be read"):
        small_store.failure(failed.header)
    with pytest.raises(PermissionError):
        small_store.write_failure(failed)


def test_a_folder_that_may_not_be_entered_is_named(small_store, header, monkeypatch):
    def denied(path, **more):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "stat", denied)
    with pytest.raises(UserError, match="cannot be read"):
        small_store.settled(header())


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff"])
def test_a_damaged_failure_is_set_aside(small_store, failed, content):
    path = small_store.write_failure(failed)
    for number in (1, 2):
        path.write_bytes(content)
        assert small_store.failure(failed.header) is None
        with pytest.warns(UserWarning, match="set aside a broken result"):
            small_store.write_failure(failed)
        assert small_store.failure(failed.header).reason == "by a signal"
        assert path.with_name(f"{path.name}.{number}.broken").read_bytes() == content


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_file_gives_way_to_results(small_store, failed, header, build, make):
    point, failure, _ = small_store.files_of(small_store.path_of(failed.header))
    for path in (point, failure):
        make(path)
    with pytest.warns(UserWarning, match="no regular file"):
        small_store.add_build(failed.header, build(0))
    with pytest.warns(UserWarning, match="no regular file"):
        small_store.write_failure(failed)
    stored = small_store.find(failed.header)
    assert (stored.builds, stored.failure.status) == (1, "crashed")
