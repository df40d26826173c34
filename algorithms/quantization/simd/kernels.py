"""The compiled loops: encoding by coordinate descent and the update of one block of codebooks.

Numba's cache notices only changes of a kernel's own file: after a change of a file that another
kernel calls, touch that one, too.

Letters: n points of d dimensions, M subspaces of width d/M, K codewords each; p a point, r what its
codes miss, x its direction, u = x/|x|, s = <r, u> the parallel part, gain = eta - 1. The direction
is the point itself, or, of a residual to a centre, the row that it comes from. `points` and
`directions` are float32, C-contiguous and read-only (another type would compile again).
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from .compiling import LEAF, leaf
from .lanes import (
    WIDTH,
    first_equal,
    lane,
    least,
    load,
    minus,
    plus,
    smaller,
    spread,
    store,
    times_plus,
    where_within,
)

_CHUNK = 512  # points that a thread takes at a time

_FAST = {
    "reassoc",
    "contract",
    "nsz",
    "arcp",
}  # no NaN or inf ever enters: nothing else is given up

_HUGE = np.float32(3e38)

_FLUSH_EVERY = 256


@njit(**LEAF, fastmath=_FAST)
def _inverse_norm(point):
    square = np.float32(0.0)
    for j in range(point.shape[0]):
        square += point[j] * point[j]
    return np.float32(1.0 / np.sqrt(square)) if square > 0 else np.float32(0.0)


@njit(**LEAF, fastmath=_FAST)
def _fill_tables(point, direction, inverse_norm, codebooks, residual, along):
    """For every codeword c of every subspace of a point p: |p_m - c|^2 and <p_m - c, u_m>."""
    subspaces, width, codewords = codebooks.shape
    for m in range(subspaces):
        for c in range(0, codewords, WIDTH):
            squares = spread(np.float32(0.0))
            products = spread(np.float32(0.0))
            for j in range(width):
                value = point[m * width + j]
                unit = direction[m * width + j] * inverse_norm
                codeword = load(codebooks, (m * width + j) * codewords + c)
                difference = minus(spread(value), codeword)
                squares = times_plus(difference, difference, squares)
                products = times_plus(difference, spread(unit), products)
            store(residual, m * codewords + c, squares)
            store(along, m * codewords + c, products)


@njit(**LEAF, fastmath=_FAST)
def _nearest(residual, code):
    """Euclidean encoding: the codeword of least residual, the first one of several."""
    subspaces, codewords = residual.shape
    for m in range(subspaces):
        lowest = load(residual, m * codewords)
        for c in range(WIDTH, codewords, WIDTH):
            lowest = smaller(lowest, load(residual, m * codewords + c))
        value = least(lowest)
        for c in range(0, codewords, WIDTH):
            place = first_equal(load(residual, m * codewords + c), value)
            if place < WIDTH:
                code[m] = c + place
                break


@njit(**LEAF, fastmath=_FAST)
def _largest_first(residual, code, order):
    """Order the subspaces by the residual of their present codeword, descending."""
    for m in range(order.shape[0]):
        key = residual[m, code[m]]
        place = m
        while place > 0 and residual[order[place - 1], code[order[place - 1]]] < key:
            order[place] = order[place - 1]
            place -= 1
        order[place] = m


@njit(**LEAF, fastmath=_FAST)
def _parallel_part(along, code):
    total = np.float32(0.0)
    for m in range(code.shape[0]):
        total += along[m, code[m]]
    return total


@leaf
def _better_codeword(residual, along, m, present, gain, others, limit):
    """The codeword of subspace m with the least |r_m|^2 + gain s^2, or `present` if none is below.

    `others` is the parallel part of all other subspaces; codewords with s^2 > limit do not count.
    """
    codewords = residual.shape[1]
    start = m * codewords
    lowest = spread(_HUGE)
    current = _HUGE
    for c in range(0, codewords, WIDTH):
        part = plus(load(along, start + c), spread(others))
        scaled = times_plus(part, spread(gain), spread(np.float32(0.0)))
        cost = times_plus(scaled, part, load(residual, start + c))
        if c <= present < c + WIDTH:
            current = lane(cost, present - c)
        lowest = smaller(lowest, where_within(part, limit, cost, _HUGE))
    value = least(lowest)
    if not value < current:
        return present
    for c in range(0, codewords, WIDTH):
        part = plus(load(along, start + c), spread(others))
        scaled = times_plus(part, spread(gain), spread(np.float32(0.0)))
        cost = times_plus(scaled, part, load(residual, start + c))
        place = first_equal(where_within(part, limit, cost, _HUGE), value)
        if place < WIDTH:
            return c + place
    return present


@leaf
def _descend(residual, along, gain, code, order, rounds, shrink_only):
    """Let each subspace in turn take its best codeword, the others held, until none moves."""
    subspaces = order.shape[0]
    unmoved = 0
    for _ in range(rounds):
        parallel = _parallel_part(along, code)
        for place in range(subspaces):
            m = order[place]
            present = np.int64(code[m])
            others = parallel - along[m, present]
            limit = parallel * parallel if shrink_only else _HUGE
            best = _better_codeword(residual, along, m, present, gain, others, limit)
            if best != present:
                code[m] = best
                parallel = others + along[m, best]
                unmoved = 0
            else:
                unmoved += 1
                if unmoved >= subspaces:
                    return


@njit(cache=True, parallel=True, nogil=True)
def encode(
    points, directions, gains, codebooks, codes, go_on, shrink_only, rounds, squares, parallels
):
    """Encode points; see `encoding.encode` for what the arguments mean.

    `codebooks` is `(M, d/M, K)` with K a multiple of 16; `gains` is `(n,)` or `(1,)`; `codes`,
    `squares` and `parallels` are written. With `go_on`, the descent starts from the codes that
    are there. Subspaces take turns in their order, with `shrink_only` the largest residual first.
    """
    n = points.shape[0]
    subspaces, _, codewords = codebooks.shape
    step = 1 if gains.shape[0] > 1 else 0
    for chunk in prange((n + _CHUNK - 1) // _CHUNK):
        residual = np.empty((subspaces, codewords), np.float32)
        along = np.empty((subspaces, codewords), np.float32)
        order = np.arange(subspaces)
        for i in range(chunk * _CHUNK, min(n, (chunk + 1) * _CHUNK)):
            gain = gains[i * step]
            inverse_norm = _inverse_norm(directions[i])
            _fill_tables(points[i], directions[i], inverse_norm, codebooks, residual, along)
            if gain == 0 or not go_on:
                _nearest(residual, codes[i])
            if gain != 0:
                if shrink_only:
                    _largest_first(residual, codes[i], order)
                _descend(residual, along, gain, codes[i], order, rounds, shrink_only)
            square = np.float32(0.0)
            for m in range(subspaces):
                square += residual[m, codes[i, m]]
            squares[i] = square
            parallels[i] = _parallel_part(along, codes[i])


@njit(cache=True)
def _members(column, codewords):
    """Counting sort: the points by codeword, and where each codeword's begin."""
    starts = np.zeros(codewords + 1, np.int64)
    for i in range(column.shape[0]):
        starts[column[i] + 1] += 1
    for c in range(codewords):
        starts[c + 1] += starts[c]
    places = starts[:-1].copy()
    members = np.empty(column.shape[0], np.int64)
    for i in range(column.shape[0]):
        members[places[column[i]]] = i
        places[column[i]] += 1
    return members, starts


