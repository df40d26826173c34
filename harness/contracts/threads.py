"""How many threads an adapter may use at this moment: the harness says it, adapters ask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ALLOTTED: ContextVar[int] = ContextVar("allotted_threads", default=1)


def allotted_threads() -> int:
    """Return the size of pool that the caller may use: of building in `fit`, of searching after.

    The harness sizes the pools of OpenMP, BLAS, numba and other libraries that it knows; an
    adapter asks only where its library keeps a pool of its own. One query at a time gets 1, in
    every client. Outside the harness it is 1.
    """
    return _ALLOTTED.get()


@contextmanager
def threads_allotted(threads: int) -> Iterator[None]:
    """Set what `allotted_threads` returns to this thread and what it calls. For the harness."""
    token = _ALLOTTED.set(threads)
    try:
        yield
    finally:
        _ALLOTTED.reset(token)
