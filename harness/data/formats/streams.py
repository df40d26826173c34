"""Files of text as streams of bytes: plain, gzipped, or one member of a zip."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from harness.contracts import UserError
from harness.data.archives import member_names, opened_member

_PIECE_BYTES = 4 << 20
_LONGEST_LINE_BYTES = 16 << 20
_ALWAYS_SANE_BYTES = 16 << 20
_MOST_RATIO = 100
_BROKEN = (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile, NotImplementedError)


@contextmanager
def opened_text(path: Path, member: str | None = None) -> Iterator[IO[bytes]]:
    """Open a file of text, unpacking it on the way.

    Parameters
    ----------
    path
        Plain, `.gz` or `.zip`, told by its first bytes.
    member
        Which file of a zip; may be None if there is only one.

    Raises
    ------
    UserError
        If it is broken or cut short.
    """
    try:
        with path.open("rb") as raw:
            magic = raw.read(4)
            raw.seek(0)
            if magic[:2] == b"\x1f\x8b":
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield cast(IO[bytes], _Sane(unpacked, raw, path))
            elif magic == b"PK\x03\x04":
                with opened_member(path, member or _only_member(path)) as (stream, size):
                    _require_sane(size, path.stat().st_size, path)
                    yield stream
            else:
                yield raw
    except _BROKEN as error:
        raise UserError(
            "cannot read the file of text",
            where=str(path),
            expected="text, plain, gzipped or in a zip, not cut short",
            got=str(error) or type(error).__name__,
        ) from error


@dataclass
class _Sane:
    """Stops reading if more bytes come out than the compressed size can account for."""

    unpacked: IO[bytes] | gzip.GzipFile
    packed: IO[bytes]
    path: Path
    done: int = 0

    def read(self, size: int = -1) -> bytes:
        piece = self.unpacked.read(size)
        self.done += len(piece)
        _require_sane(self.done, self.packed.tell(), self.path)
        return piece


def _require_sane(unpacked_bytes: int, packed_bytes: int, path: Path) -> None:
    if unpacked_bytes > _ALWAYS_SANE_BYTES and unpacked_bytes > _MOST_RATIO * packed_bytes:
        raise UserError(
            "the compressed file is too small for its contents",
            where=str(path),
            expected=f"at most {_MOST_RATIO} times its size when unpacked",
            got=f"{unpacked_bytes:,} bytes out of {packed_bytes:,}",
        )


def _only_member(path: Path) -> str:
    names = [name for name in member_names(path) if name.lower().endswith((".txt", ".vec"))]
    if len(names) != 1:
        raise UserError(
            "the archive holds several files of text" if names else "no .txt file in the archive",
            where=str(path),
            got=", ".join(names[:8]) or "none",
            hint="name one by `member:` in a dataset's entry, or unpack it first",
        )
    return names[0]


def whole_lines(stream: IO[bytes], path: Path) -> Iterator[bytes]:
    """Yield pieces of some megabytes that end with a line, except perhaps the last one.

    Raises
    ------
    UserError
        If a line is longer than any row of vectors could be.
    """
    carried = b""
    while piece := stream.read(_PIECE_BYTES):
        end = piece.rfind(b"\n") + 1
        if end:
            yield carried + piece[:end]
            carried = piece[end:]
        else:
            carried += piece
        if len(carried) > _LONGEST_LINE_BYTES:
            got = f"a line of more than {_LONGEST_LINE_BYTES:,} bytes"
            raise UserError("this is no file of text vectors", where=str(path), got=got)
    if carried:
        yield carried
