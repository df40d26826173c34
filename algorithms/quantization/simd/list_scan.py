"""A search of inverted lists of 4-bit codes: one compiled call for each query.

Lists are visited best first. The cost of a row is that of its list, -<q, centre>, plus the sum over
m of the entries that its codes choose, so one set of tables serves all lists. The blocks of a list
are those of `bounded_scan`, scanned by its kernel. The bound is what the worst of the candidates
costs, whichever list they are in. A list that itself costs more leaves less of the bound to the
codes, so sums begin that much higher, and the tables of bytes are made again only where less than
`_COARSER` of what they were made for is left.

Candidates are collected until there are twice as many as wanted, then cut down to the best by
selection: that moves the bound less often than a heap does, but costs far less for each row.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from . import lanes
from .bounded_scan import (
    CODEWORDS,
    LOWERED,
    MISSING,
    ROWS,
    cost_of,
    fill_costs,
    fill_steps,
    lowering_pair,
    matches,
    rows_below,
    sink,
    sort_heap,
)
from .byte_lanes import first_bit
from .candidates import scores_of, take_best

_COARSER = np.float32(0.85)
_LINE = 64  # bytes of a cache line
_HASH = 0x9E3779B1


@njit(cache=True, nogil=True)
def _fill_list_costs(query, centres, costs):
    """Write -<q, centre> of every list; `centres` is `(groups, d, 16)`, the last filled up."""
    groups, d, _ = centres.shape
    flat = centres.reshape(-1)
    size = d * lanes.WIDTH
    for group in range(0, groups, 4):  # four sums at once: one addition does not wait for the last
        a = b = c = e = lanes.spread(np.float32(0))
        place = group * size
        for j in range(d):
            value = lanes.spread(-query[j])
            at = place + j * lanes.WIDTH
            a = lanes.times_plus(value, lanes.load(flat, at), a)
            b = lanes.times_plus(value, lanes.load(flat, at + size), b)
            c = lanes.times_plus(value, lanes.load(flat, at + 2 * size), c)
            e = lanes.times_plus(value, lanes.load(flat, at + 3 * size), e)
        place = group * lanes.WIDTH
        lanes.store(costs, place, a)
        lanes.store(costs, place + lanes.WIDTH, b)
        lanes.store(costs, place + 2 * lanes.WIDTH, c)
        lanes.store(costs, place + 3 * lanes.WIDTH, e)


@njit(cache=True, nogil=True)
def _choose_lists(costs, scales, numbers):
    """Write the numbers of the lists to visit, best first: those of the least cost times scale."""
    worst = np.full(numbers.shape[0], np.inf, np.float32)
    numbers[:] = MISSING
    for number in range(scales.shape[0]):
        cost = costs[number] * scales[number]
        if cost < worst[0]:
            worst[0], numbers[0] = cost, number
            sink(worst, numbers, numbers.shape[0])
    sort_heap(worst, numbers)


@njit(cache=True, nogil=True)
def select(costs, ids, count, keep):
    """Bring the `keep` least of the first `count` costs, and their ids, to the front (Hoare)."""
    low, high = 0, count - 1
    while low < high:
        pivot = costs[(low + high) >> 1]
        i, j = low, high
        while i <= j:
            while costs[i] < pivot:
                i += 1
            while costs[j] > pivot:
                j -= 1
            if i <= j:
                costs[i], costs[j] = costs[j], costs[i]
                ids[i], ids[j] = ids[j], ids[i]
                i += 1
                j -= 1
        if keep <= j:
            high = j
        elif keep > i:
            low = i
        else:
            return


@njit(cache=True, nogil=True)
def _add_rows(
    bits,
    exact,
    sums,
    origin,
    scale,
    block,
    packed,
    pairs,
    tables,
    list_cost,
    bound,
    row_ids,
    wanted_rows,
    costs,
    places,
    count,
):
    """Append the rows of a block whose bits are set and that cost less than the bound.

    Of those, the rows that are set in the bitmap `wanted_rows`; an empty one sets all.

    The codes cost what `sums` tell, from `origin` on in units of `scale`; what the tables do where
    the row's bit is set in `exact`.
    """
    while bits != 0:
        lane = first_bit(bits)
        bits &= bits - 1
        if exact >> lane & 1:
            cost = cost_of(packed, block * pairs * ROWS + lane, tables, pairs)
        else:
            cost = (np.float32(sums[lane]) - origin) * scale
        cost += list_cost
        if cost < bound and (
            wanted_rows.shape[0] == 0 or matches(wanted_rows, row_ids[block * ROWS + lane])
        ):
            costs[count], places[count] = cost, block * ROWS + lane
            count += 1
    return count


@njit(cache=True, nogil=True)
def _bits_of(rows):
    """Return bits of the first rows of a block."""
    return np.int64(-1) if rows >= ROWS else (np.int64(1) << rows) - 1


@njit(cache=True, nogil=True)
def _shift_of(subspaces):
    """What sums are raised by, since rounding down lowers each entry by half a step on average.

    Three deviations less than that, so that a row at the bound is lost in one case of a thousand.
    """
    return np.float32(max(0.0, subspaces / 2 - 3 * np.sqrt(subspaces / 12)))


@njit(cache=True, nogil=True)
def _most_of(tables):
    """What codes cost at most."""
    most = np.float32(0)
    for m in range(0, tables.shape[0], CODEWORDS):
        most += tables[m : m + CODEWORDS].max()
    return most


@njit(cache=True, nogil=True)
def _collect(
    packed,
    starts,
    sizes,
    tables,
    numbers,
    list_costs,
    wanted,
    exactly,
    row_ids,
    wanted_rows,
    costs,
    places,
):
    """Write the `wanted` places of least cost in these lists to the front, and return how many.

    `costs` and `places` hold a block more than half as many again. Costs are those of the tables,
    or unless `exactly`, within the rounding of the bytes of them.
    """
    pairs = tables.shape[0] // (2 * CODEWORDS)
    lowering = lowering_pair(pairs)
    looked = max(lowering + 1, pairs * 3 // 4)
    steps, sums = np.empty(tables.shape[0], np.uint8), np.empty(ROWS, np.uint8)
    shift, most = _shift_of(2 * pairs), _most_of(tables)
    removed = np.float32(pairs + (LOWERED if lowering else 0))  # by rounding down, and on the way
    count, bound = 0, np.float32(np.inf)
    made_for, scale = np.float32(-1), np.float32(0)
    for number in numbers:
        list_cost, rows = list_costs[number], sizes[number]
        for block in range(starts[number], starts[number + 1]):
            if bound <= list_cost:
                break
            left = min(bound - list_cost, most)
            if not made_for * _COARSER <= left <= made_for:
                made_for, scale = left, fill_steps(tables, left, steps)
            start = np.uint8(scale * (made_for - left) + shift)
            _, bits, exact = rows_below(
                packed, block * pairs * ROWS, steps, start, lowering, looked, pairs, sums
            )
            bits &= _bits_of(rows)
            rows -= ROWS
            count = _add_rows(
                bits,
                np.int64(-1) if exactly else exact,
                sums,
                start - removed,
                1 / scale,
                block,
                packed,
                pairs,
                tables,
                list_cost,
                bound,
                row_ids,
                wanted_rows,
                costs,
                places,
                count,
            )
            if count > wanted + wanted // 2:
                select(costs, places, count, wanted)
                count, bound = wanted, costs[:wanted].max()
    if count > wanted:
        select(costs, places, count, wanted)
        count = wanted
    return count


@njit(cache=True, nogil=True)
def _drop_repeated(ids, count):
    """Keep the first of equal ids, in their order, and return how many are left."""
    size = 4
    while size < 2 * count:
        size *= 2
    seen = np.full(size, -1, np.int64)
    kept = 0
    for place in range(count):
        row = ids[place]
        slot = (row * _HASH >> 7) & (size - 1)
        while seen[slot] >= 0 and seen[slot] != row:
            slot = (slot + 1) & (size - 1)
        if seen[slot] < 0:
            seen[slot] = row
            ids[kept] = row
            kept += 1
    return kept


@njit(cache=True, nogil=True)
def _prefetch_rows(copy, ids):
    flat = copy.reshape(-1)
    line = _LINE // copy.itemsize
    d = copy.shape[1]
    for row in ids:
        for place in range(row * d, row * d + d, line):
            lanes.prefetch(flat, place)


@njit(cache=True, nogil=True)
def search_one(
    centres,
    scales,
    starts,
    sizes,
    row_ids,
    packed,
    slopes,
    offsets,
    spilled,
    copy,
    steps,
    query,
    turned,
    nprobe,
    rerank,
    wanted_rows,
    best,
):
    """Write the rows that score best to `best` `(k,)` int64, best first, padded with -1.

    Parameters
    ----------
    centres, scales
        Of the lists: `(groups, d, 16)` in lanes, groups a multiple of 4; and what a list's score is
        multiplied by to tell which are visited first, `(nlist,)`.
    starts, sizes
        Where the blocks of a list begin, `(nlist + 1,)` int64; and how many rows it has.
    row_ids
        The row of every place of a block.
    packed, slopes, offsets
        Codes and codebooks as `bounded_scan.scan_one` takes them.
    spilled
        Whether a row may be in two lists.
    copy, steps
        What re-ranking reads, in steps of every dimension, `(d,)`.
    query, turned
        `(d,)`, and as the codes take it.
    nprobe, rerank
        How many lists are visited; how many rows re-ranked, 0 for none.
    wanted_rows
        A bitmap of the rows that may be found; an empty one allows all.
    """
    k = best.shape[0]
    largest = np.float32(0)
    for value in query:
        largest = max(largest, abs(value))
    unit = np.float32(1) / largest if largest > 0 else np.float32(1)  # scores stay in float32
    tables = np.zeros((slopes.shape[0] + 1) // 2 * 2 * CODEWORDS, np.float32)
    fill_costs(turned * unit, slopes, offsets, tables)
    list_costs = np.empty(centres.shape[0] * lanes.WIDTH, np.float32)
    _fill_list_costs(query * unit, centres, list_costs)
    numbers = np.empty(nprobe, np.int64)
    _choose_lists(list_costs, scales, numbers)
    wanted = max(min(rerank, row_ids.shape[0]), 2 * k if spilled else k)
    costs = np.empty(wanted + wanted // 2 + ROWS, np.float32)
    ids = np.empty(costs.shape[0], np.int64)
    count = _collect(
        packed,
        starts,
        sizes,
        tables,
        numbers,
        list_costs,
        wanted,
        rerank == 0,
        row_ids,
        wanted_rows,
        costs,
        ids,
    )
    for place in range(count):
        ids[place] = row_ids[ids[place]]
    best[:] = -1
    if rerank == 0:
        take_best(-costs[:count], ids[:count].copy(), ids[:count])
    if spilled:
        count = _drop_repeated(ids, count)
    if rerank == 0:
        found = min(k, count)
        best[:found] = ids[:found]
    else:
        _prefetch_rows(copy, ids[:count])
        scores = scores_of(copy, query * unit * steps, steps, ids[:count], False)
        take_best(scores, ids[:count], best)


@njit(cache=True, nogil=True, parallel=True)
def second_lists(scores, squares, gram, first, weight, second):
    """Choose a second list for every row `(n,)`: that of the least |r'|^2 + weight <r', r>^2/|r|^2.

    r is the residual to the centre of the `first` list and r' that to the other's (SOAR, Sun et
    al., NeurIPS 2023). `scores` `(n, nlist)` are <x, centre>, `squares` `(n,)` |x|^2, and `gram`
    `(nlist, nlist)` the products of the centres.
    """
    lists = gram.shape[0]
    for i in prange(scores.shape[0]):
        own = first[i]
        along = squares[i] - scores[i, own]  # <r, x>
        length = along - scores[i, own] + gram[own, own]  # |r|^2
        share = weight / length if length > 0 else np.float32(0)
        lowest, chosen = np.float32(np.inf), (own + 1) % lists
        for other in range(lists):
            part = along - scores[i, other] + gram[own, other]  # <r, r'>
            loss = gram[other, other] - 2 * scores[i, other] + share * part * part
            if other != own and loss < lowest:
                lowest, chosen = loss, other
        second[i] = chosen
