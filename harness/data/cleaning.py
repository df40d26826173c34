"""The contents of the cache, their sizes, and their removal."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.data.cache import cache_folder

Kind = Literal["datasets", "files", "downloads", "truth", "leftovers"]

_FOLDERS: dict[str, Kind] = {
    "datasets": "datasets",
    "files": "files",
    "downloads": "downloads",
    "truth": "truth",
    "difficulty": "truth",
}
_LEFT_OVER_SECONDS = 3600


@dataclass(frozen=True)
class Item:
    """One file or folder of the cache."""

    kind: Kind
    path: Path
    bytes: int


def cached_items(now: float | None = None) -> list[Item]:
    """List what may be removed, which excludes records of hashes and locks.

    Partial and temporary files count as left over if nobody wrote to them for an hour.
    """
    moment = time.time() if now is None else now
    items = []
    for folder, kind in _FOLDERS.items():
        for path in sorted((cache_folder() / folder).glob("*")):
            passing = path.name.startswith(".") or ".part" in path.name
            if not passing:
                items.append(Item(kind, path, _size(path)))
            elif moment - path.stat().st_mtime > _LEFT_OVER_SECONDS:
                items.append(Item("leftovers", path, _size(path)))
    return items


def remove(items: Iterable[Item]) -> int:
    """Remove files and folders of the cache; return how many bytes that freed."""
    freed = 0
    for item in items:
        if item.path.is_dir():
            shutil.rmtree(item.path, ignore_errors=True)
        else:
            item.path.unlink(missing_ok=True)
        freed += item.bytes
    return freed


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
