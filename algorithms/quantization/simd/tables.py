"""The tables of a query: what the codewords of every subspace cost, as float32 and as bytes."""

from __future__ import annotations

import numpy as np
from numba import njit

from . import lanes
from .byte_lanes import BLOCKS, CAP, ENTRIES, WIDTH, store_steps
from .compiling import ANY_ORDER, LEAF, leaf

ROWS = WIDTH  # of a block
GROUP = BLOCKS * ROWS  # rows of the blocks that are scanned at once
CODEWORDS = ENTRIES  # of 4 bits
OF_TWO = 2 * CODEWORDS  # entries of a plane of two subspaces
OF_BYTE = CODEWORDS * CODEWORDS  # of a plane of 8 bits

_FINER_FROM = 33  # entries in a row's sum; of fewer, it is not lowered on the way
LOWERED = np.uint8(96)
_ROUNDED = 2.0**-23  # twice what one float32 operation is off by, at most
_HUGE = np.float32(1e30)
_LEAST_TOTAL, _MOST_TOTAL = np.float32(1e-25), np.float32(1e30)  # costs that float32 can compute


@njit(**LEAF, fastmath=ANY_ORDER)
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


@njit(**LEAF, fastmath=ANY_ORDER)
def _are_in_range(costs):
    """Whether no cost is infinite or NaN, and not all are lost to the least numbers of float32."""
    total = np.float32(0)
    for place in range(costs.shape[0]):
        total += costs[place]
    return _LEAST_TOTAL < total < _MOST_TOTAL


@njit(cache=True, nogil=True)
def _fill_exact_costs(query, slopes, euclidean, exact):
    """As `fill_costs`, in float64; return the most that a row can cost."""
    subspaces, width, codewords = slopes.shape
    most = 0.0
    for m in range(subspaces):
        own = exact[m * codewords : (m + 1) * codewords]
        for c in range(codewords):
            for j in range(width):
                slope = np.float64(slopes[m, j, c])
                own[c] += query[m * width + j] * slope
                if euclidean:
                    own[c] += slope * slope / 2
        own -= own.min()
        most += own.max()
    return most


@njit(cache=True, nogil=True)
def fill_costs_in_range(query, slopes, wide_slopes, offsets, euclidean, costs):
    """As `fill_costs`, of the subspaces, then of those as wide as the query.

    Where float32 cannot hold the costs, in float64 and scaled so that no row costs more than 1.
    """
    narrow = slopes.shape[0] * slopes.shape[2]
    fill_costs(query, slopes, offsets, costs)
    fill_costs(query, wide_slopes, offsets[narrow:], costs[narrow:])
    if _are_in_range(costs):
        return
    exact = np.zeros(costs.shape[0])
    most = _fill_exact_costs(query, slopes, euclidean, exact)
    most += _fill_exact_costs(query, wide_slopes, euclidean, exact[narrow:])
    for place in range(costs.shape[0]):
        costs[place] = exact[place] / most if most > 0 else 0


@leaf
def fill_pairs(costs, pairs):
    """Write what the two codes of 4 bits in a byte cost together: 256 entries for each two tables.

    Looked up as a code of 8 bits, they take one addition, no shift, and one rounding.
    """
    for place in range(0, costs.shape[0], OF_TWO):
        even = lanes.load(costs, place)
        for code in range(CODEWORDS):
            odd = lanes.spread(costs[place + CODEWORDS + code])
            lanes.store(pairs, (place // 2 + code) * CODEWORDS, lanes.plus(even, odd))


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
def summands_of(planes, entries):
    """Return how many entries a row's sum has: one of each subspace, or of each pair of them.

    Of an odd number of subspaces of 4 bits, one more.
    """
    return 2 * planes if entries == OF_TWO else planes


@leaf
def lowering_plane(planes, entries):
    """Return the number of planes after which sums are lowered; 0 is never."""
    return planes * 9 // 20 if summands_of(planes, entries) >= _FINER_FROM else 0


@leaf
def fill_steps(costs, entries, bound, steps):
    """Turn costs into bytes, rounded down; all are 0 where the bound is infinite.

    A row whose float32 cost is at most `bound` has a sum below 255 (plus what it is lowered by).
    `_ROUNDED` makes up for the float32 rounding of its additions, the scale and the products.
    Returns how many steps a cost of 1 is.
    """
    planes = costs.shape[0] // entries
    end = CAP + (LOWERED if lowering_plane(planes, entries) else 0)
    reach = np.float32(end * (1 - (summands_of(planes, entries) + 8) * _ROUNDED))
    scale = min(reach / bound, _HUGE) if bound > 0 else _HUGE
    for place in range(0, costs.shape[0], CODEWORDS):
        store_steps(steps, place, lanes.load(costs, place), scale)
    return scale


@leaf
def cost_of(packed, place, plane_bytes, costs, entries):
    """Score one row by the float tables; its bytes are `plane_bytes` apart, the first at `place`.

    Without `fastmath`: LLVM would gather the entries into vectors one by one, which is slower.
    """
    planes = costs.shape[0] // entries
    even, odd = np.float32(0), np.float32(0)
    if entries == OF_TWO:
        for plane in range(planes):
            both = packed[place + plane * plane_bytes]
            even += costs[plane * OF_TWO + (both & 15)]
            odd += costs[plane * OF_TWO + CODEWORDS + (both >> 4)]
    else:
        for plane in range(planes):
            even += costs[plane * entries + packed[place + plane * plane_bytes]]
    return even + odd
