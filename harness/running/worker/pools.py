"""Limits on the thread pools of the libraries that adapters use."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from harness.contracts import threads_allotted

POOL_VARIABLES = (
    "OMP_NUM_THREADS",
    "OMP_THREAD_LIMIT",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "TBB_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


def pool_environment(threads: int) -> dict[str, str]:
    """Return the variables that size every known pool; they take effect when a library loads."""
    sizes = dict.fromkeys(POOL_VARIABLES, str(threads))
    return {**sizes, "OMP_DYNAMIC": "FALSE", "OMP_WAIT_POLICY": "PASSIVE"}


class Pools:
    """The pools of the libraries loaded at creation; finding them takes time."""

    def __init__(self) -> None:
        from threadpoolctl import ThreadpoolController

        self._controller = ThreadpoolController()

    @contextmanager
    def limited(self, threads: int) -> Iterator[None]:
        """Limit the pools, for this thread and its calls."""
        with self._controller.limit(limits=threads), threads_allotted(threads):
            _limit_numba(threads)
            yield


@contextmanager
def pools_limited(threads: int) -> Iterator[None]:
    """Limit the pools of the loaded libraries, for this thread and its calls."""
    with Pools().limited(threads):
        yield


def _limit_numba(threads: int) -> None:
    numba = sys.modules.get("numba")
    if numba is not None:
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
