"""What lists cost a query, and which of them cost least."""

from __future__ import annotations

import numpy as np
from numba import njit

from . import lanes
from .bins import extent_of
from .byte_lanes import first_bit
from .compiling import ANY_ORDER, LEAF, leaf
from .short_lanes import MOST, as_lanes, no_products, plus_products

LISTS_AT_ONCE = 4  # groups of 16, whose sums do not wait for one another
_HALVINGS = 300  # more than there are between any two float32 numbers; mostly about 12 do


@njit(**LEAF, fastmath=ANY_ORDER)
def _length_of(query):
    square = np.float32(0)
    for value in query:
        square += value * value
    return np.sqrt(square)


@leaf
def in_shorts(query, pairs):
    """Write a query, scaled to a length of `MOST`, as pairs of int16, each an int32.

    Returns the step: values are whole numbers times it. A query of zeros, or with values that are
    not finite, becomes zeros.
    """
    length = _length_of(query)
    if not 0 < length < np.inf:
        pairs[:] = 0
        return np.float32(0)
    scale = np.float32(MOST) / length
    whole = query.shape[0] // 2
    for pair in range(whole):
        low = np.int32(np.rint(query[2 * pair] * scale))
        high = np.int32(np.rint(query[2 * pair + 1] * scale))
        pairs[pair] = (high << 16) | (low & 0xFFFF)
    if whole < pairs.shape[0]:  # an odd dimension
        pairs[whole] = np.int32(np.rint(query[2 * whole] * scale)) & 0xFFFF
    return np.float32(1) / scale


@leaf
def fill_list_costs(pairs, step, centres, steps, offsets, share, costs):
    """Write `share` times the offset less <q, centre> of every list, filled up as the arrays are.

    Parameters
    ----------
    pairs, step
        The query, as `in_shorts` writes it: int32 `(pairs of dimensions,)` and float32.
    centres
        int16 `(groups, pairs of dimensions, 16, 2)`: 16 lists to a group, groups a multiple of
        `LISTS_AT_ONCE`.
    steps, offsets
        Of the lists, float32 `(16 groups,)`.
    share
        What offsets are multiplied by.
    costs
        What is written, as `offsets`.
    """
    groups, count, _, _ = centres.shape
    flat = centres.reshape(-1)
    size = count * 2 * lanes.WIDTH
    shares, minus_step = lanes.spread(share), lanes.spread(-step)
    for group in range(0, groups, LISTS_AT_ONCE):
        a, b, c, d = no_products(), no_products(), no_products(), no_products()
        place = group * size
        for pair in pairs:
            a = plus_products(a, flat, place, pair)
            b = plus_products(b, flat, place + size, pair)
            c = plus_products(c, flat, place + 2 * size, pair)
            d = plus_products(d, flat, place + 3 * size, pair)
            place += 2 * lanes.WIDTH
        place = group * lanes.WIDTH
        for sums in (a, b, c, d):
            scaled = lanes.times(lanes.times(minus_step, lanes.load(steps, place)), as_lanes(sums))
            lanes.store(costs, place, lanes.times_plus(shares, lanes.load(offsets, place), scaled))
            place += lanes.WIDTH


@leaf
def _count_up_to(keys, limit):
    """Return how many keys are at most the limit; there are whole lanes of them."""
    count = 0
    for place in range(0, keys.shape[0], lanes.WIDTH):
        count += lanes.count_bits(lanes.bits_up_to(lanes.load(keys, place), limit))
    return count


@leaf
def _limits_of(keys, least, most, wanted):
    """Return two limits: fewer keys than wanted are up to the one, as many or more to the other.

    By halving, until both are one limit with as many keys as wanted, or no number is between them.
    """
    for _ in range(_HALVINGS):
        middle = np.float32(least / 2 + most / 2)
        if not least < middle < most:
            break
        count = _count_up_to(keys, middle)
        if count == wanted:
            return middle, middle
        if count < wanted:
            least = middle
        else:
            most = middle
    return least, most


@leaf
def _append(keys, above, limit, numbers, count):
    """Append the numbers of the keys that are above the one and up to the other limit."""
    for place in range(0, keys.shape[0], lanes.WIDTH):
        values = lanes.load(keys, place)
        bits = lanes.bits_up_to(values, limit) & ~lanes.bits_up_to(values, above)
        while bits != 0 and count < numbers.shape[0]:
            numbers[count] = place + first_bit(bits)
            bits &= bits - 1
            count += 1
    return count


@njit(cache=True, nogil=True)
def _fill_up(numbers, chosen, count):
    """Write numbers below `count` that are not among the first `chosen` after them."""
    taken = np.zeros(count, np.bool_)
    for number in numbers[:chosen]:
        taken[number] = True
    for number in range(count):
        if chosen < numbers.shape[0] and not taken[number]:
            numbers[chosen] = number
            chosen += 1


@njit(cache=True, nogil=True)
def choose_lists(costs, scales, count, numbers):
    """Write the numbers of those of the `count` lists whose costs times scales are the least.

    The best sixteenth comes first, then the best quarter; otherwise they are in no order.
    """
    keys = costs * scales
    least, most = extent_of(keys[:count])
    keys[count:] = np.nan  # never up to a limit
    wanted = numbers.shape[0]
    chosen, above = 0, np.float32(-np.inf)
    for share in (16, 4, 1):
        below, limit = _limits_of(keys, least, most, max(wanted // share, 1))
        if below < limit:  # equal keys are at the limit: better ones come before them
            chosen = _append(keys, above, below, numbers, chosen)
            above = max(above, below)
        chosen = _append(keys, above, limit, numbers, chosen)
        above = max(above, limit)
    if chosen < wanted:  # keys that are no numbers
        _fill_up(numbers, chosen, count)
