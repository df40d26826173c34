"""Temporary files and folders that go away even if their writer is killed.

Each is locked as long as its writer lives. What a killed writer left is not locked any more: it is
removed when somebody makes the next temporary file in the same folder.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from harness.files.locks import acquire

_NAME = re.compile(r"\..*-annharness-([0-9a-f]{8})-[0-9a-f]{16}\.part")
_FOLDER = ".folder"
_STEM_CHARACTERS = 40
_SECONDS_BETWEEN_LOOKS = 60.0  # listing a large folder for every file of it would be slow
_ABANDONED_SECONDS = 24 * 3600
"""Without a write for so long a file counts as abandoned where locks tell nothing."""

_AS_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW

_looked: dict[Path, float] = {}


@contextmanager
def temporary_file(folder: Path, stem: str, mode: int = 0o600) -> Iterator[Path]:
    """Give an empty file in a folder; it is removed at the end, or later if this process is killed.

    Parameters
    ----------
    folder
        Where it lies; must be there.
    stem
        Part of its name, for people who see it.
    mode
        Its permissions; the umask is taken away from them.
    """
    now = time.monotonic()
    if folder not in _looked or now - _looked[folder] > _SECONDS_BETWEEN_LOOKS:
        _looked[folder] = now
        remove_abandoned(folder)
    path, handle = _locked_file(folder, stem, mode)
    try:
        yield path
    finally:
        _discard(path)
        os.close(handle)


@contextmanager
def temporary_folder(parent: Path, stem: str) -> Iterator[Path]:
    """Give an empty private folder, which is removed as a `temporary_file` is.

    A file beside it holds the lock: not every file system can lock a folder.
    """
    with temporary_file(parent, stem) as path:
        folder = _folder_of(path)
        folder.mkdir(mode=0o700)
        yield folder


def remove_abandoned(folder: Path) -> None:
    """Remove the temporary files and folders of this user in a folder whose writer is gone."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if _NAME.fullmatch(entry.name)]
    except OSError:
        return
    for name in names:
        with suppress(OSError):
            _remove_if_abandoned(folder / name)


def _locked_file(folder: Path, stem: str, mode: int) -> tuple[Path, int]:
    while True:
        name = f".{stem[:_STEM_CHARACTERS]}-annharness-{_kernel()}-{secrets.token_hex(8)}.part"
        handle = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        if acquire(handle) is not False and os.fstat(handle).st_nlink:
            return folder / name, handle
        os.close(handle)  # between the two calls somebody took it for abandoned


def _remove_if_abandoned(path: Path) -> None:
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid():
        return
    handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        held = acquire(handle)
        if held is False:
            return
        # A file system may keep locks of each machine to itself.
        is_ours = held and f"-{_kernel()}-" in path.name
        if is_ours or time.time() - found.st_mtime > _ABANDONED_SECONDS:
            _discard(path)
    finally:
        os.close(handle)


def _discard(path: Path) -> None:
    """Remove a temporary file and the folder that it stands for; last the file, which names it."""
    folder = _folder_of(path)
    _remove(folder)
    if not os.path.lexists(folder):
        path.unlink(missing_ok=True)


def _folder_of(path: Path) -> Path:
    return path.with_suffix(_FOLDER)


def _remove(folder: Path) -> None:
    """Remove a folder, or what an adapter has put in its place: opening a pipe would block."""
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(folder.lstat().st_mode):
            with suppress(OSError):
                _empty(folder)
                folder.rmdir()
        else:
            folder.unlink()


def _empty(folder: Path) -> None:
    """Remove all that is in a folder, however deep and whatever its permissions.

    Folders are moved up until they have none below them: `shutil.rmtree` recurses, and the path of
    what lies deep is longer than a path may be.
    """
    folder.chmod(0o700)
    top = os.open(folder, _AS_FOLDER)
    try:
        while entries := _entries(top):
            for name, is_folder in entries:
                if is_folder:
                    _move_up(name, top)
                    os.rmdir(name, dir_fd=top)
                else:
                    os.unlink(name, dir_fd=top)
    finally:
        os.close(top)


def _move_up(name: str, top: int) -> None:
    """Move the folders of a folder in `top` beside it, and remove its files."""
    os.chmod(name, 0o700, dir_fd=top)
    inner = os.open(name, _AS_FOLDER, dir_fd=top)
    try:
        for below, is_folder in _entries(inner):
            if is_folder:
                os.chmod(below, 0o700, dir_fd=inner)
                os.rename(below, secrets.token_hex(16), src_dir_fd=inner, dst_dir_fd=top)
            else:
                os.unlink(below, dir_fd=inner)
    finally:
        os.close(inner)


def _entries(folder: int) -> list[tuple[str, bool]]:
    """The names in an open folder, and whether each is a folder itself."""
    with os.scandir(folder) as entries:
        return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]


@lru_cache(maxsize=1)
def _kernel() -> str:
    """Return digits of the kernel that runs, whose processes see each other's locks."""
    try:
        running = Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        running = platform.node()
    return hashlib.sha256(running.encode()).hexdigest()[:8]
