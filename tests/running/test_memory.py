"""Memory that counts: private pages, and shared ones that no file stands behind."""

from __future__ import annotations

import mmap
import os

from harness.running.processes.memory import killed_for_memory, private_bytes, tree_bytes

_SIZE = 64 << 20


def test_anonymous_shared_memory_counts_once():
    """Else an index in shared memory would slip through the limit."""
    before = tree_bytes([os.getpid()])
    shared = mmap.mmap(-1, _SIZE)
    for page in range(0, _SIZE, mmap.PAGESIZE):
        shared[page] = 1
    grown = tree_bytes([os.getpid()]) - before
    twice = tree_bytes([os.getpid(), os.getpid()])
    shared.close()
    assert 0.9 * _SIZE < grown < 1.5 * _SIZE
    assert twice < 2 * (before + grown)


def test_pages_of_a_file_do_not_count(tmp_path):
    path = tmp_path / "base"
    path.write_bytes(bytes(_SIZE))
    before = tree_bytes([os.getpid()])
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert sum(mapped[page] for page in range(0, _SIZE, mmap.PAGESIZE)) == 0
        assert tree_bytes([os.getpid()]) - before < _SIZE / 4


def test_processes_that_are_gone_use_nothing():
    assert private_bytes(2**22 + 1) == 0
    assert killed_for_memory() >= 0
