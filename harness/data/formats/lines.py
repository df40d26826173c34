"""Lines of numbers, each after a name, parsed by compiled code.

A number becomes the float64 nearest to its text, then float32, as `numpy.float32(float(text))`
does. The compiled part takes the case in which float64 arithmetic is exact: at most 2**53 as digits
and at most 22 places (W. D. Clinger, "How to read floating point numbers accurately", 1990). Lines
with any other number are handed back and read by Python's own `float`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.cache import cache_folder


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
    os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_folder() / "numba"))
    from harness.data.formats import line_kernel

    return line_kernel
