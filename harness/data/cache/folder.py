"""Where cached data lie, locks on what is in there, and its removal."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.contracts import UserError, bytes_below
from harness.files.locks import locked
from harness.files.paths import user_path

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


COMPILED = "numba"
"""The folder inside the cache for what numba compiles."""

Kind = Literal["datasets", "files", "downloads", "truth", "compiled", "leftovers", "unfinished"]

_FOLDERS: dict[str, Kind] = {
    "datasets": "datasets",
    "staged": "datasets",
    "files": "files",
    "downloads": "downloads",
    "truth": "truth",
    "difficulty": "truth",
    COMPILED: "compiled",
}
_LEFT_OVER_SECONDS = 3600


@dataclass(frozen=True)
class Item:
    """One file or folder of the cache."""

    kind: Kind
    path: Path
    bytes: int


def cached_items() -> list[Item]:
    """List all but records of hashes and locks.

    Partial and temporary files count as left over if nobody wrote to them for an hour; until then
    as unfinished, since somebody may be at work on them.
    """
    now = time.time()
    items = []
    for folder, usual in _FOLDERS.items():
        for path in sorted((cache_folder() / folder).glob("*")):
            items.append(Item(_kind(path, usual, now), path, bytes_below(path)))
    return items


def _kind(path: Path, usual: Kind, now: float) -> Kind:
    if not (path.name.startswith(".") or path.name.endswith((".part", ".part.json"))):
        return usual
    is_old = abs(now - path.lstat().st_mtime) > _LEFT_OVER_SECONDS
    return "leftovers" if is_old else "unfinished"


def remove(items: Iterable[Item]) -> int:
    """Remove files and folders of the cache; return how many bytes that freed.

    Raises
    ------
    UserError
        If one cannot be removed; those before it are gone.
    """
    freed = 0
    for item in items:
        try:
            if item.path.is_dir() and not item.path.is_symlink():
                shutil.rmtree(item.path)
            else:
                item.path.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(
                f"cannot remove a part of the cache: {error.strerror}",
                where=str(item.path),
                hint="remove it by hand, or give yourself the right to write to its folder",
            ) from error
        freed += item.bytes
    return freed
