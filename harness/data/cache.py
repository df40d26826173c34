"""Where cached data lie, and locks on what is in there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness.contracts import UserError
from harness.contracts.paths import user_path
from harness.files.locks import locked

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
def cache_lock(name: str, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold a lock of the cache, once whoever holds it is done.

    Parameters
    ----------
    name
        What is locked, fit for a file name.
    waiting
        Called once if another process holds the lock.

    Raises
    ------
    UserError
        If the cache cannot be written to.
    """
    path = cache_subfolder("locks") / f"{name}.lock"
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(path, waiting))
        except OSError as error:
            raise UserError(f"cannot lock the cache: {error.strerror}", where=str(path)) from error
        yield
