"""How many threads an adapter may use at this moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ALLOTTED: ContextVar[int] = ContextVar("allotted_threads", default=1)


def allotted_threads() -> int:
    """Return the size of the thread pool that an adapter may use, in `fit` and in searches.

    The harness sizes the pools of OpenMP, BLAS, numba and other libraries that it knows; an
    adapter asks only where its library keeps a pool of its own. One query at a time gets 1, in
    every client. Outside the harness it is 1.
    """
    return _ALLOTTED.get()


@contextmanager
def threads_allotted(threads: int) -> Iterator[None]:
    """Set what `allotted_threads` returns in this thread. Used by the harness, not by adapters."""
    token = _ALLOTTED.set(threads)
    try:
        yield
    finally:
        _ALLOTTED.reset(token)
