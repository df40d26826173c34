"""Files of text as streams (plain, gzipped, in a zip), and their lines of numbers, parsed."""

from __future__ import annotations

import gzip
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from harness.contracts import UserError
from harness.data.cache.folder import COMPILED, cache_folder
from harness.data.formats.archives import member_names, opened_member
from harness.errors import BrokenFile

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
        raise BrokenFile(
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
        raise BrokenFile(
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


@dataclass(frozen=True)
class Block:
    """Rows read from some lines. `broken` are the numbers of lines that fit no row, from 0."""

    rows: NDArray[np.float32]
    words: list[bytes]
    lines: int
    broken: list[int]


def parse_block(text: bytes, dimension: int) -> Block:
    """Read whole lines: a name, then `dimension` numbers, split by spaces or tabs.

    A name may hold spaces; it is empty if the line starts with one. Empty lines are skipped.

    Parameters
    ----------
    text
        Whole lines, UTF-8. Only a line feed ends a line.
    dimension
        How many numbers a line ends with.
    """
    kernel = _kernel()
    data = np.frombuffer(text, dtype=np.uint8)
    most = text.count(b"\n") + 1
    rows = np.empty((most, dimension), dtype=np.float32)
    spans = np.empty((most, 3), dtype=np.int64)
    states = np.empty(most, dtype=np.uint8)
    lines = kernel.read_lines(data, rows, spans, states)
    for line in np.flatnonzero(states[:lines] == kernel.SLOW):
        start, _, end = spans[line]
        read = _read_slowly(text[start:end], rows[line], spans[line])
        states[line] = kernel.GOOD if read else kernel.BROKEN
    good = states[:lines] == kernel.GOOD
    words = [text[start:end] for start, end in spans[:lines][good, :2].tolist()]
    kept = rows[:lines] if good.all() else rows[:lines][good]
    return Block(kept, words, lines, np.flatnonzero(~good).tolist())


def parse_blocks(texts: Iterable[bytes], dimension: int) -> Iterator[Block]:
    """Read many pieces of whole lines, in order, several at a time."""
    threads = max(1, min(4, os.cpu_count() or 1))
    _kernel()
    with ThreadPoolExecutor(threads) as pool:
        waiting: list[Any] = []
        for text in texts:
            waiting.append(pool.submit(parse_block, text, dimension))
            if len(waiting) > threads:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


def _read_slowly(line: bytes, row: NDArray[np.float32], span: NDArray[np.int64]) -> bool:
    """Read the numbers at the end of a line with Python's `float`; its name's span is known."""
    try:
        values = [float(field) for field in line[span[1] - span[0] :].split()]
    except ValueError:
        return False
    if len(values) != len(row):
        return False
    with np.errstate(over="ignore"):
        row[:] = values
    return True


def _kernel() -> Any:
    """The compiled functions; the folder of their cache is set before numba is imported."""
    os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_folder() / COMPILED))
    from harness.data.formats import line_kernel

    return line_kernel
