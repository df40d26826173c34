"""word2vec's binary files: a line with n and d, then for each row a word, a space, d float32."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np

from harness.contracts import UserError, Vectors
from harness.data.formats.exact import exact_blocks
from harness.data.rows import blocks
from harness.data.words import Words
from harness.files.space import require_memory

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


def _broken(path: Path, got: str) -> UserError:
    return UserError(
        "cannot read the word2vec file",
        where=str(path),
        expected="a line `n d`, then n times: a word, a space, d float32",
        got=got,
    )
