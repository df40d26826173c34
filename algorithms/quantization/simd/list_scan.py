"""A search of inverted lists of codes, all of it compiled.

Lists are visited nearly best first. The cost of a row is that of its list, -<q, centre>, plus the
sum over m of the entries that its codes choose, so one set of tables serves all lists. For
Euclidean distances lists and codewords have offsets, and each row a cost of its own: a byte in one
more plane, whose tables are the same for all queries, so that it is added as codes are. The blocks
of a list are those of `bounded_scan`, scanned by its kernel. The bound is what the worst of the
candidates costs, nearly, whichever list they are in. A list that itself costs more leaves less of
the bound to the codes, so sums begin that much higher, and the tables of bytes are made again only
where less than `_COARSER` of what they were made for is left.

Candidates are counted in bins of their costs. As soon as all bins but the top one hold as many as
are wanted, the top one is given up, and the bound moves down to it; its rows stay where they are
until the end, or until there is no more room. That costs far less for each row than a heap does.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from . import lanes
from .bins import (
    BINS,
    bin_of,
    bins_below,
    bins_for,
    count_bins,
    cut_down,
    extent_of,
    select,
    tightened,
)
from .bounded_scan import (
    LOWERED,
    ROWS,
    cost_of,
    entries_of,
    fill_costs,
    fill_steps,
    lowering_plane,
    matches,
    rows_below,
    subspaces_of,
)
from .byte_lanes import first_bit
from .candidates import rerank_one, take_best
from .second_lists import drop_repeated

_COARSER = np.float32(0.85)
_AT_ONCE = 2  # blocks; lists are short, and what is read past their ends is for nothing
_MOST_ROUNDED = 128  # subspaces; with more, an entry is hardly a step, and sums tell too little
_LINE = 64  # bytes of a cache line


@njit(cache=True, nogil=True)
def _fill_list_costs(query, centres, offsets, share, costs):
    """Write `share` times the offset less <q, centre> of every list, filled up as the arrays are.

    `centres` is `(groups, d, 16)`, and `offsets` `(16 groups,)`.
    """
    groups, d, _ = centres.shape
    flat = centres.reshape(-1)
    size = d * lanes.WIDTH
    shares = lanes.spread(share)
    for group in range(0, groups, 4):  # four sums at once: one addition does not wait for the last
        place = group * lanes.WIDTH
        a = lanes.times(shares, lanes.load(offsets, place))
        b = lanes.times(shares, lanes.load(offsets, place + lanes.WIDTH))
        c = lanes.times(shares, lanes.load(offsets, place + 2 * lanes.WIDTH))
        e = lanes.times(shares, lanes.load(offsets, place + 3 * lanes.WIDTH))
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
def _bits_of(rows):
    """Return bits of the first rows of a block."""
    return np.int64(-1) if rows >= ROWS else (np.int64(1) << max(rows, 0)) - 1


@njit(cache=True, nogil=True)
def _shift_of(subspaces):
    """What sums are raised by, since rounding down lowers each entry by half a step on average.

    Three deviations less than that, so that a row at the bound is lost in one case of a thousand;
    nothing where entries are too small for that average.
    """
    if subspaces > _MOST_ROUNDED:
        return np.float32(0)
    return np.float32(max(0.0, subspaces / 2 - 3 * np.sqrt(subspaces / 12)))


@njit(cache=True, nogil=True)
def _most_of(tables, codewords):
    """What codes cost at most."""
    most = np.float32(0)
    for m in range(0, tables.shape[0], codewords):
        most += extent_of(tables[m : m + codewords])[1]
    return most


@njit(cache=True, nogil=True)
def _choose_lists(costs, scales, count, numbers):
    """Write the numbers of those of the `count` lists whose costs times scales are the least.

    The best half comes first, within it the best quarter, and so on; otherwise in no order.
    """
    keys, ids = costs[:count] * scales[:count], np.arange(count)
    origin, per_cost = bins_for(*extent_of(keys))
    counts = np.zeros(BINS, np.int64)
    count_bins(keys, origin, per_cost, counts)
    top, inside = 0, counts[0]
    while inside < numbers.shape[0]:
        top += 1
        inside += counts[top]
    count = cut_down(keys, ids, count, numbers.shape[0], origin, per_cost, top)
    while count > 1:
        select(keys, ids, count, count // 2)
        count //= 2
    numbers[:] = ids[: numbers.shape[0]]


@njit(cache=True, nogil=True, forceinline=True)
def _add_rows(
    bits,
    exact,
    first_place,
    sums,
    base,
    unit,
    packed,
    first_code,
    tables,
    entries,
    list_cost,
    bins,
    row_ids,
    wanted_rows,
    costs,
    places,
    counts,
    count,
):
    """Append the rows of a block whose bits are set, as far as they fall into the bins in use.

    Of those, the rows that are set in the bitmap `wanted_rows`; an empty one sets all. The codes
    cost what `sums` tell, from `base` on in units of `unit`; what the tables do where the row's bit
    is set in `exact`.
    """
    origin, per_cost, top = bins
    while bits != 0:
        lane = first_bit(bits)
        bits &= bits - 1
        cost = np.float32(base + sums[lane] * unit)
        if exact >> lane & 1:
            cost = list_cost + cost_of(packed, first_code + lane, tables, entries)
        chosen = bin_of(cost, origin, per_cost)
        if chosen <= top and matches(wanted_rows, row_ids[first_place + lane]):
            costs[count], places[count] = cost, first_place + lane
            counts[chosen] += 1
            count += 1
    return count


@njit(cache=True, nogil=True)
def _collect(
    packed,
    starts,
    sizes,
    tables,
    codewords,
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

    `costs` and `places` hold `_room_for(wanted)`. Costs are those of the tables, or unless
    `exactly`, within the rounding of the bytes of them, if there are few enough subspaces for that.
    """
    entries = entries_of(codewords)
    planes = tables.shape[0] // entries
    subspaces = subspaces_of(planes, entries)
    lowering = lowering_plane(planes, entries)
    steps, sums = np.empty(tables.shape[0], np.uint8), np.empty(_AT_ONCE * ROWS, np.uint8)
    shift, most = _shift_of(subspaces), _most_of(tables, codewords)
    removed = np.float32(subspaces / 2 + (LOWERED if lowering else 0))  # rounded, and on the way
    made_for, scale = np.float32(-1), np.float32(0)
    everything = -np.int64(exactly or subspaces > _MOST_ROUNDED)
    counts = np.zeros(BINS, np.int64)
    count, inside, top = 0, 0, 0  # rows held; those in bins up to the top one
    origin, per_cost, bound = np.float32(0), np.float32(0), np.float32(np.inf)
    for number in numbers:
        list_cost, rows = list_costs[number], sizes[number]
        for block in range(starts[number], starts[number + 1], _AT_ONCE):
            if bound <= list_cost:
                break
            left = min(bound - list_cost, most)
            if not made_for * _COARSER <= left <= made_for:
                made_for, scale = left, fill_steps(tables, entries, left, steps)
            start = np.uint8(scale * (made_for - left) + shift)
            found, cut = rows_below(packed, block * planes * ROWS, steps, entries, start, sums)
            base, unit = list_cost - (start - removed) / scale, 1 / scale
            before = count
            for part in range(_AT_ONCE):
                bits = found[part] & _bits_of(rows - part * ROWS)
                if bits == 0:  # as most are: the call is not free
                    continue
                count = _add_rows(
                    bits,
                    cut[part] | everything,
                    (block + part) * ROWS,
                    sums[part * ROWS :],
                    base,
                    unit,
                    packed,
                    (block + part) * planes * ROWS,
                    tables,
                    entries,
                    list_cost,
                    (origin, per_cost, top),
                    row_ids,
                    wanted_rows,
                    costs,
                    places,
                    counts,
                    count,
                )
            rows -= _AT_ONCE * ROWS
            inside += count - before
            if inside < wanted:
                continue
            if top == 0 or count > costs.shape[0] - _AT_ONCE * ROWS:  # no bins, or used up
                count = cut_down(costs, places, count, wanted, origin, per_cost, top)
                origin, per_cost = bins_below(costs[:count], counts)
                inside, top = count, BINS - 1
            inside, top = tightened(counts, inside, top, wanted)
            bound = origin + np.float32(top + 1) / per_cost
    return cut_down(costs, places, count, wanted, origin, per_cost, top)


