"""Where cached data lie, and how files get there: whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.contracts import UserError

ENVIRONMENT = "ANNHARNESS_DATA"


def cache_folder() -> Path:
    """Return the folder that cached data go to: `ANNHARNESS_DATA`, else the platform's."""
    chosen = os.environ.get(ENVIRONMENT)
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_cache_path  # the worker never needs it

    return user_cache_path("annharness")


def cache_subfolder(name: str) -> Path:
    """Return a folder inside the cache, made if it is not there.

    Raises
    ------
    UserError
        If it cannot be made.
    """
    folder = cache_folder() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot make the cache folder: {error.strerror}",
            where=str(folder),
            hint=f"set {ENVIRONMENT} to a folder that you may write to",
        ) from error
    return folder


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` if the block ends well.

    The temporary file is removed if it does not. Its name does not end as `path` does, so that
    nobody who lists the folder takes it for the whole file.

    Raises
    ------
    UserError
        If the folder cannot be written to or the disk is full.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _cannot_write(path: Path, error: OSError) -> UserError:
    return UserError(
        f"cannot write the file: {error.strerror or error}",
        where=str(path),
        hint=f"free some space or choose another folder ({ENVIRONMENT} for the cache)",
    )
