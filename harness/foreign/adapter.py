"""A wrapper that gives a class written for ann-benchmarks or VIBE our contract."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Algorithm
from harness.contracts.algorithm import RowForm, Table
from harness.contracts.dataset import Metric
from harness.contracts.definitions import Parameters
from harness.foreign.supplied import supply
from harness.text import Json


class ForeignAlgorithm(Algorithm):
    """Calls an adapter of another harness as that harness does.

    Such adapters normalise rows themselves and may write into their arguments, so they get writable
    copies. Timed is what their harness times: `query`, or `run_prepared_query` if there is a
    `prepare_query`. Copying, preparing and reading the ids are not timed. `query` and `query_batch`
    here do all of it, for callers that do not time.

    Parameters
    ----------
    call
        How to make and to call the adapter: what `ForeignAdapter.call_for` of the registry
        returns.
    metric, build
        As for every algorithm.
    """

    def __init__(self, call: Json, metric: Metric, **build: Any) -> None:
        super().__init__(metric, **build)
        self._call = call
        self._adapter: Any = None
        self._index_kilobytes = 0.0

    @property
    def row_form(self) -> RowForm:
        """Writable copies: unit-norm, or as in the source if the adapter normalises."""
        return "copied" if self._call["unit_rows"] else "copied from source"

    @property
    def prepares_queries(self) -> bool:
        """Always true: queries are copied outside the timed region."""
        return True

    @property
    def most_clients(self) -> int | None:
        """One if queries are prepared, since the adapter keeps the prepared query."""
        return 1 if self._prepares else None

    @property
    def _prepares(self) -> bool:
        return hasattr(self._adapter, "prepare_query")

    def prepare(self, shape: tuple[int, int]) -> None:
        """Import the adapter's module and make the object; their harness times neither."""
        adapter_class = import_foreign(self._call)
        values = positional(self._call["arguments"], self.build, self._call["space"])
        self._adapter = adapter_class(*values)
        if hasattr(self._adapter, "supports_prepared_queries"):
            self._adapter.supports_prepared_queries()

    def fit(self, base: NDArray[np.float32]) -> None:
        """Build the index; a base that cannot be written to is copied first."""
        if self._adapter is None:
            self.prepare((base.shape[0], base.shape[1]))
        rows = base if base.flags.writeable else np.array(base)
        before = self._adapter.get_memory_usage()
        self._adapter.fit(rows)
        after = self._adapter.get_memory_usage()
        if before is not None and after is not None:
            self._index_kilobytes = max(0.0, after - before)

    def set_search(self, **search: Any) -> None:
        """Pass the query arguments on, if the configuration names any."""
        values = positional(self._call["query_arguments"], search, self._call["space"])
        if values:
            self._adapter.set_query_arguments(*values)

    def prepared_query(self, query: NDArray[np.float32], k: int) -> Callable[[], object]:
        """Return the call that the other harness times."""
        row = query.copy()
        if self._prepares:
            self._adapter.prepare_query(row, k)
            run: Callable[[], object] = self._adapter.run_prepared_query
            return run
        return partial(self._adapter.query, row, k)

    def ids_of(self, result: object, k: int) -> NDArray[np.int64]:
        """Return the `(k,)` ids that were found, padded with -1."""
        return padded(self._adapter.get_prepared_query_results() if self._prepares else result, k)

    def query(self, query: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """Return the ids of the k nearest base rows, best first."""
        return self.ids_of(self.prepared_query(query, k)(), k)

    def prepared_batch(self, queries: NDArray[np.float32], k: int) -> Callable[[], object]:
        """Return the call that the other harness times, for all queries at once."""
        rows = queries.copy()
        if hasattr(self._adapter, "prepare_batch_query"):
            self._adapter.prepare_batch_query(rows, k)
            run: Callable[[], object] = self._adapter.run_batch_query
            return run
        return partial(self._adapter.batch_query, rows, k)

    def ids_of_batch(self, result: object, k: int) -> NDArray[np.int64]:
        """Return the ids that the last batch found, `(nq, k)`."""
        return np.stack([padded(found, k) for found in self._adapter.get_batch_results()])

    def query_batch(self, queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """Return the ids for many queries at once."""
        return self.ids_of_batch(self.prepared_batch(queries, k)(), k)

    def index_bytes(self) -> int:
        """Return the growth of the process in `fit`, as the adapter measured it."""
        return int(self._index_kilobytes * 1024)

    def distance_computations(self, queries: NDArray[np.float32], k: int) -> int | None:
        """Return by how much `dist_comps` of `get_additional` grows while it searches these."""
        before = self._dist_comps()
        if before is None:
            return None
        for query in queries:
            self.query(query, k)
        after = self._dist_comps()
        if after is None or after <= before:  # it does not count searches
            return None
        return after - before

    def _dist_comps(self) -> int | None:
        count = (self._adapter.get_additional() or {}).get("dist_comps")
        if isinstance(count, int | float | np.integer | np.floating) and math.isfinite(count):
            return int(count)
        return None

    def diagnostics(self) -> Mapping[str, Table]:
        """Return the result of `get_additional`, as a table of one row."""
        facts = self._adapter.get_additional() or {}
        columns = {str(name): np.atleast_1d(np.asarray(value)) for name, value in facts.items()}
        plain = {n: a for n, a in columns.items() if a.shape == (1,) and a.dtype.kind in "biufU"}
        return {"additional": plain} if plain else {}

    def close(self) -> None:
        """Let the adapter stop what it has started."""
        self._adapter.done()


def load_foreign(call: Json) -> Callable[..., ForeignAlgorithm]:
    """Return the callable that makes the algorithm from a metric and build parameters.

    The adapter itself is imported when it is prepared.
    """
    return partial(ForeignAlgorithm, call)


def import_foreign(call: Json) -> Any:
    """Supply the package of an adapter, import its module, and return the class."""
    supply(call["kind"], Path(call["folder"]))
    module = importlib.import_module(f"{call['module']}.module")
    return getattr(module, call["constructor"])


def padded(found: Any, k: int) -> NDArray[np.int64]:
    """Return the first k of the ids found, padded with -1."""
    ids = np.full(k, -1, dtype=np.int64)
    taken = np.asarray(found if isinstance(found, np.ndarray) else list(found))[:k]
    if taken.ndim != 1:
        raise TypeError(f"an answer of shape {taken.shape}, a list of ids is expected")
    ids[: len(taken)] = taken
    return ids


def positional(arguments: Sequence[Json], values: Parameters, space: str) -> list[object]:
    """Return the values of a call in its order; it ends where the first one is not set."""
    positional: list[object] = []
    for argument in arguments:
        if argument["is_space"]:
            positional.append(space)
        elif argument["keys"]:
            names = [name for name in argument["keys"] if name in values]
            positional.append({name: values[name] for name in names})
        elif argument["name"] in values:
            positional.append(values[argument["name"]])
        else:
            break
    return positional
