"""Files that are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path, *, suffix: str = ".part", durable: bool = False) -> Iterator[Path]:
    """Give a temporary path beside `path`, which replaces `path` if the block succeeds.

    Parameters
    ----------
    path
        The file to write; its folder is made if missing.
    suffix
        How the temporary name ends: not as `path` does, so that nobody who lists the folder takes
        it for a whole file. Some writers insist on an ending of their own.
    durable
        Wait until the disk has it, so that it outlives a power cut as well.

    Raises
    ------
    OSError
        If it cannot be written; what stood there before is whole, and nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem[:40]}-", suffix=suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        if durable:
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
