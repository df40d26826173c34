"""What identifies the contents of a file."""

from __future__ import annotations

import hashlib
import os
import time

from harness.files.hashes import sha256_of, stat_of


def test_the_hash_is_that_of_all_bytes_and_progress_ends_at_the_last(tmp_path):
    content = os.urandom((1 << 20) + 5)
    file = tmp_path / "file"
    file.write_bytes(content)
    told = []
    found = sha256_of(file, lambda what, done, total, unit="rows": told.append((done, total, unit)))
    assert found == hashlib.sha256(content).hexdigest()
    assert told == [(1 << 20, len(content), "bytes"), (len(content), len(content), "bytes")]


def test_a_write_shows_even_if_size_and_time_are_set_back(tmp_path):
    file = tmp_path / "file"
    assert stat_of(file) is None
    file.write_text("one")
    before, times = stat_of(file), file.stat()
    assert stat_of(file) == before
    time.sleep(0.02)  # the clock of files has steps
    file.write_text("two")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert stat_of(file) != before
