"""An exhaustive scan of codes: almost all rows are dropped early, the rest scored by float tables.

For one query, every subspace m has a table of 16 or 256 costs, each above the least of its
subspace, and a row costs the sum over m of the entries that its codes choose. While the k best so
far are known, the worst of them costs `bound`; a row that costs more is of no interest. So the
tables are turned into bytes whose sum reaches 255 near `bound`, and sums that stop at 255: one
look-up and one addition for as many rows at once as a register has bytes. Rows that are below 255
at the end, some hundreds in a million, are scored with the float tables. Several queries are
scanned for at once, where registers suffice: what is loaded of the codes serves all of them.

Rounding to bytes loses no row, whatever the data: costs are rounded down, and the scale is such
that a row within `bound` stays below 255. The sum is then up to a step too low for each entry, half
of one on average, so rows a little beyond `bound` are scored for nothing. Where a row adds 33
entries or more, these would be too many.
There the scale is finer, and all sums are lowered by `LOWERED` on the way, so that 255 at the end
means 255 + `LOWERED` steps. The few rows whose sum is below `LOWERED` at that point, which cannot
be lowered, are scored. Scores and order are those of float tables, where other scans of this kind
keep the rounded ones.

Rows lie in groups of 256: four blocks of 64, which are scanned at once. A group has a plane of 256
bytes for each subspace of 8 bits, or for each two of 4 bits, of which the even one has the low
bits. So codes are read sequentially. A plane has 32 or 256 entries of tables: where 8 bits can be
looked up at once, two codes of 4 bits are taken as one byte, with one addition and one rounding
instead of two. The first bound comes from a sample, every 32nd group since data are often sorted:
the k-th best row very likely costs no more. Where it does, the scan is repeated with what was
found.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .bins import bring_forward
from .byte_lanes import (
    BLOCKS,
    CAP,
    CODE_BITS,
    QUERIES,
    any_of,
    bits_below,
    either,
    first_bit,
    lowered,
    plus_entries,
    plus_two_entries,
    store_sums,
    sums_from,
)
from .compiling import inlined, leaf
from .tables import (
    GROUP,
    LOWERED,
    OF_BYTE,
    OF_TWO,
    ROWS,
    cost_of,
    empty_tables,
    entries_of,
    fill_costs_in_range,
    fill_pairs,
    fill_steps,
    lowering_plane,
)

_PAIRED = 8 in CODE_BITS  # look-ups of 8 bits are as fast as those of 4
_SAMPLED = 32  # every how many groups of blocks
_TRIED = 32  # rows whose least cost bounds the sample
_CAP = np.uint8(CAP)
_NO_ROWS = (np.int64(0),) * BLOCKS
_ONE_QUERY = (np.uint8(0),) * BLOCKS  # what sums begin at
_QUERIES = (np.uint8(0),) * (BLOCKS * QUERIES)
_TIGHTER = np.float32(0.99)  # of the bound that the tables are made for: make them again
_SPARE = 4  # one in so many more rows than wanted are kept before the best are chosen
_NO_KEY = np.int64(np.iinfo(np.int64).max)
_ROW = np.int64(0xFFFFFFFF)  # bits of a key


@leaf
def places_from(place):
    """Return where the four blocks of a group begin."""
    return place, place + ROWS, place + 2 * ROWS, place + 3 * ROWS


@inlined
def add_bytes(packed, places, ahead, plane_bytes, steps, entries, start, stop, sums):
    """As `add_planes`, of codes that are looked up by whole bytes."""
    for plane in range(start, stop):
        at = plane * plane_bytes
        sums = plus_entries(
            sums, packed, places, ahead, at, steps, plane * entries, steps.shape[-1]
        )
    return sums


@inlined
def add_planes(packed, places, ahead, plane_bytes, steps, entries, start, stop, sums):
    """Add the entries of some planes to the sums of the four blocks at these places.

    A plane is `plane_bytes` after the last. The codes at the places of `ahead` are prefetched,
    unless it is None. `steps` are one query's, or `(queries, entries of all planes)`.
    """
    if entries == OF_TWO:
        for plane in range(start, stop):
            at = plane * plane_bytes
            sums = plus_two_entries(
                sums, packed, places, ahead, at, steps, plane * OF_TWO, steps.shape[-1]
            )
        return sums
    return add_bytes(packed, places, ahead, plane_bytes, steps, entries, start, stop, sums)


add_scanned = add_bytes if _PAIRED else add_planes  # in a scan of all rows


@inlined
def rows_below(packed, places, ahead, steps, entries, starts, sums):
    """Add up four blocks; return bits of the rows below the end, and of those that were cut off.

    For scans of lists; `_next_found` has the same steps in line, since it was slower with this
    call. Sums begin at `starts`, one for each block. They are left in `sums` `(256,)`, lowered as
    they are; of rows that were cut off on the way they do not hold.
    """
    planes = steps.shape[0] // entries
    lowering = lowering_plane(planes, entries)
    total, too_low, cut = sums_from(starts), _NO_ROWS, _NO_ROWS
    if lowering:
        total = add_planes(packed, places, ahead, ROWS, steps, entries, 0, lowering, total)
        a, b, c, d = bits_below(total, _CAP)
        too_low = bits_below(total, LOWERED)
        cut = either(too_low, (~a, ~b, ~c, ~d))
        total = lowered(total, LOWERED)
    total = add_planes(packed, places, ahead, ROWS, steps, entries, lowering, planes, total)
    store_sums(sums, total)
    return either(too_low, bits_below(total, _CAP)), cut


@leaf
def matches(bits, row):
    """Whether a row is set in a bitmap (see `Bitmap`); an empty one sets all."""
    return bits.shape[0] == 0 or (bits[row >> 3] >> (row & 7)) & 1


@leaf
def _key_of(cost, row):
    """Return what tells a row from others: those of less cost come first, of equals the lower row.

    The bits of a float32 number that is not negative are in its order.
    """
    return np.int64(np.float32(cost).view(np.int32)) << 32 | row


@leaf
def _cost_in(key):
    return np.int32(key >> 32).view(np.float32)


@leaf
def _room_for(wanted):
    """Return how many keys are kept before the best are chosen, for these and a group's rows."""
    return wanted + wanted // _SPARE + 2


