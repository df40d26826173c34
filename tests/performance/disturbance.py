"""Other work on the machine, so that a trial does not depend on who else happens to be there.

Each burner is busy and idle in turn, for random times of 0.4 seconds on average: sums in Python,
products of matrices, or copies of more memory than the caches hold.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from threadpoolctl import threadpool_limits

_MEAN_SECONDS = 0.4


@contextmanager
def disturbed(burners: int) -> Iterator[None]:
    """Keep so many processes at work, each half of the time, while the block runs."""
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_burn, args=(i,), daemon=True) for i in range(burners)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


def _burn(seed: int) -> None:
    parent = os.getppid()
    rng = random.Random(seed)
    square, large = np.ones((200, 200)), np.ones(4_000_000)
    kinds = [lambda: sum(range(20_000)), lambda: square @ square, large.copy]
    with threadpool_limits(1):
        while os.getppid() == parent:
            time.sleep(rng.expovariate(1 / _MEAN_SECONDS))
            work = rng.choice(kinds)
            until = time.monotonic() + rng.expovariate(1 / _MEAN_SECONDS)
            while time.monotonic() < until:
                work()