@njit(cache=True, nogil=True)
def _room_for(wanted):
    """Return how many rows are held at most: several times as many as wanted, and two blocks."""
    return 4 * wanted + _AT_ONCE * ROWS


@njit(cache=True, nogil=True)
def _prefetch_rows(copy, ids):
    flat = copy.reshape(-1)
    line = _LINE // copy.itemsize
    d = copy.shape[1]
    for row in ids:
        for place in range(row * d, row * d + d, line):
            lanes.prefetch(flat, place)


@njit(cache=True, nogil=True)
def search(
    centres,
    of_lists,
    starts,
    sizes,
    row_ids,
    packed,
    slopes,
    offsets,
    largest_value,
    spilled,
    copy,
    grid,
    queries,
    turned,
    nprobe,
    rerank,
    wanted_rows,
    best,
):
    """Write the rows that score best to `best` `(nq, k)` int64, best first, padded with -1.

    Parameters
    ----------
    centres, of_lists
        Of the lists: `(groups, d, 16)` in lanes, groups a multiple of 4; and `(3, 16 groups)`: what
        a list's cost is multiplied by to tell which are visited first, what is added to
        -<q, centre>, and the least cost that its rows have of their own.
    starts, sizes
        Where the blocks of a list begin, `(nlist + 1,)` int64; and how many rows it has.
    row_ids
        The row of every place of a block.
    packed, slopes, offsets
        Codes and codebooks as `bounded_scan.scan_one` takes them, but `offsets` fill whole planes.
        They may go on for a plane of `packed` that `slopes` do not know: the rows' own costs.
    largest_value
        0 where rows are scored by inner products. For Euclidean distances, offsets and the costs in
        `of_lists` are divided by this, the largest absolute value of the base.
    spilled
        Whether a row may be in two lists.
    copy, grid
        What re-ranking reads, in steps of every dimension; and `(2, d)`: the steps, and the values
        from which they are counted.
    queries, turned
        `(nq, d)`, and as the codes take them.
    nprobe, rerank
        How many lists are visited; how many rows re-ranked, 0 for none.
    wanted_rows
        A bitmap of the rows that may be found; an empty one allows all.
    """
    k = best.shape[1]
    codewords = slopes.shape[2]
    scales, list_offsets, least_costs = of_lists[0], of_lists[1], of_lists[2]
    for i in range(queries.shape[0]):
        query, found = queries[i], best[i]
        largest = largest_value
        for value in query:
            largest = max(largest, abs(value))
        unit = np.float32(1) / largest if largest > 0 else np.float32(1)  # scores stay in float32
        share = largest_value * unit
        tables = offsets * share
        fill_costs(turned[i] * unit, slopes, tables, tables)
        list_costs = np.empty(list_offsets.shape[0], np.float32)
        _fill_list_costs(query * unit, centres, list_offsets, share, list_costs)
        numbers = np.empty(nprobe, np.int64)
        _choose_lists(list_costs, scales, sizes.shape[0], numbers)
        for number in numbers:
            list_costs[number] += share * least_costs[number]
        wanted = max(min(rerank, row_ids.shape[0]), 2 * k if spilled else k)
        costs = np.empty(_room_for(wanted), np.float32)
        ids = np.empty(costs.shape[0], np.int64)
        count = _collect(
            packed,
            starts,
            sizes,
            tables,
            codewords,
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
        found[:] = -1
        if rerank == 0:
            take_best(-costs[:count], ids[:count].copy(), ids[:count])
        if spilled:
            count = drop_repeated(ids, count)
        if rerank == 0:
            most = min(k, count)
            found[:most] = ids[:most]
        else:
            ids = ids[:count]
            _prefetch_rows(copy, ids)
            steps, low = grid[0], grid[1]
            if largest_value > 0:
                rerank_one(copy, (query - low) / steps, steps * steps, ids, True, found)
            else:
                rerank_one(copy, query * unit * steps, steps, ids, False, found)
