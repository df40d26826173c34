"""The libraries of a worker: which it used, and limits on their thread pools."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from harness.contracts import threads_allotted
from harness.text import Json, clean

_CHARACTERS = 100  # of a name or a version


def library_provenance() -> Json:
    """Return the Python version, the versions of the loaded distributions and the thread pools."""
    return {
        "python": platform.python_version(),
        "versions": _loaded_versions(),
        "pools": _pools(),
    }


def _loaded_versions() -> dict[str, str]:
    """The versions of the loaded packages only: reading the metadata of all would take longer."""
    packages = {name: module for name, module in sys.modules.items() if "." not in name}
    versions = {name: getattr(module, "__version__", None) for name, module in packages.items()}
    return {
        clean(name, _CHARACTERS): clean(text, _CHARACTERS)
        for name, text in sorted(versions.items())
        if isinstance(text, str)
    }


def _pools() -> list[Json]:
    from threadpoolctl import threadpool_info

    wanted = ("user_api", "internal_api", "version", "num_threads", "architecture")
    return [{key: pool.get(key) for key in wanted} for pool in threadpool_info()]


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
