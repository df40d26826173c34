"""The blocks of the lists that a search visits, as a queue, four at a time."""

from __future__ import annotations

import numpy as np
from numba import njit

from .bounded_scan import add_planes, matches
from .byte_lanes import BLOCKS, CAP, first_bit, store_sums, sums_from
from .compiling import inlined, leaf
from .tables import ROWS, fill_steps, summands_of

DEVIATIONS = 3  # of rounding: a row at the bound is lost in one case of a thousand
_TRIED = 5  # times as many rows as are wanted tell the first bound
_CAP = np.float32(CAP)


@leaf
def _bits_of(rows):
    """Return bits of the first rows of a block."""
    return np.int64(-1) if rows >= ROWS else (np.int64(1) << max(rows, 0)) - 1


@njit(cache=True, nogil=True)
def queued(starts, sizes, list_costs, numbers):
    """Return the blocks of these lists one after another, what their lists cost, and their rows.

    Rows are bits. Blocks of none fill the queue up: to whole groups of four, and one group more, as
    the scan of each asks for the codes of the next.
    """
    count = 0
    for number in numbers:
        count += starts[number + 1] - starts[number]
    whole = (-(-count // BLOCKS) + 1) * BLOCKS
    queue, rows = np.zeros(whole, np.int64), np.zeros(whole, np.int64)
    block_costs = np.full(whole, np.inf, np.float32)
    at = 0
    for number in numbers:
        left = sizes[number]
        for block in range(starts[number], starts[number + 1]):
            queue[at], block_costs[at], rows[at] = block, list_costs[number], _bits_of(left)
            left -= ROWS
            at += 1
    return queue, block_costs, rows


@inlined
def four(values, at):
    """Return four values from here on."""
    return values[at], values[at + 1], values[at + 2], values[at + 3]


@inlined
def codes_of(queue, at, planes):
    """Return where the codes of four blocks begin."""
    a, b, c, d = four(queue, at)
    size = planes * ROWS
    return a * size, b * size, c * size, d * size


@inlined
def begun_at(left, made_for, scale, shift):
    """Return where the sums of a block begin, for which so much of the bound is left."""
    return np.uint8(min(scale * (made_for - left) + shift, _CAP))


@njit(cache=True, nogil=True)
def first_bound(
    packed, queue, block_costs, rows, tables, entries, most, wanted, row_ids, wanted_rows, steps
):
    """Return what `wanted` rows very likely do not cost more than, and the least cost there is.

    By some more rows at the front of the queue, added up in coarse steps. It is infinite if there
    are too few of them.
    """
    planes = tables.shape[0] // entries
    subspaces = summands_of(planes, entries)
    tried = -(-_TRIED * wanted // (BLOCKS * ROWS)) * BLOCKS
    if tried > queue.shape[0] - BLOCKS:
        return np.float32(np.inf), np.float32(0)
    lowest = block_costs[:tried].min()
    none, scale = np.float32(0), fill_steps(tables, entries, most, steps)
    sums, counts = np.empty(BLOCKS * ROWS, np.uint8), np.zeros(256, np.int64)
    for at in range(0, tried, BLOCKS):
        a, b, c, d = four(block_costs, at)
        begun = (
            begun_at(lowest - a, none, scale, none),
            begun_at(lowest - b, none, scale, none),
            begun_at(lowest - c, none, scale, none),
            begun_at(lowest - d, none, scale, none),
        )
        places, ahead = codes_of(queue, at, planes), codes_of(queue, at + BLOCKS, planes)
        total = sums_from(begun)
        total = add_planes(packed, places, ahead, ROWS, steps, entries, 0, planes, total)
        store_sums(sums, total)
        for part in range(BLOCKS):
            bits, first_row = rows[at + part], queue[at + part] * ROWS
            while bits != 0:
                lane = first_bit(bits)
                bits &= bits - 1
                counts[sums[part * ROWS + lane]] += matches(wanted_rows, row_ids[first_row + lane])
    least = 0
    while least < CAP and counts[least] == 0:
        least += 1
    top, inside = 0, counts[0]
    while top < CAP and inside < wanted:
        top += 1
        inside += counts[top]
    if top == CAP:
        return np.float32(np.inf), np.float32(0)
    rounded = np.float32(subspaces / 2 + DEVIATIONS * np.sqrt(subspaces / 12) + 1)
    # Integers make these float64, which would put rows into other bins than float32 does.
    return np.float32(lowest + (top + rounded) / scale), np.float32(lowest + least / scale)
