"""Rows of the results table kept in the results folder, so that unchanged points open fast.

An entry is `ROOT/.rows/DIGITS.row`: a header in JSON, arrays as raw bytes, and a keyed hash over
both. The key is in the user's state folder, so entries that are damaged, or that somebody else
wrote, are ignored. An entry lists the files from which its row was computed, with their sha256. A
file is hashed again only if its size, times or inode have changed, or if it had been written so
shortly before that its times may not show a further change.
"""

from __future__ import annotations

import hashlib
import hmac
import importlib.metadata
import json
import os
import secrets
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.files.hashes import FileStat, sha256_of, stat_of
from harness.files.replacing import replacing
from harness.results.point import PointHeader
from harness.results.table.columns import Row
from harness.results.untrusted.checks import reading

_FOLDER = ".rows"
_ENDING = ".row"
_KEY_BYTES = 32
_MAC_BYTES = 32
_MOST_ENTRY_BYTES = 64 << 20
_SETTLED_NS = 2_000_000_000  # some file systems keep times in steps of a second
_LIBRARIES = ("numpy", "scipy")


@dataclass(frozen=True)
class Source:
    """A file from which a row was computed; `stat` and `sha256` are None if it was missing."""

    stat: FileStat | None
    sha256: str | None
    settled: bool


NOTHING = Source(None, None, True)
"""A file that was not there."""


@dataclass(frozen=True)
class Entry:
    """A row, without the columns that depend on the whole table, and its files.

    `commits` are those of the builds, or of the failure; "" if unknown.
    """

    header: PointHeader
    row: Row
    commits: tuple[str, ...]
    sources: Mapping[str, Source]


class RowCache:
    """The entries of one results folder; empty without a key or in somebody else's folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / _FOLDER
        self._key = None if self._folder.is_symlink() else private_key()
        self._version = version()
        self._hashed: dict[tuple[str, FileStat], str] = {}
        self._writable = True

    def source(self, path: Path) -> Source:
        """Return the present state of a file; raise `BrokenResult` if it cannot be read."""
        stat = stat_of(path)
        if stat is None:
            return NOTHING
        return Source(stat, self._sha256(path, stat), _is_settled(stat))

    def get(self, stem: Path) -> Entry | None:
        """Return the entry of a point if none of its files has changed."""
        if self._key is None:
            return None
        path = self._path(stem)
        try:
            if not path.is_file() or path.stat().st_size > _MOST_ENTRY_BYTES:
                return None
            entry = self._decoded(path.read_bytes(), self._name(stem))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if entry is None:
            return None
        now = {name: self._now(name, known) for name, known in entry.sources.items()}
        if any(now[name].sha256 != known.sha256 for name, known in entry.sources.items()):
            return None
        if now != entry.sources:  # same content: no need to hash it again
            self._write(stem, Entry(entry.header, entry.row, entry.commits, now))
        return entry

    def put(self, stem: Path, entry: Entry) -> None:
        """Store a row, unless one of its files has changed meanwhile."""
        if self._key is not None and all(
            stat_of(self._root / name) == source.stat for name, source in entry.sources.items()
        ):
            self._write(stem, entry)

    def keep_only(self, stems: Iterable[Path]) -> None:
        """Remove the entries of points that are no longer stored."""
        if self._key is None or not self._folder.is_dir():
            return
        kept = {self._path(stem).name for stem in stems}
        try:
            for path in self._folder.glob(f"*{_ENDING}"):
                if path.name not in kept:
                    path.unlink(missing_ok=True)
        except OSError:
            self._writable = False

    def _now(self, name: str, known: Source) -> Source:
        """The present state of a source; hashed only if it may have changed."""
        if known.settled and stat_of(self._root / name) == known.stat:
            return known
        return self.source(self._root / name)

    def _sha256(self, path: Path, stat: FileStat) -> str:
        if (str(path), stat) not in self._hashed:
            with reading(path):
                self._hashed[str(path), stat] = sha256_of(path)
        return self._hashed[str(path), stat]

    def _name(self, stem: Path) -> str:
        return stem.relative_to(self._root).as_posix()

    def _path(self, stem: Path) -> Path:
        name = os.fsencode(self._name(stem))
        return self._folder / (hashlib.sha256(name).hexdigest()[:32] + _ENDING)

    def _write(self, stem: Path, entry: Entry) -> None:
        if not self._writable:
            return
        data = self._encoded(entry, self._name(stem))
        if len(data) > _MOST_ENTRY_BYTES:
            return
        try:
            with replacing(self._path(stem)) as temporary:
                temporary.write_bytes(data)
        except OSError:  # a folder that is read-only, or full
            self._writable = False

    # ---- the form of an entry -------------------------------------------------------------------

    def _encoded(self, entry: Entry, name: str) -> bytes:
        arrays: list[NDArray[np.generic]] = []
        head = {
            "version": self._version,
            "name": name,
            "header": entry.header.to_json(),
            "commits": entry.commits,
            "sources": {n: [s.stat, s.sha256, s.settled] for n, s in entry.sources.items()},
            "row": _packed(entry.row, arrays),
        }
        text = json.dumps(head).encode()
        body = b"".join(
            [len(text).to_bytes(8, "little"), text, *(array.tobytes() for array in arrays)]
        )
        return self._mac(body) + body

    def _decoded(self, data: bytes, name: str) -> Entry | None:
        """The entry, or None if it is somebody else's, of another point or of another version."""
        view = memoryview(data)
        if not hmac.compare_digest(self._mac(view[_MAC_BYTES:]), data[:_MAC_BYTES]):
            return None
        start = _MAC_BYTES + 8
        end = start + int.from_bytes(view[_MAC_BYTES:start], "little")
        head = json.loads(data[start:end])
        if head["version"] != self._version or head["name"] != name:
            return None
        sources = {
            n: Source(stat and tuple(stat), digest, settled)
            for n, (stat, digest, settled) in head["sources"].items()
        }
        row = _unpacked(head["row"], _Arrays(view[end:]))
        return Entry(PointHeader.from_json(head["header"]), row, tuple(head["commits"]), sources)

    def _mac(self, data: bytes | memoryview) -> bytes:
        assert self._key is not None
        return hashlib.blake2b(data, key=self._key, digest_size=_MAC_BYTES).digest()