@leaf
def _keep_found(found, number, rows, packed, costs, entries, bits, limits, keys, counts, query):
    """Append the keys of a block's rows whose bits are set, below the limit, if they match."""
    own, count, limit = costs[query], counts[query], limits[query]
    block = number // BLOCKS * (own.shape[0] // entries) * GROUP + number % BLOCKS * ROWS
    while found != 0:
        lane = first_bit(found)
        found &= found - 1
        row = number * ROWS + lane
        if row < rows and matches(bits, row):
            key = _key_of(cost_of(packed, block + lane, GROUP, own, entries), row)
            keys[query, count] = key
            count += key < limit
    counts[query] = count


@leaf
def _keep_best(costs, entries, wanted, bounds, limits, keys, counts, steps, query):
    """Keep the keys wanted of those of a query; the last is its limit now, and tells its bound."""
    bring_forward(keys[query], None, counts[query], wanted - 1)
    counts[query], limits[query] = wanted, keys[query, wanted - 1]
    bound = _cost_in(limits[query])
    if bound < bounds[query] * _TIGHTER:
        bounds[query] = bound
        fill_steps(costs[query], entries, bound, steps[query])


@leaf
def _next_found(packed, steps, entries, group, stop, step, starts, prefetching, bits):
    """Return the first group from this on that has rows below the end, and write their bits.

    Only every `step`-th group is scanned; a number of at least `stop` says that none has. `bits`
    has one for every query and block. By itself, the loop keeps its places in registers. The codes
    of the next group are prefetched unless `prefetching` is None: for several queries that pays;
    for one, the processor's own prefetcher does better.
    """
    planes = steps.shape[1] // entries
    lowering = lowering_plane(planes, entries)
    size = planes * GROUP
    found = bits_below(sums_from(starts), np.uint8(0))  # none
    while group < stop:
        places = places_from(group * size)
        ahead = None if prefetching is None else places_from((group + step) * size)
        sums, too_low = sums_from(starts), found
        if lowering:
            sums = add_scanned(packed, places, ahead, GROUP, steps, entries, 0, lowering, sums)
            too_low = bits_below(sums, LOWERED)
            sums = lowered(sums, LOWERED)
        sums = add_scanned(packed, places, ahead, GROUP, steps, entries, lowering, planes, sums)
        found = either(too_low, bits_below(sums, _CAP))
        if any_of(found):
            for part in range(len(found)):
                bits[part] = found[part]
            break
        group += step
    return group


