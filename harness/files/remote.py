"""A folder that several machines can read: a path they share, or a URL that fsspec knows."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.files.replacing import NO_SPACE, written_whole

INSTALL_CLUSTER = "in the clone of annharness: pip install -e '.[cluster]'"
"""What to do where a library of the extra `cluster` is missing."""

_UNFINISHED = ".part"
_NO_FILES = (_UNFINISHED, "/")
"""How the names of other things end: the console of S3 makes an object for a folder."""

_OBJECT_STORES = ("s3://", "s3a://")
"""Stores without folders, where an object is seen when all of it is there, or not at all.

No folder is made there: s3fs would make a bucket, if its name is mistyped.
"""


class RemoteFolder:
    """A folder at a path or URL (`s3://bucket/folder`), whose files are written whole.

    Raises
    ------
    UserError
        If nothing that is installed can open such a URL. Every method raises it too, where the
        folder cannot be reached, or refuses.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        with self._told("open"):
            import fsspec

            self._system: Any
            self._system, self._root = fsspec.core.url_to_fs(self.url)

    def __repr__(self) -> str:
        return f"RemoteFolder({self.url!r})"

    def holds(self, name: str) -> bool:
        """Whether there is a file of this name."""
        with self._told("look into"):
            self._system.invalidate_cache()
            return bool(self._system.exists(self._path(name)))

    def names(self, below: str = "") -> dict[str, int]:
        """Return the bytes of every file by its name, with `/` between folders, sorted.

        Only those in the folder `below`, if it is given. Files that are being written have no name
        yet, nor have those that a killed writer left.
        """
        start = self._path(below) if below else self._root
        with self._told("list"):
            self._system.invalidate_cache()
            found = self._system.find(start, detail=True)
        skip = len(self._root.rstrip("/")) + 1
        sizes = {path[skip:]: int(one["size"]) for path, one in sorted(found.items())}
        return {name: size for name, size in sizes.items() if name and not name.endswith(_NO_FILES)}

    def put(self, name: str, source: Path | bytes) -> bool:
        """Store a file under a name, unless there is one; return whether it was stored."""
        if self.holds(name):
            return False
        path = self._path(name)
        with self._told("write to"):
            if self.url.startswith(_OBJECT_STORES):
                self._write(source, path)
                return True
            # Where a name can appear before its content does, it gets its name when it is complete.
            temporary = f"{path}.{secrets.token_hex(8)}{_UNFINISHED}"
            self._system.makedirs(path.rpartition("/")[0], exist_ok=True)
            try:
                self._write(source, temporary)
                self._system.mv(temporary, path)
            except BaseException:
                if self._system.exists(temporary):
                    self._system.rm(temporary)
                raise
        return True

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        with self._told("read from"):
            return bytes(self._system.cat_file(self._path(name)))

    @contextmanager
    def opened(self, name: str) -> Iterator[Any]:
        """Give a file to read in parts, as a stream of bytes that can seek."""
        with self._told("read from"), self._system.open(self._path(name), "rb") as stream:
            yield stream

    def get(self, name: str, target: Path) -> None:
        """Copy a file to a path of this machine, whole or not at all."""
        # What reads needs no space: a disk that is full is the target's.
        with written_whole(target) as temporary, self._told("read from", but=NO_SPACE):
            self._system.get_file(self._path(name), str(temporary))

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with self._told("remove from"):
            if self._system.exists(self._path(name)):
                self._system.rm(self._path(name))

    def _write(self, source: Path | bytes, path: str) -> None:
        if isinstance(source, bytes):
            self._system.pipe_file(path, source)
        else:
            self._system.put_file(str(source), path)

    def _path(self, name: str) -> str:
        parts = name.split("/")
        if not name or any(part in ("", ".", "..") for part in parts) or "\0" in name:
            raise UserError(f"a shared folder holds no file called {name!r}", where=self.url)
        return "/".join([self._root.rstrip("/"), *parts])

    @contextmanager
    def _told(self, what: str, but: Collection[int] = ()) -> Iterator[None]:
        """Raise a `UserError` for whatever is raised, but for an `OSError` of these numbers."""
        try:
            yield
        except UserError:
            raise
        except ImportError as error:
            raise UserError(
                f"cannot {what} this folder: {error}",
                where=self.url,
                hint=f"{INSTALL_CLUSTER}, for s3:// '.[s3]' as well",
            ) from error
        except Exception as error:  # every file system of fsspec has errors of its own
            if isinstance(error, OSError) and error.errno in but:
                raise
            raise UserError(f"cannot {what} this folder: {error}", where=self.url) from error
