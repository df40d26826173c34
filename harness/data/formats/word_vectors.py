"""Rows with names: GloVe's and word2vec's text, and word2vec's binary files."""

from __future__ import annotations

import itertools
import mmap
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from harness.contracts import UserError, Vectors
from harness.contracts.definitions import Parameters
from harness.data.formats.growing import GrowingRows
from harness.data.formats.lines import Block, opened_text, parse_blocks, whole_lines
from harness.data.formats.vector_columns import exact_blocks
from harness.data.rows import blocks
from harness.data.words import Words
from harness.errors import BrokenFile
from harness.files.space import require_memory

_LINES_LOOKED_AT = 100
_BROKEN_SHARE = 1e-3
_BROKEN_FEW = 3
_BROKEN_SHOWN = 5


def read_text(path: Path, options: Parameters) -> Vectors:
    """Read a file of text vectors; word2vec's first line is detected.

    Parameters
    ----------
    path
        Plain, gzipped, or a zip; of a zip, `options["member"]` names the file.

    Raises
    ------
    UserError
        If it is no such file, is cut short, or too many lines are broken.
    """
    with opened_text(path, options.get("member")) as stream:
        return _read(stream, path)


def _read(stream: IO[bytes], path: Path) -> Vectors:
    pieces = whole_lines(stream, path)
    first = next(pieces, b"")
    header, body = _without_header(first)
    dimension = header[1] if header else _dimension(first, path)
    collected = _Collected(GrowingRows(dimension, str(path)))
    watched = _Watched(itertools.chain([body], pieces))
    for block in parse_blocks(watched, dimension):
        collected.add(block)
    collected.require_few_broken(path, dimension, cut_short=watched.cut_short)
    if watched.cut_short:
        message = f"{path.name}: the last line does not end; is the file whole? It was kept"
        warnings.warn(message, stacklevel=2)
    if header and collected.good != header[0] - len(collected.broken):
        got = f"{collected.good:,}"
        raise _not_text(path, f"{header[0]:,} rows, as the first line says", got)
    return Vectors(rows=collected.rows.finished(), labels=collected.words())


@dataclass
class _Watched:
    """Forwards pieces and remembers whether the last one ended with a line feed."""

    pieces: Iterator[bytes]
    cut_short: bool = False

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            self.cut_short = not piece.endswith(b"\n")
            yield piece


@dataclass
class _Collected:
    """Rows and words read so far, and the numbers of broken lines, from 1."""

    rows: GrowingRows
    text: bytearray = field(default_factory=bytearray)
    ends: list[NDArray[np.int64]] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)
    lines: int = 0

    @property
    def good(self) -> int:
        return len(self.rows)

    def add(self, block: Block) -> None:
        self.rows.append(block.rows)
        lengths = np.fromiter(map(len, block.words), np.int64, len(block.words))
        self.ends.append(len(self.text) + np.cumsum(lengths))
        self.text += b"".join(block.words)
        self.broken += [self.lines + line + 1 for line in block.broken]
        self.lines += block.lines

    def words(self) -> Words:
        ends = np.concatenate(self.ends) if self.ends else np.empty(0, np.int64)
        return Words(np.frombuffer(bytes(self.text), np.uint8), ends)

    def require_few_broken(self, path: Path, dimension: int, *, cut_short: bool) -> None:
        if not self.broken:
            return
        shown = ", ".join(str(line) for line in self.broken[:_BROKEN_SHOWN])
        expected = f"lines of a word and {dimension} numbers"
        got = f"{len(self.broken):,} other lines (not counting empty ones): number {shown}"
        if cut_short and self.broken[-1] == self.lines:
            raise _not_text(path, "a whole last line", "a file that ends in the middle of a line")
        if len(self.broken) > max(_BROKEN_FEW, _BROKEN_SHARE * self.lines) or not self.good:
            raise _not_text(path, expected, got)
        warnings.warn(f"{path.name}: left out {got}; expected {expected}", stacklevel=2)


def _without_header(first: bytes) -> tuple[tuple[int, int] | None, bytes]:
    """Word2vec's first line (rows, dimension), if there is one, and the rest."""
    line, _, rest = first.partition(b"\n")
    fields = line.split()
    if len(fields) != 2 or not all(part.isdigit() and len(part) < 15 for part in fields):
        return None, first
    n, d = int(fields[0]), int(fields[1])
    following = rest.partition(b"\n")[0].split(b" ")
    if d < 1 or len([part for part in following if part]) < d:
        return None, first
    return (n, d), rest


