"""The base class that adapters of ann-benchmarks and of VIBE derive from."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from harness.contracts import allotted_threads


class BaseANN:
    """The methods that adapters inherit.

    `fit` and `query` have no default here: an adapter that lacks one fails with an
    `AttributeError` that names it, instead of returning no neighbours.
    """

    res: object

    def done(self) -> None:
        """Stop what the adapter has started; called once, at the end."""

    def get_memory_usage(self) -> float | None:
        """Return the memory of this process in kB; the difference around `fit` is the index."""
        import psutil

        return float(psutil.Process().memory_info().rss) / 1024

    def batch_query(self, X: Iterable[object], n: int) -> None:
        """Call `query` for every row, with as many threads as the harness allots."""
        from multiprocessing.pool import ThreadPool  # few need it

        query: Callable[..., object] = self.query  # type: ignore[attr-defined]
        with ThreadPool(allotted_threads()) as pool:
            self.res = pool.map(lambda row: query(row, n), X)

    def get_batch_results(self) -> object:
        """Return what the last `batch_query` found."""
        return self.res

    def get_additional(self) -> dict[str, object]:
        """Return further facts to be stored with the result."""
        return {}

    def __str__(self) -> str:
        return str(getattr(self, "name", type(self).__name__))
