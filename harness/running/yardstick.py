"""A fixed piece of work, timed beside every pass: how fast is the machine at this moment?

On a machine that others use, the same code runs at half the speed from one second to the next.
What is divided by the time of the yardstick varies far less (see docs/measuring.md).
"""

from __future__ import annotations

from time import perf_counter

import numpy as np

_ROWS, _DIMENSION, _TIMES = 1000, 50, 8


class Yardstick:
    """The work: the distances of 1,000 rows to one of them, in order, and a loop of Python.

    It uses one thread and no BLAS, fits into the second-level cache and takes about 2 ms.
    """

    def __init__(self) -> None:
        rows = np.random.default_rng(0).standard_normal((_ROWS, _DIMENSION))
        self._rows = rows.astype(np.float32)
        self.seconds()

    def seconds(self) -> float:
        """Return what it takes now: the geometric mean of both parts, medians of 8 times."""
        taken = np.empty((_TIMES, 2))
        for i in range(_TIMES):
            began = perf_counter()
            self._sort()
            between = perf_counter()
            sum(range(3000))
            taken[i] = between - began, perf_counter() - between
        return float(np.sqrt(np.prod(np.median(taken, axis=0))))

    def _sort(self) -> None:
        np.argsort(((self._rows - self._rows[0]) ** 2).sum(axis=1))
