"""The cache folder, and the writing of files into it: whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.contracts import UserError
from harness.contracts.paths import user_path
from harness.whole_files import replacing

ENVIRONMENT = "ANNHARNESS_DATA"


def cache_folder() -> Path:
    """Return the cache folder: `ANNHARNESS_DATA`, or the platform's."""
    chosen = os.environ.get(ENVIRONMENT)
    if chosen:
        return user_path(chosen).absolute()
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
    """Give a temporary path beside `path`, which replaces `path` if the block succeeds.

    Raises
    ------
    UserError
        If the folder cannot be written to or the disk is full.
    """
    try:
        with replacing(path) as temporary:
            yield temporary
    except OSError as error:
        raise UserError(
            f"cannot write the file: {error.strerror or error}",
            where=str(path),
            hint=f"free some space or choose another folder ({ENVIRONMENT} for the cache)",
        ) from error
