"""What a file holds, by its sha256, and whether it was written to since."""

from __future__ import annotations

import hashlib
from pathlib import Path

from harness.files.progress import Progress, silent

FileStat = tuple[int, int, int, int]
"""The size, times of modification and change in nanoseconds, and inode of a file."""


def sha256_of(path: Path, progress: Progress = silent) -> str:
    """Return the sha256 (hex) of a file."""
    digest = hashlib.sha256()
    size, done = path.stat().st_size, 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            done += len(chunk)
            progress(f"hashing {path.name}", done, size, "bytes")
    return digest.hexdigest()


def stat_of(path: Path) -> FileStat | None:
    """Return what changes when a file is written to, even if its times are set back.

    None if it is gone.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
