"""Rows out of the npm package's one JSON object.

`vectors` maps each word to 100 values, then their L2 norm, then the row's number; `words` lists the
words by that number.
"""

from __future__ import annotations

import itertools
import json
import mmap
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.contracts import UserError, Vectors
from harness.data.formats.lines import parse_blocks

DIMENSION = 100
_ROW = re.compile(rb'":\[([-+0-9.eE,]+)\]')
_ROWS_PER_BLOCK = 4096


def load(path: Path, options: Mapping[str, Any]) -> Vectors:
    """Return rows and words in the order of the row numbers.

    Raises
    ------
    UserError
        If the file is not what the package of this version holds.
    """
    del options
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        words = _words(text, path)
        rows = np.full((len(words), DIMENSION), np.nan, dtype=np.float32)
        for block in parse_blocks(_lines(text, path), DIMENSION + 2):
            _place(block.rows, rows, path)
    if np.isnan(rows[:, 0]).any():
        raise _unexpected(path, "rows that are missing")
    return Vectors(rows=rows, labels=words)


def _words(text: mmap.mmap, path: Path) -> list[str]:
    start = text.find(b'"words":[')
    end = text.find(b'],"vectors":{', start)
    if start < 0 or end < 0:
        raise _unexpected(path, "no list of words before the vectors")
    words: list[str] = json.loads(text[start + len(b'"words":') : end + 1])
    return words


def _lines(text: mmap.mmap, path: Path) -> Iterator[bytes]:
    """The rows as lines that start with an empty name, some thousands at a time."""
    start = text.find(b'"vectors":{')
    end = text.rfind(b'"unkVector"')
    if end < start:
        raise _unexpected(path, "no vector for unknown words at the end")
    matches = _ROW.finditer(text, start, end)
    while taken := list(itertools.islice(matches, _ROWS_PER_BLOCK)):
        yield b"".join(b" " + match[1].replace(b",", b" ") + b"\n" for match in taken)


def _place(block: NDArray[np.float32], rows: NDArray[np.float32], path: Path) -> None:
    numbers = block[:, -1].astype(np.int64)
    if len(numbers) and (numbers.min() < 0 or numbers.max() >= len(rows)):
        raise _unexpected(path, "row numbers out of range")
    rows[numbers] = block[:, :DIMENSION]


def _unexpected(path: Path, got: str) -> UserError:
    return UserError(
        "the package's file is not as expected",
        where=str(path),
        expected="words, vectors of 102 numbers, unkVector",
        got=got,
    )
