"""An exhaustive scan of codes that drops almost all of them early, then scores exactly.

For one query, every subspace m has a table of 16 or 256 costs, each above the least of its
subspace, and a row costs the sum over m of the entries that its codes choose. While the k best so
far are known, the worst of them costs `bound`; a row that costs more is of no interest. So the
tables are turned into bytes whose sum reaches 255 near `bound`, and sums that stop at 255: one
look-up and one addition for as many rows at once as a register has bytes. Rows that are below 255
at the end, some hundreds in a million, are scored with the float tables.

Rounding to bytes loses no row, whatever the data: costs are rounded down, and the scale is such
that a row within `bound` stays below 255. The sum is then up to M steps too low, M/2 on average, so
rows a little beyond `bound` are scored for nothing. With many subspaces these would be too many.
There the scale is finer, and all sums are lowered by `LOWERED` on the way, so that 255 at the end
means 255 + `LOWERED` steps. The few rows whose sum is below `LOWERED` at that point, which cannot
be lowered, are scored. Scores and order are those of float tables, where other scans of this kind
keep the rounded ones.

Rows: blocks of 64; in a block, planes of 64 bytes: one for each two subspaces of 4 bits, the low
bits the even one's, or for each subspace of 8 bits. A plane has 32 or 256 entries of tables.
Four blocks are scanned at once. A sample, every 32nd such group since data are often sorted, tells
a bound that the k-th best very likely meets, so that the scan proper drops rows from its beginning.
Where it is not met, the scan is repeated with what was found instead.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from . import lanes
from .byte_lanes import (
    BLOCKS,
    CAP,
    ENTRIES,
    WIDTH,
    bits_below,
    first_bit,
    lowered,
    plus_entries,
    plus_two_entries,
    store_steps,
    store_sums,
    sums_from,
)
from .compiling import LEAF, inlined, leaf

ROWS = WIDTH  # of a block
CODEWORDS = ENTRIES  # of 4 bits
OF_TWO = 2 * CODEWORDS  # entries of a plane of two subspaces

_GROUP = BLOCKS * ROWS
_SAMPLED = 32  # every how many groups of blocks
_TRIED = 32  # rows whose least cost bounds the sample
_FINER_FROM = 33  # subspaces; with fewer, sums are not lowered on the way
LOWERED = np.uint8(96)
_CAP = np.uint8(CAP)
_NO_ROWS = (np.int64(0),) * BLOCKS
_FROM_NOTHING = (np.uint8(0),) * BLOCKS
_ROUNDED = 2.0**-23  # twice what one float32 operation is off by, at most
_TIGHTER = np.float32(0.99)  # of the bound that the tables are made for: make them again
MISSING = np.int64(1) << 62
_HUGE = np.float32(1e30)
_LEAST_TOTAL, _MOST_TOTAL = np.float32(1e-25), np.float32(1e30)  # costs that float32 can compute
_FAST = {"reassoc", "contract", "nsz"}


@njit(**LEAF, fastmath=_FAST)
def fill_costs(query, slopes, offsets, costs):
    """Write the tables of a query, each above the least of its subspace."""
    subspaces, width, codewords = slopes.shape
    flat = slopes.reshape(-1)
    for m in range(subspaces):
        least = np.float32(np.inf)
        for c in range(m * codewords, (m + 1) * codewords, lanes.WIDTH):
            values = lanes.load(offsets, c)
            for j in range(width):
                slope = lanes.load(flat, c + (m * (width - 1) + j) * codewords)
                values = lanes.times_plus(lanes.spread(query[m * width + j]), slope, values)
            least = min(least, lanes.least(values))
            lanes.store(costs, c, values)
        for c in range(m * codewords, (m + 1) * codewords, lanes.WIDTH):
            lanes.store(costs, c, lanes.minus(lanes.load(costs, c), lanes.spread(least)))


@njit(**LEAF, fastmath=_FAST)
def _are_in_range(costs):
    """Whether no cost is infinite or NaN, and not all are lost to the least numbers of float32."""
    total = np.float32(0)
    for place in range(costs.shape[0]):
        total += costs[place]
    return _LEAST_TOTAL < total < _MOST_TOTAL


@njit(cache=True, nogil=True)
def _fill_scaled_costs(query, slopes, euclidean, costs):
    """As `fill_costs`, in float64, then scaled so that the most that a row can cost is 1."""
    subspaces, width, codewords = slopes.shape
    exact = np.zeros((subspaces, codewords))
    most = 0.0
    for m in range(subspaces):
        for c in range(codewords):
            for j in range(width):
                slope = np.float64(slopes[m, j, c])
                exact[m, c] += query[m * width + j] * slope
                if euclidean:
                    exact[m, c] += slope * slope / 2
        exact[m] -= exact[m].min()
        most += exact[m].max()
    for m in range(subspaces):
        for c in range(codewords):
            costs[m * codewords + c] = exact[m, c] / most if most > 0 else 0


@leaf
def entries_of(codewords):
    """Return the entries of a plane: a byte holds two codes of 4 bits, or one of 8."""
    return OF_TWO if codewords == CODEWORDS else codewords


@njit(cache=True, nogil=True)
def empty_tables(subspaces, codewords):
    """Return zeros for the costs of a query, whole planes of them."""
    entries = entries_of(codewords)
    return np.zeros(-(-subspaces * codewords // entries) * entries, np.float32)


@leaf
def subspaces_of(planes, entries):
    """Return the number of subspaces; of an odd number of 4 bits, one more."""
    return 2 * planes if entries == OF_TWO else planes


@leaf
def lowering_plane(planes, entries):
    """Return the number of planes after which sums are lowered; 0 is never."""
    return planes * 9 // 20 if subspaces_of(planes, entries) >= _FINER_FROM else 0


@leaf
def fill_steps(costs, entries, bound, steps):
    """Turn costs into bytes, rounded down; all are 0 where the bound is infinite.

    A row whose float32 cost is at most `bound` has a sum below 255 (plus what it is lowered by).
    `_ROUNDED` makes up for the float32 rounding of its M additions, the scale and the products.
    Returns how many steps a cost of 1 is.
    """
    planes = costs.shape[0] // entries
    end = CAP + (LOWERED if lowering_plane(planes, entries) else 0)
    reach = np.float32(end * (1 - (subspaces_of(planes, entries) + 8) * _ROUNDED))
    scale = min(reach / bound, _HUGE) if bound > 0 else _HUGE
    for place in range(0, costs.shape[0], CODEWORDS):
        store_steps(steps, place, lanes.load(costs, place), scale)
    return scale


@leaf
def cost_of(packed, place, costs, entries):
    """Score one row exactly; `place` is its byte of the first plane.

    Without `fastmath`: LLVM would gather the entries into vectors one by one, which is slower.
    """
    planes = costs.shape[0] // entries
    even, odd = np.float32(0), np.float32(0)
    if entries == OF_TWO:
        for plane in range(planes):
            both = packed[place + plane * ROWS]
            even += costs[plane * OF_TWO + (both & 15)]
            odd += costs[plane * OF_TWO + CODEWORDS + (both >> 4)]
    else:
        for plane in range(planes):
            even += costs[plane * entries + packed[place + plane * ROWS]]
    return even + odd


@leaf
def sink(worst, ids, count):
    """Move the top of a heap down to its place; the worst row, of equals the last, is the top."""
    cost, row, place = worst[0], ids[0], 0
    while 2 * place + 1 < count:
        child = 2 * place + 1
        other = child + 1
        if other < count and (worst[other], ids[other]) > (worst[child], ids[child]):
            child = other
        if (worst[child], ids[child]) <= (cost, row):
            break
        worst[place], ids[place] = worst[child], ids[child]
        place = child
    worst[place], ids[place] = cost, row


@leaf
def places_from(place, planes):
    """Return where four blocks begin that follow each other from this place on."""
    size = planes * ROWS
    return place, place + size, place + 2 * size, place + 3 * size


@inlined
def add_planes(packed, places, ahead, steps, entries, start, stop, sums):
    """Add the entries of some planes to the sums of the four blocks at these places.

    Meanwhile those at the places of `ahead` are asked for.
    """
    if entries == OF_TWO:
        for plane in range(start, stop):
            at = plane * ROWS
            sums = plus_two_entries(sums, packed, places, ahead, at, steps, plane * OF_TWO)
    else:
        for plane in range(start, stop):
            at = plane * ROWS
            sums = plus_entries(sums, packed, places, ahead, at, steps, plane * entries)
    return sums


@leaf
def either(first, second):
    """Return the bits of four blocks that are set in one of two."""
    a, b, c, d = first
    e, f, g, h = second
    return a | e, b | f, c | g, d | h


@leaf
def any_of(bits):
    """Whether a bit of four blocks is set."""
    a, b, c, d = bits
    return a | b | c | d != 0


@inlined
def rows_below(packed, places, ahead, steps, entries, starts, sums):
    """Add up four blocks; return bits of the rows below the end, and of those that were cut off.

    For scans of lists; `_scan_blocks` has the same steps in line, since it was slower with this
    call. Sums begin at `starts`, one for each block. They are left in `sums` `(256,)`, lowered as
    they are; of rows that were cut off on the way they do not hold.
    """
    planes = steps.shape[0] // entries
    lowering = lowering_plane(planes, entries)
    total, too_low, cut = sums_from(starts), _NO_ROWS, _NO_ROWS
    if lowering:
        total = add_planes(packed, places, ahead, steps, entries, 0, lowering, total)
        a, b, c, d = bits_below(total, _CAP)
        too_low = bits_below(total, LOWERED)
        cut = either(too_low, (~a, ~b, ~c, ~d))
        total = lowered(total, LOWERED)
    total = add_planes(packed, places, ahead, steps, entries, lowering, planes, total)
    store_sums(sums, total)
    return either(too_low, bits_below(total, _CAP)), cut


@leaf
def matches(bits, row):
    """Whether a row is set in a bitmap (see `Bitmap`); an empty one sets all."""
    return bits.shape[0] == 0 or (bits[row >> 3] >> (row & 7)) & 1


@leaf
def _keep_best(candidates, number, rows, packed, costs, entries, bits, worst, ids):
    """Score the rows of a block whose bits are set, and keep those among the best that match."""
    while candidates != 0:
        lane = first_bit(candidates)
        candidates &= candidates - 1
        row = number * ROWS + lane
        if row >= rows:
            break
        if not matches(bits, row):
            continue
        block = number * (costs.shape[0] // entries) * ROWS
        cost = cost_of(packed, block + lane, costs, entries)
        if cost < worst[0] or (cost == worst[0] and row < ids[0]):
            worst[0], ids[0] = cost, row
            sink(worst, ids, ids.shape[0])


@leaf
def sort_heap(worst, ids):
    """Make a heap a list, least cost first; what was never found is -1."""
    for last in range(ids.shape[0] - 1, 0, -1):
        worst[0], worst[last] = worst[last], worst[0]
        ids[0], ids[last] = ids[last], ids[0]
        sink(worst, ids, last)
    for place in range(ids.shape[0]):
        if ids[place] == MISSING:
            ids[place] = -1


@njit(cache=True, nogil=True)
def _scan_blocks(packed, rows, costs, entries, step, bound, bits, worst, ids):
    """Fill the heap with the best rows of every `step`-th group, of those that meet the bound.

    A group is four blocks. Dearer rows may be left in it too, where too few are found.
    """
    worst[:] = np.inf
    ids[:] = MISSING
    planes = costs.shape[0] // entries
    steps = np.empty(costs.shape[0], np.uint8)
    fill_steps(costs, entries, bound, steps)
    lowering = lowering_plane(planes, entries)
    for group in range(0, (rows + _GROUP - 1) // _GROUP, step):
        places = places_from(group * planes * _GROUP, planes)
        ahead = places_from((group + 1) * planes * _GROUP, planes)
        sums, too_low = sums_from(_FROM_NOTHING), _NO_ROWS
        if lowering:
            sums = add_planes(packed, places, ahead, steps, entries, 0, lowering, sums)
            too_low = bits_below(sums, LOWERED)
            sums = lowered(sums, LOWERED)
        sums = add_planes(packed, places, ahead, steps, entries, lowering, planes, sums)
        found = either(too_low, bits_below(sums, _CAP))
        if not any_of(found):
            continue
        for part in range(BLOCKS):
            candidates = found[part]
            if candidates != 0:
                number = group * BLOCKS + part
                _keep_best(candidates, number, rows, packed, costs, entries, bits, worst, ids)
        if worst[0] < bound * _TIGHTER:
            bound = worst[0]
            fill_steps(costs, entries, bound, steps)


@leaf
def _least_of_few(packed, rows, costs, entries):
    """Return the least cost of some rows, evenly spread."""
    planes = costs.shape[0] // entries
    least = np.float32(np.inf)
    for number in range(_TRIED):
        row = rows * number // _TRIED
        place = row // ROWS * planes * ROWS + row % ROWS
        least = min(least, cost_of(packed, place, costs, entries))
    return least


@njit(cache=True, nogil=True)
def _likely_bound(packed, rows, costs, entries, k, bits):
    """What the k-th best of all rows very likely does not cost more than, by a sample of groups.

    Infinite where there are too few rows to tell. Of a sample of one in S, the s-th best has some
    S s rows before it; s is k / S and three deviations more.
    """
    share = k / _SAMPLED
    number = int(np.ceil(share + 3 * np.sqrt(share) + 3))
    if rows < _SAMPLED * ROWS * number:
        return np.float32(np.inf)
    worst, ids = np.empty(number, np.float32), np.empty(number, np.int64)
    bound = _least_of_few(packed, rows, costs, entries)
    _scan_blocks(packed, rows, costs, entries, _SAMPLED, bound, bits, worst, ids)
    if ids[0] == MISSING:  # too few cost less
        _scan_blocks(packed, rows, costs, entries, _SAMPLED, np.float32(np.inf), bits, worst, ids)
    return worst[0]


@njit(cache=True, nogil=True)
def scan_one(packed, rows, slopes, offsets, euclidean, query, bits, ids):
    """Write the rows of the least costs to `ids` `(k,)` int64, least first, padded with -1.

    `packed` is flat: blocks, then planes, then 64 bytes; the first `rows` count. The cost of
    codeword c of subspace m is `offsets[K m + c]` (float32) plus its part of the query times
    `slopes[m, :, c]` `(M, d/M, K)`; K is 16 or, where the look-up has it, 256. The offsets are 0,
    or with `euclidean` half the squares of the slopes. Of equal costs, the lower row comes first.
    Rows that are not set in the bitmap `bits` are left out; an empty one leaves out none.
    """
    subspaces, _, codewords = slopes.shape
    entries, costs = entries_of(codewords), empty_tables(subspaces, codewords)
    fill_costs(query, slopes, offsets, costs)
    if not _are_in_range(costs):
        _fill_scaled_costs(query, slopes, euclidean, costs)
    bound = _likely_bound(packed, rows, costs, entries, ids.shape[0], bits)
    worst = np.empty(ids.shape[0], np.float32)
    _scan_blocks(packed, rows, costs, entries, 1, bound, bits, worst, ids)
    if worst[0] > bound:  # it was not met: rows may have been dropped that belong to the best
        _scan_blocks(
            packed, rows, costs, entries, 1, worst[0], bits, worst, ids
        )  # rows found meet it
    sort_heap(worst, ids)