@leaf
def _next_group(packed, steps, entries, group, stop, step, queries, found):
    """As `_next_found`; without a look-up of 8 bits, every group has rows to score, all of them."""
    if entries == OF_BYTE and not _PAIRED:
        found[:] = -1
        return group
    if QUERIES > 1 and queries > 1:
        return _next_found(packed, steps, entries, group, stop, step, _QUERIES, True, found)
    return _next_found(packed, steps, entries, group, stop, step, _ONE_QUERY, None, found)


@njit(cache=True, nogil=True)
def _scan_blocks(packed, rows, costs, entries, step, bounds, bits, wanted):
    """Return the keys of the best rows of every `step`-th group, `(queries, wanted)`, best first.

    A group is four blocks. Of the rows that meet the bounds none is missing; dearer rows may be
    among them, too, where too few are found. `costs` are `(queries, entries of all planes)`, of one
    query or of `QUERIES`.
    """
    queries, stop = costs.shape[0], (rows + GROUP - 1) // GROUP
    steps, bounds = np.empty(costs.shape, np.uint8), bounds.copy()
    room = _room_for(wanted)
    keys = np.full((queries, room + GROUP), _NO_KEY)
    counts, limits = np.zeros(queries, np.int64), np.full(queries, _NO_KEY)
    for query in range(queries):
        fill_steps(costs[query], entries, bounds[query], steps[query])
    group, found = np.int64(0), np.zeros(queries * BLOCKS, np.int64)
    while True:
        group = _next_group(packed, steps, entries, group, stop, step, queries, found)
        if group >= stop:
            break
        for part in range(len(found)):
            if found[part] != 0:
                query, number = part // BLOCKS, group * BLOCKS + part % BLOCKS
                _keep_found(
                    found[part],
                    number,
                    rows,
                    packed,
                    costs,
                    entries,
                    bits,
                    limits,
                    keys,
                    counts,
                    query,
                )
        for query in range(queries):
            if counts[query] > room:
                _keep_best(costs, entries, wanted, bounds, limits, keys, counts, steps, query)
        group += step
    for query in range(queries):
        keys[query, counts[query] :] = _NO_KEY
        keys[query, : counts[query]].sort()
    return keys[:, :wanted]


@leaf
def _least_of_few(packed, rows, costs, entries):
    """Return the least cost of some rows, evenly spread."""
    planes = costs.shape[0] // entries
    least = np.float32(np.inf)
    for number in range(_TRIED):
        row = rows * number // _TRIED
        place = row // GROUP * planes * GROUP + row % GROUP
        least = min(least, cost_of(packed, place, GROUP, costs, entries))
    return least


@leaf
def _worst_of(keys):
    """Return the cost of the last key; infinite where it was never found."""
    return np.float32(np.inf) if keys[-1] == _NO_KEY else _cost_in(keys[-1])