@leaf
def _add_point(vectors, directions, i, pull, along, bent, sums):
    """Add pull p_m + along x_m to row 0 of a cell's sums, and bent x_m x_m^T to the rows after it.

    Rows are padded to whole lanes; what stands in the padding is never read.
    """
    width, lanes = vectors.shape[1], sums.shape[1]
    for p in range(0, lanes, WIDTH):
        vector = load(vectors, i * width + p)
        store(sums, p, times_plus(vector, spread(pull), load(sums, p)))
        direction = load(directions, i * width + p)
        if along != 0:
            store(sums, p, times_plus(direction, spread(along), load(sums, p)))
        if bent != 0:
            for j in range(width):
                row = (j + 1) * lanes + p
                scaled = spread(bent * directions[i, j])
                store(sums, row, times_plus(direction, scaled, load(sums, row)))


@leaf
def _flush(sums, matrix, right):
    """Move float32 sums of a few hundred points into the float64 system."""
    width = right.shape[0]
    for j in range(width):
        right[j] += sums[0, j]
        for i in range(j + 1):
            matrix[j, i] += sums[j + 1, i]
    sums[:] = 0


@leaf
def _solve_cell(matrix, right, total):
    """Solve (A + ridge) delta = b by Cholesky, in place; the ridge keeps the old codeword."""
    width = right.shape[0]
    trace = 0.0
    for j in range(width):
        trace += matrix[j, j]
    diagonal = total + 1e-9 * (total + max(trace, 0.0))
    for j in range(width):
        matrix[j, j] += diagonal
        for i in range(j):
            value = matrix[j, i]
            for p in range(i):
                value -= matrix[j, p] * matrix[i, p]
            matrix[j, i] = value / matrix[i, i]
            matrix[j, j] -= matrix[j, i] * matrix[j, i]
        matrix[j, j] = np.sqrt(matrix[j, j])
    for j in range(width):
        for p in range(j):
            right[j] -= matrix[j, p] * right[p]
        right[j] /= matrix[j, j]
    for j in range(width - 1, -1, -1):
        for p in range(j + 1, width):
            right[j] -= matrix[p, j] * right[p]
        right[j] /= matrix[j, j]


