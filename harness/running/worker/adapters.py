"""Creates an adapter inside the worker; the reference index is one."""

from __future__ import annotations

import importlib
import inspect
import traceback
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

import harness
from harness.contracts import Algorithm, Dataset
from harness.contracts.definitions import Parameters
from harness.foreign import load_foreign
from harness.running.blocks import AdapterSpec
from harness.running.messages import Failed
from harness.running.worker.answers import WrongAnswer
from harness.text import Json, clean, told

Rows = NDArray[np.float32]


def load_adapter(spec: AdapterSpec) -> Callable[..., Algorithm]:
    """Import the adapter's class; its plug-in folder becomes importable first."""
    if spec.foreign is not None:
        return load_foreign(spec.foreign)
    harness.__path__.extend(r for r in spec.plugin_roots if r not in harness.__path__)
    adapter: type[Algorithm] = getattr(importlib.import_module(spec.module), spec.class_name)
    return adapter


def rows_for(algorithm: Algorithm, dataset: Dataset) -> tuple[Rows, Rows]:
    """Return base and queries in the form that the adapter asks for."""
    if algorithm.row_form == "copied from source":
        return np.array(dataset.base), np.array(dataset.queries)
    if algorithm.row_form == "copied":
        return np.array(dataset.search_base), np.array(dataset.search_queries)
    queries = np.ascontiguousarray(dataset.search_queries)
    queries.flags.writeable = False
    return dataset.search_base, queries


def with_seed(
    adapter: Callable[..., Algorithm], build: Parameters, number: int
) -> tuple[Json, int | None]:
    """Return the build parameters and the seed: each build gets its own, if the adapter has one."""
    given = dict(build)
    parameters = inspect.signature(adapter).parameters
    if "seed" not in parameters and "seed" not in given:
        return given, None
    given["seed"] = int(given.get("seed", 0)) + number
    return given, given["seed"]


def failure_of(error: Exception, task: str | None = None) -> Failed:
    """Return the message for an exception; the traceback goes to the log."""
    traceback.print_exc()
    if isinstance(error, WrongAnswer):
        return Failed("wrong_answer", clean(error), task)
    status = "out_of_memory" if isinstance(error, MemoryError) else "error"
    return Failed(status, told(error), task)


ROWS = 2000
_DIMENSION, _QUERIES, _K = 64, 256, 10


class Reference(Algorithm):
    """Exact search by inner product over fixed rows, with fixed queries of its own.

    2,000 rows of 64 dimensions fit into the second-level cache of most processors.
    """

    def fit(self, base: NDArray[np.float32]) -> None:
        """Draw rows and queries; the dataset is not used."""
        rng = np.random.default_rng(20_261)
        self._rows = rng.standard_normal((ROWS, _DIMENSION)).astype(np.float32)
        self._queries = list(rng.standard_normal((_QUERIES, _DIMENSION)).astype(np.float32))
        self._at = 0

    def query(self, query: NDArray[np.float32], k: int) -> NDArray[np.integer]:
        """Answer the next of the fixed queries."""
        own = self._queries[self._at]
        self._at = (self._at + 1) % _QUERIES
        scores = self._rows @ own
        best = np.argpartition(scores, -_K)[-_K:]
        return best[np.argsort(-scores[best])]

    def index_bytes(self) -> int:
        """Return the bytes of the rows."""
        return int(self._rows.nbytes)