def _dimension(first: bytes, path: Path) -> int:
    """The most common number of fields after the word, over the first lines."""
    lines = first.split(b"\n", _LINES_LOOKED_AT)[:_LINES_LOOKED_AT]
    counts = Counter(len(line.split()) - 1 for line in lines if line.strip())
    dimension = counts.most_common(1)[0][0] if counts else 0
    if dimension < 1:
        raise _not_text(path, "a word and its numbers on every line", "another kind of file")
    return dimension


def _not_text(path: Path, expected: str, got: str) -> BrokenFile:
    return BrokenFile("cannot read the text vectors", where=str(path), expected=expected, got=got)


def write_glove_text(path: Path, vectors: Vectors) -> None:
    """Write a word and its numbers per line; without labels, the row's number is the word."""
    with path.open("wb") as out:
        _write_lines(out, vectors)


def write_word2vec_text(path: Path, vectors: Vectors) -> None:
    """As `write_glove_text`, after a first line with the number of rows and the dimension."""
    n, d = vectors.rows.shape
    with path.open("wb") as out:
        out.write(f"{n} {d}\n".encode())
        _write_lines(out, vectors)


def _write_lines(out: IO[bytes], vectors: Vectors) -> None:
    for row, values in enumerate(vectors.rows):
        word = str(row) if vectors.labels is None else vectors.labels[row]
        if "\n" in word:
            raise UserError("a word holds a line feed, which the format cannot", got=repr(word))
        # The shortest text that reads back as the same float32.
        numbers = " ".join(map(str, np.asarray(values, np.float32)))
        out.write(f"{word} {numbers}\n".encode("utf-8", "surrogateescape"))


_LONGEST_WORD_BYTES = 4096


def read_word2vec(path: Path) -> Vectors:
    """Read rows and words.

    Raises
    ------
    UserError
        If it is no such file, or shorter or longer than its first line says.
    """
    if path.stat().st_size == 0:
        raise _broken(path, "an empty file")
    with path.open("rb") as raw, mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as data:
        n, d, at = _header(data, path)
        require_memory(4 * n * d, "the rows of the file", str(path))
        rows = np.empty((n, d), dtype="<f4")
        words = []
        for row in range(n):
            word, at = _word(data, at, path, row)
            words.append(word)
            rows[row] = _values(data, at, d, path, row)
            at += 4 * d
        if data[at:].strip():
            raise _broken(path, f"{len(data) - at:,} bytes after the last row")
    return Vectors(rows=rows, labels=Words.pack(words))


def write_word2vec(path: Path, vectors: Vectors) -> None:
    """Write rows and words; without labels, the row's number is the word."""
    n, d = vectors.rows.shape
    with path.open("wb") as out:
        out.write(f"{n} {d}\n".encode())
        parts = zip(blocks(vectors.rows), exact_blocks(vectors.rows, "<f4", path), strict=True)
        for block, rows in parts:
            for row, values in enumerate(rows, block.start):
                word = str(row) if vectors.labels is None else vectors.labels[row]
                _require_writable(word, path)
                out.write(word.encode("utf-8", "surrogateescape") + b" " + values.tobytes() + b"\n")


def _require_writable(word: str, path: Path) -> None:
    if not word or " " in word or "\n" in word:
        raise UserError(
            "a word is empty or holds a space, which word2vec's format cannot",
            where=str(path),
            got=repr(word),
        )


def _header(data: mmap.mmap, path: Path) -> tuple[int, int, int]:
    end = data.find(b"\n", 0, 64)
    fields = data[: max(end, 0)].split()
    if len(fields) != 2 or not all(part.isdigit() for part in fields):
        raise _broken(path, "another first line")
    n, d = int(fields[0]), int(fields[1])
    if n < 1 or d < 1 or n * (4 * d + 1) > len(data) - end:
        raise _broken(path, f"{n:,} rows of dimension {d:,} in a file of {len(data):,} bytes")
    return n, d, end + 1


def _word(data: mmap.mmap, at: int, path: Path, row: int) -> tuple[str, int]:
    end = data.find(b" ", at, at + _LONGEST_WORD_BYTES)
    if end < 0:
        raise _broken(path, f"no word before row {row:,}")
    return data[at:end].lstrip(b"\n").decode("utf-8", "surrogateescape"), end + 1


def _values(data: mmap.mmap, at: int, d: int, path: Path, row: int) -> np.ndarray:
    values = data[at : at + 4 * d]
    if len(values) < 4 * d:
        raise _broken(path, f"a file that ends in row {row:,}")
    return np.frombuffer(values, "<f4")


def _broken(path: Path, got: str) -> BrokenFile:
    return BrokenFile(
        "cannot read the word2vec file",
        where=str(path),
        expected="a line `n d`, then n times: a word, a space, d float32",
        got=got,
    )
