"""A search of inverted lists of codes, all of it compiled.

Lists are visited nearly best first. The cost of a row is that of its list, -<q, centre>, plus the
sum over m of the entries that its codes choose, so one set of tables serves all lists. For
Euclidean distances lists and codewords have offsets, and each row a cost of its own: a byte in one
more plane, whose tables are the same for all queries, so that it is added as codes are. The blocks
of all lists stand in one queue, and the kernel of `bounded_scan` scans four at once while the codes
of the next four are asked for: which lists follow is known here, not to the processor.

The bound is what the worst of the candidates costs, nearly, whichever list they are in. A list that
itself costs more leaves less of the bound to the codes, so sums begin that much higher, and the
tables of bytes are made again only where less than `_COARSER` of what they were made for is left.

Candidates are counted in bins of their costs. As soon as all bins but the top one hold as many as
are wanted, the top one is given up, and the bound moves down to it; its rows stay where they are
until the end, or until there is no more room. That costs far less for each row than a heap does.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from . import lanes
from .bins import BINS, bin_of, bins_below, bins_for, cut_down, extent_of, tightened
from .block_queue import DEVIATIONS, begun_at, codes_of, first_bound, four, queued
from .bounded_scan import matches, rows_below
from .byte_lanes import BLOCKS, first_bit
from .candidates import rerank_one, take_best
from .compiling import inlined, leaf
from .nearest_lists import choose_lists, fill_list_costs, in_shorts
from .second_lists import drop_repeated
from .tables import (
    LOWERED,
    ROWS,
    cost_of,
    entries_of,
    fill_costs,
    fill_steps,
    lowering_plane,
    summands_of,
)

_COARSER = np.float32(0.85)
_MOST_ROUNDED = 128  # subspaces; with more, an entry is hardly a step, and sums tell too little
_HARDLY_A_STEP = np.float32(1e-3)  # of all that rows can cost
_LINE = 64  # bytes of a cache line
_LEAST_VALUE = np.float32(1e-38)  # whose inverse float32 can hold


@leaf
def _shift_of(subspaces):
    """What sums are raised by, since rounding down lowers each entry by half a step on average.

    Some deviations less than that. On sparse data it can be too much: entries of 0 lose nothing.
    """
    return np.float32(max(0.0, subspaces / 2 - DEVIATIONS * np.sqrt(subspaces / 12)))


@leaf
def _most_of(tables, codewords):
    """What codes cost at most, and in how many subspaces by steps that are rounded."""
    most = np.float32(0)
    for m in range(0, tables.shape[0], codewords):
        most += extent_of(tables[m : m + codewords])[1]
    varied = 0
    for m in range(0, tables.shape[0], codewords):
        varied += extent_of(tables[m : m + codewords])[1] > most * _HARDLY_A_STEP
    return most, varied


@inlined
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
            cost = list_cost + cost_of(packed, first_code + lane, ROWS, tables, entries)
        chosen = bin_of(cost, origin, per_cost)
        if chosen <= top and matches(wanted_rows, row_ids[first_place + lane]):
            costs[count], places[count] = cost, first_place + lane
            counts[chosen] += 1
            count += 1
    return count


@njit(cache=True, nogil=True)
def _collect(
    bound,
    least,
    packed,
    queue,
    block_costs,
    rows,
    tables,
    entries,
    most,
    varied,
    wanted,
    everything,
    row_ids,
    wanted_rows,
    steps,
    costs,
    places,
):
    """Write the `wanted` places of least cost in these blocks to the front; return how many.

    Of rows that cost less than the bound, of which `least` is likely the least. `costs` and
    `places` hold `_room_for(wanted)`. Costs are those of the tables for the rows whose bits are set
    in `everything`, and for the others within the rounding of the bytes of them. `varied` is in how
    many subspaces costs are rounded at all: where dimensions are constant, they hardly differ.
    """
    planes = tables.shape[0] // entries
    lowering = lowering_plane(planes, entries)
    # Without a bound, tables are made for the most that rows can cost: all must stay below the end.
    # If float tables score all rows found, it does no harm to find too many.
    shift = np.float32(0) if everything or bound == np.inf else _shift_of(varied)
    removed = np.float32(varied / 2 + (LOWERED if lowering else 0))  # rounded, and on the way
    sums, counts = np.empty(BLOCKS * ROWS, np.uint8), np.zeros(BINS, np.int64)
    made_for, scale = np.float32(-1), np.float32(0)
    count, inside, top = np.int64(0), 0, np.int64(0)  # rows held; those in bins up to the top one
    origin, per_cost = np.float32(0), np.float32(0)
    if bound < np.inf:
        origin, per_cost = bins_for(least - (bound - least), bound)
        top = BINS - 1
    for at in range(0, queue.shape[0] - BLOCKS, BLOCKS):
        a, b, c, d = four(block_costs, at)
        lowest = min(min(a, b), min(c, d))
        if bound <= lowest:
            continue
        left = min(bound - lowest, most)
        if not made_for * _COARSER <= left <= made_for:
            made_for, scale = left, fill_steps(tables, entries, left, steps)
        begun = (
            begun_at(min(bound - a, most), made_for, scale, shift),
            begun_at(min(bound - b, most), made_for, scale, shift),
            begun_at(min(bound - c, most), made_for, scale, shift),
            begun_at(min(bound - d, most), made_for, scale, shift),
        )
        codes, ahead = codes_of(queue, at, planes), codes_of(queue, at + BLOCKS, planes)
        found, cut = rows_below(packed, codes, ahead, steps, entries, begun, sums)
        before = count
        for part in range(BLOCKS):
            bits = found[part] & rows[at + part]
            if bits == 0:  # as most are: the call is not free
                continue
            count = _add_rows(
                bits,
                cut[part] | everything,
                queue[at + part] * ROWS,
                sums[part * ROWS :],
                block_costs[at + part] - (begun[part] - removed) / scale,
                1 / scale,
                packed,
                codes[part],
                tables,
                entries,
                block_costs[at + part],
                (origin, per_cost, top),
                row_ids,
                wanted_rows,
                costs,
                places,
                counts,
                count,
            )
        inside += count - before
        if count == before or inside < wanted:
            continue
        if top == 0 or count > costs.shape[0] - BLOCKS * ROWS:  # no bins, or used up
            count = cut_down(costs, places, count, wanted, origin, per_cost, top)
            origin, per_cost = bins_below(costs[:count], counts)
            inside, top = count, BINS - 1
        inside, top = tightened(counts, inside, top, wanted)
        bound = origin + np.float32(top + 1) / per_cost
    return cut_down(costs, places, count, wanted, origin, per_cost, top)


@leaf
def _room_for(wanted):
    """Return how many rows are held at most: several times as many as wanted, and four blocks."""
    return 4 * wanted + BLOCKS * ROWS


@leaf
def _prefetch_rows(copy, ids):
    flat = copy.reshape(-1)
    size = copy.shape[1]
    for row in ids:
        for place in range(row * size, (row + 1) * size, _LINE):
            lanes.prefetch(flat, place)


@leaf
def _unit_of(query, largest):
    """Return what a query is multiplied by so that its scores stay in float32."""
    for value in query:
        largest = max(largest, abs(value))
    return np.float32(1) / largest if largest > _LEAST_VALUE else np.float32(1)


@njit(cache=True, nogil=True)
def search(
    centres,
    mean,
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
        Of the lists: as `fill_list_costs` takes them; and `(4, 16 groups)`: what a list's cost is
        multiplied by to tell which are visited first, what is added to -<q - mean, centre>, the
        least cost that its rows have of their own, and the step of its centre.
    mean
        Zeros, or for Euclidean distances the mean of the rows, which centres are less of, `(d,)`.
        With it, rows far from zero would leave the rounding of int16 little to tell lists apart.
    starts, sizes
        Where the blocks of a list begin, `(nlist + 1,)` int64; and how many rows it has.
    row_ids
        The row of every place of a block.
    packed, slopes, offsets
        Codes by blocks of 64 rows, in planes of 64 bytes. Codebooks as `bounded_scan.scan` takes
        them, but `offsets` fill whole planes, and may go on for a plane of `packed` that `slopes`
        do not know: rows' own costs.
    largest_value
        0 where rows are scored by inner products. For Euclidean distances, offsets and the costs in
        `of_lists` are divided by this, the largest absolute value of the base.
    spilled
        Whether a row may be in two lists.
    copy, grid
        What re-ranking reads, as `rerank_one` takes it, in steps of every dimension; and `(2, d)`:
        the steps, and the values from which they are counted.
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
    centre_steps = of_lists[3]
    pairs = np.empty(centres.shape[1], np.int32)
    entries, byte_tables = entries_of(codewords), np.empty(offsets.shape[0], np.uint8)
    subspaces = summands_of(offsets.shape[0] // entries, entries)
    everything = -np.int64(rerank == 0 or subspaces > _MOST_ROUNDED)  # scored by float tables
    for i in range(queries.shape[0]):
        query, found = queries[i], best[i]
        unit = _unit_of(query, largest_value)
        share = largest_value * unit
        tables = offsets * share
        fill_costs(turned[i] * unit, slopes, tables, tables)
        list_costs = np.empty(list_offsets.shape[0], np.float32)
        step = in_shorts((query - mean) * unit, pairs)
        fill_list_costs(pairs, step, centres, centre_steps, list_offsets, share, list_costs)
        numbers = np.empty(nprobe, np.int64)
        choose_lists(list_costs, scales, sizes.shape[0], numbers)
        for number in numbers:
            list_costs[number] += share * least_costs[number]
        wanted = max(min(rerank, row_ids.shape[0]), 2 * k if spilled else k)
        costs = np.empty(_room_for(wanted), np.float32)
        ids = np.empty(costs.shape[0], np.int64)
        queue, block_costs, rows = queued(starts, sizes, list_costs, numbers)
        most, varied = _most_of(tables, codewords)
        bound, least = first_bound(
            packed,
            queue,
            block_costs,
            rows,
            tables,
            entries,
            most,
            wanted,
            row_ids,
            wanted_rows,
            byte_tables,
        )
        while True:
            count = _collect(
                bound,
                least,
                packed,
                queue,
                block_costs,
                rows,
                tables,
                entries,
                most,
                varied,
                wanted,
                everything,
                row_ids,
                wanted_rows,
                byte_tables,
                costs,
                ids,
            )
            if count >= wanted or bound == np.inf:
                break
            bound = np.float32(np.inf)
        for place in range(count):
            ids[place] = row_ids[ids[place]]
        found[:] = -1
        if rerank == 0:
            take_best(-costs[:count], ids[:count].copy(), ids[:count])
        if spilled:
            count = drop_repeated(ids, count)
        if rerank == 0:
            for place in range(min(k, count)):
                found[place] = ids[place]
        else:
            ids = ids[:count]
            _prefetch_rows(copy, ids)
            steps, low, euclidean = grid[0], grid[1], largest_value > 0
            stepped = (query - low) / steps if euclidean else query * unit * steps
            rerank_one(copy, stepped, steps * steps, ids, euclidean, found)