def _packed(value: object, arrays: list[NDArray[np.generic]]) -> object:
    """JSON for a value; a type that JSON lacks becomes a list that begins with its kind."""
    if isinstance(value, np.ndarray) and value.dtype.kind not in "OU":
        array = np.ascontiguousarray(value)
        arrays.append(array)
        return ["array", array.dtype.str, list(array.shape)]
    if isinstance(value, np.ndarray):
        return ["texts", value.tolist()]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return ["mapping", [[name, _packed(item, arrays)] for name, item in value.items()]]
    if isinstance(value, (tuple, list)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return [kind, [_packed(item, arrays) for item in value]]
    return value


class _Arrays:
    """The arrays of an entry, one after the other."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._offset = 0

    def next(self, dtype: str, shape: list[int]) -> NDArray[np.generic]:
        count = int(np.prod(shape))
        array = np.frombuffer(self._data, dtype, count, self._offset).reshape(shape)
        self._offset += array.nbytes
        return array.copy()  # aligned, and writable as a row's arrays are


def _unpacked(value: object, arrays: _Arrays) -> Any:
    if not isinstance(value, list):
        return value
    kind, *parts = value
    if kind == "array":
        return arrays.next(*parts)
    if kind == "texts":
        return np.array(parts[0], dtype=object)
    if kind == "mapping":
        return {name: _unpacked(item, arrays) for name, item in parts[0]}
    items = [_unpacked(item, arrays) for item in parts[0]]
    return tuple(items) if kind == "tuple" else items


def _is_settled(stat: FileStat) -> bool:
    """Whether a later change of the file would show in its times."""
    return time.time_ns() - max(stat[1], stat[2]) > _SETTLED_NS


@lru_cache(maxsize=1)
def version() -> str:
    """Return digits that differ if the code or a library that computes rows differs."""
    import harness

    root = Path(harness.__file__).parent
    digest = hashlib.sha256(sys.version.encode())
    for name in _LIBRARIES:
        digest.update(importlib.metadata.version(name).encode() + b"\0")
    for part in ("contracts", "measures", "results", "text.py"):
        files = [root / part] if part.endswith(".py") else sorted((root / part).rglob("*.py"))
        for path in files:
            digest.update(path.relative_to(root).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def private_key() -> bytes | None:
    """Return the key of this user's entries, created if missing; None if it cannot be stored."""
    from platformdirs import user_state_path

    path = user_state_path("annharness") / "rows.key"
    try:
        if not path.exists():
            with replacing(path, mode=0o600) as temporary:
                temporary.write_bytes(secrets.token_bytes(_KEY_BYTES))
        key = path.read_bytes()
    except OSError:
        return None
    return key if len(key) == _KEY_BYTES else None
