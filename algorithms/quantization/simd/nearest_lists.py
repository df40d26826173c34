"""What lists cost a query, and which of them cost least."""

from __future__ import annotations

import numpy as np
from numba import njit

from . import lanes
from .bins import extent_of
from .byte_lanes import first_bit
from .compiling import leaf

_HALVINGS = 300  # more than there are between any two float32 numbers; mostly about 12 do


@leaf
def fill_list_costs(query, centres, offsets, share, costs):
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
