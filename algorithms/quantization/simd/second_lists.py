"""Rows that are in two lists: the choice of the second, and one answer of a row found twice."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

_HASH = 0x9E3779B1


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


@njit(cache=True, nogil=True)
def drop_repeated(ids, count):
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
