"""Bins of float32 costs: how rows are counted by their costs, and the best of them chosen."""

from __future__ import annotations

import numpy as np

from . import lanes
from .compiling import leaf

BINS = 1024
_LAST = np.float32(BINS - 1)
_NO_LESS, _TINY = np.float32(1e-5), np.float32(1e-30)  # that bins are for, where costs are equal
_LOWER = np.float32(2)  # how far below the first rows bins reach, in spans of theirs


@leaf
def bring_forward(keys, others, count, place):
    """Partition the first `count` keys around the one that sorting puts at `place` (Hoare).

    No key before it is greater. `others`, unless None, move along.
    """
    low, high = 0, count - 1
    while low < high:
        pivot = keys[(low + high) >> 1]
        i, j = low, high
        while i <= j:
            while keys[i] < pivot:
                i += 1
            while keys[j] > pivot:
                j -= 1
            if i <= j:
                keys[i], keys[j] = keys[j], keys[i]
                if others is not None:
                    others[i], others[j] = others[j], others[i]
                i += 1
                j -= 1
        if place <= j:
            high = j
        elif place >= i:
            low = i
        else:
            return


@leaf
def extent_of(costs):
    """Return the least and the most of contiguous costs.

    `min` and `max` take more than ten times as long: numba's look for NaN in each step.
    """
    whole = costs.shape[0] // lanes.WIDTH * lanes.WIDTH
    low = lanes.spread(np.float32(np.inf))
    high = low  # of what is negated
    for place in range(0, whole, lanes.WIDTH):
        values = lanes.load(costs, place)
        low, high = lanes.smaller(low, values), lanes.smaller(high, lanes.negated(values))
    least, most = lanes.least(low), -lanes.least(high)
    for place in range(whole, costs.shape[0]):
        least, most = min(least, costs[place]), max(most, costs[place])
    return least, most


@leaf
def bin_of(cost, origin, per_cost):
    """Return the bin of a float32 cost: the same wherever it is asked for, so all in float32."""
    return min(max(int((cost - origin) * per_cost), 0), BINS - 1)


@leaf
def bins_for(least, most):
    """Return where bins begin and how many a cost of 1 is, for costs up to `most`."""
    span = max(most - least, abs(most) * _NO_LESS, _TINY)
    return most - span, _LAST / span


@leaf
def count_bins(costs, origin, per_cost, counts):
    """Write how many of the costs each bin holds."""
    counts[:] = 0
    for cost in costs:
        counts[bin_of(cost, origin, per_cost)] += 1


@leaf
def bins_below(costs, counts):
    """Make bins for rows as good as these, and better; count these; return as `bins_for`."""
    least, most = extent_of(costs)
    origin, per_cost = bins_for(least - _LOWER * (most - least), most)
    count_bins(costs, origin, per_cost, counts)
    return origin, per_cost


@leaf
def cut_down(costs, places, count, wanted, origin, per_cost, top):
    """Bring the `wanted` least costs, and their places, to the front; return how many there are."""
    kept = 0
    for i in range(count):
        costs[kept], places[kept] = costs[i], places[i]
        kept += bin_of(costs[i], origin, per_cost) <= top
    if kept > wanted:
        bring_forward(costs, places, kept, wanted - 1)
    return min(kept, wanted)


@leaf
def tightened(counts, inside, top, wanted):
    """Give up top bins as long as the others hold as many rows as wanted."""
    while inside - counts[top] >= wanted:
        inside -= counts[top]
        top -= 1
    return inside, top