@njit(cache=True, nogil=True)
def _likely_bounds(packed, rows, costs, entries, k, bits):
    """Return for each query what its k-th best row very likely costs at most, by a sample.

    Infinite where there are too few rows to tell. In a sample of one group in S, k / S of the best
    k rows are expected; the bound is the cost of the s-th best, s = k / S + 3 sqrt(k / S) + 3.
    """
    bounds = np.full(costs.shape[0], np.inf, np.float32)
    step = np.int64(_SAMPLED)
    share = k / _SAMPLED
    number = int(np.ceil(share + 3 * np.sqrt(share) + 3))
    if rows < _SAMPLED * ROWS * number:
        return bounds
    for query in range(costs.shape[0]):
        bounds[query] = _least_of_few(packed, rows, costs[query], entries)
    keys = _scan_blocks(packed, rows, costs, entries, step, bounds, bits, number)
    for query in range(costs.shape[0]):
        bounds[query] = _worst_of(keys[query])
    if bounds.max() == np.inf:  # too few cost less
        bounds[:] = np.inf
        keys = _scan_blocks(packed, rows, costs, entries, step, bounds, bits, number)
        for query in range(costs.shape[0]):
            bounds[query] = _worst_of(keys[query])
    return bounds


@leaf
def entries_scanned(codewords):
    """Return the entries of a plane as they are looked up."""
    return OF_BYTE if _PAIRED else entries_of(codewords)


@njit(cache=True, nogil=True)
def _scan_some(packed, rows, slopes, wide_slopes, offsets, euclidean, queries, bits, ids):
    """As `scan`, for one query, or for `QUERIES` at once."""
    codewords = slopes.shape[2]
    entries, k, every = entries_scanned(codewords), ids.shape[1], np.int64(1)
    own = empty_tables(slopes.shape[0] + wide_slopes.shape[0], codewords)
    paired = entries != entries_of(codewords)
    planes = len(own) // entries_of(codewords)
    costs = np.zeros((len(queries), planes * entries), np.float32)
    for query in range(len(queries)):
        first = own if paired else costs[query]
        fill_costs_in_range(queries[query], slopes, wide_slopes, offsets, euclidean, first)
        if paired:
            fill_pairs(own, costs[query])
    bounds = _likely_bounds(packed, rows, costs, entries, k, bits)
    keys = _scan_blocks(packed, rows, costs, entries, every, bounds, bits, k)
    missed = False
    for query in range(len(queries)):
        worst = _worst_of(keys[query])
        missed |= worst > bounds[query]
        bounds[query] = max(worst, bounds[query])
    if missed:  # rows may have been dropped that belong to the best; those found meet the new one
        keys = _scan_blocks(packed, rows, costs, entries, every, bounds, bits, k)
    for query in range(len(queries)):
        for place in range(k):
            key = keys[query, place]
            ids[query, place] = -1 if key == _NO_KEY else key & _ROW


@njit(cache=True, nogil=True)
def scan(packed, rows, slopes, wide_slopes, offsets, euclidean, queries, bits, ids):
    """Write the rows of the least costs to `ids` `(nq, k)` int64, least first, padded with -1.

    `packed` is flat: groups, then planes, then 256 bytes; the first `rows` count. The cost of
    codeword c of subspace m is `offsets[K m + c]` (float32) plus the inner product of its part of
    the query with `slopes[m, :, c]` `(M, d/M, K)`; K is 16 or 256. Where the look-up does not have
    256, all rows are scored. Planes after the M are coarse codes, whose cost is the inner product
    of the whole query with `wide_slopes[0, :, c]` `(0 or 1, d, K)`. The offsets are 0, or with
    `euclidean` half the squared norms of the codewords. Of equal costs, the lower row comes first.
    Rows that are not set in the bitmap `bits` are left out; an empty one leaves out none.
    """
    first = 0
    while first < len(queries):
        own = slice(first, first + (QUERIES if first + QUERIES <= len(queries) else 1))
        _scan_some(
            packed, rows, slopes, wide_slopes, offsets, euclidean, queries[own], bits, ids[own]
        )
        first = own.stop
