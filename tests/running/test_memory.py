"""Memory that counts: private pages, and shared ones that no file stands behind."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import pytest

from harness.running.processes.memory import (
    SharedFiles,
    killed_for_memory,
    private_bytes,
    tree_bytes,
)

_SIZE = 64 << 20


def used(files=None, pids=1):
    return tree_bytes([os.getpid()] * pids, files or SharedFiles())


@pytest.fixture
def in_memory():
    path = Path(f"/dev/shm/annharness-test-{os.getpid()}")
    yield path
    path.unlink(missing_ok=True)


def test_anonymous_shared_memory_counts_once():
    """Else an index in shared memory would slip through the limit."""
    before = used()
    shared = mmap.mmap(-1, _SIZE)
    for page in range(0, _SIZE, mmap.PAGESIZE):
        shared[page] = 1
    grown = used() - before
    twice = used(pids=2)
    shared.close()
    assert 0.9 * _SIZE < grown < 1.5 * _SIZE
    assert twice < 2 * (before + grown)


def test_pages_of_a_file_do_not_count(tmp_path):
    path = tmp_path / "base"
    path.write_bytes(bytes(_SIZE))
    before = used()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert sum(mapped[page] for page in range(0, _SIZE, mmap.PAGESIZE)) == 0
        assert used() - before < _SIZE / 4


def test_processes_that_are_gone_use_nothing():
    assert private_bytes(2**22 + 1) == 0
    assert killed_for_memory() >= 0


def test_a_memfd_counts_though_it_is_never_mapped():
    before = used()
    with os.fdopen(os.memfd_create("index"), "wb") as file:
        file.write(bytes(_SIZE))
        assert 0.9 * _SIZE < used() - before < 1.5 * _SIZE


def test_a_file_in_dev_shm_counts_until_it_is_gone(in_memory):
    files = SharedFiles()
    before = used(files)
    with in_memory.open("wb") as file:
        file.write(bytes(_SIZE))
        assert 0.9 * _SIZE < used(files) - before < 1.5 * _SIZE
    assert used(files) - before > 0.9 * _SIZE
    in_memory.unlink()
    assert used(files) - before < _SIZE / 4


def test_a_mapped_file_in_dev_shm_counts_after_it_was_closed(in_memory):
    files = SharedFiles()
    before = used(files)
    in_memory.write_bytes(bytes(_SIZE))
    with in_memory.open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 0)
    assert 0.9 * _SIZE < used(files) - before < 1.5 * _SIZE
    mapped.close()
    assert used(files) - before > 0.9 * _SIZE


def test_a_dataset_that_is_read_from_a_tmpfs_does_not_count(in_memory):
    in_memory.write_bytes(bytes(_SIZE))
    before = used()
    with in_memory.open("rb") as file:
        assert used() - before < _SIZE / 4
        file.read(1)


def test_only_what_the_processes_made_is_removed(in_memory):
    other = in_memory.with_name(f"{in_memory.name}-of-another")
    older = in_memory.with_name(f"{in_memory.name}-older")
    try:
        older.write_bytes(b"")
        files = SharedFiles()
        other.write_bytes(b"")
        with in_memory.open("wb"), older.open("wb"):
            used(files)
        assert files.remove() == 1
        assert (in_memory.exists(), other.exists(), older.exists()) == (False, True, True)
    finally:
        for path in (other, older):
            path.unlink(missing_ok=True)