@njit(cache=True)
def _move_codeword(
    vectors, directions, own, inverse_norms, weights, gains, cell, codeword, parallels, sums
):
    """Move one codeword to its cell's minimum, and the parallel parts of its points along.

    With r the residuals to the old codeword, the step solves A step = b,
    A = sum w (I + gain u u^T), b = sum w (r + gain s u). Where the points are their own directions
    (`own`), the two parts of b are one multiple of the point.
    """
    width = codeword.shape[0]
    matrix, right = np.zeros((width, width)), np.zeros(width)
    gain_step = 1 if gains.shape[0] > 1 else 0
    weight_step = 1 if weights.shape[0] > 1 else 0
    total = 0.0
    for place in range(cell.shape[0]):
        i = cell[place]
        weight = weights[i * weight_step]
        bent = weight * gains[i * gain_step] * inverse_norms[i]
        total += weight
        along = bent * parallels[i]
        pull = weight + along if own else weight
        _add_point(
            vectors,
            directions,
            i,
            np.float32(pull),
            np.float32(0 if own else along),
            np.float32(bent * inverse_norms[i]),
            sums,
        )
        if place % _FLUSH_EVERY == _FLUSH_EVERY - 1:
            _flush(sums, matrix, right)
    _flush(sums, matrix, right)
    if total == 0:
        return
    for j in range(width):
        right[j] -= total * codeword[j]
    _solve_cell(matrix, right, total)
    for j in range(width):
        codeword[j] += right[j]
    for place in range(cell.shape[0]):
        i = cell[place]
        change = 0.0
        for j in range(width):
            change += directions[i, j] * right[j]
        parallels[i] -= change * inverse_norms[i]


@njit(cache=True, parallel=True, nogil=True)
def update(parts, directions, own, inverse_norms, weights, gains, columns, codebooks, parallels):
    """Move the codewords to where the loss is least, subspace by subspace, the others held.

    `parts` `(M, n, d/M)` are the points cut into subspaces, with 16 readable numbers after its end
    (`training.parts_of`), and `directions` likewise; `own` where they are the same. `columns`
    `(M, n)` are the codes. `codebooks` `(M, K, d/M)` and `parallels` `(n,)`, both float64, are
    brought up to date in place; the sizes of the cells `(M, K)` are returned. A cell of total
    weight 0 keeps its codeword.
    """
    subspaces, codewords, width = codebooks.shape
    lanes = (width + WIDTH - 1) // WIDTH * WIDTH
    sizes = np.empty((subspaces, codewords), np.int64)
    for m in range(subspaces):
        members, starts = _members(columns[m], codewords)
        for c in prange(codewords):
            sizes[m, c] = starts[c + 1] - starts[c]
            _move_codeword(
                parts[m],
                directions[m],
                own,
                inverse_norms,
                weights,
                gains,
                members[starts[c] : starts[c + 1]],
                codebooks[m, c],
                parallels,
                np.zeros((width + 1, lanes), np.float32),
            )
    return sizes
