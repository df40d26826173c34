"""The true neighbours of a folder's points, and the difficulty of its queries."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.contracts.dataset import Truth
from harness.measures.lid import lengths, lid_from
from harness.results.identity import PointIdentity
from harness.results.point import PointHeader
from harness.results.store import ResultStore
from harness.results.table.row_cache import NOTHING, RowCache, Source
from harness.results.untrusted.checks import BrokenResult

Float64 = NDArray[np.float64]
TruthAtHand = Callable[[PointIdentity], Truth | None]
"""Gives the truth of a dataset that is at hand, None for another one."""

_LEAST_NEIGHBOURS = 10
"""An estimate from fewer neighbours is mostly noise."""

_MOST_HELD = 4  # points come in the order of their datasets and k


class _Held(NamedTuple):
    truth: Truth | BrokenResult
    source: Source


class Truths:
    """Truths of one results folder, and the difficulty of its queries.

    Parameters
    ----------
    at_hand
        Asked where a truth is missing or damaged; what it gives is stored.
    cache
        Asked what the file of a truth is, before that is read.
    """

    def __init__(
        self,
        store: ResultStore,
        at_hand: TruthAtHand | None = None,
        cache: RowCache | None = None,
    ) -> None:
        self._store = store
        self._at_hand = at_hand
        self._cache = cache
        self._held: dict[Path, _Held] = {}
        self._difficulties: dict[tuple[str, str, str, int], Float64 | None] = {}

    def of(self, header: PointHeader) -> Truth:
        """Return the truth of a point.

        Raises
        ------
        BrokenResult
            If it is missing, cannot be read or is of another number of queries.
        """
        found = self._of_file(header).truth
        if isinstance(found, BrokenResult):
            raise found
        if len(found.ids) != header.nq:
            path = self._store.truth_path(header.identity)
            raise BrokenResult(path, f"{len(found.ids)} queries, the point has {header.nq}")
        return found

    def source(self, header: PointHeader) -> Source:
        """Return what the file of a point's truth was when that was read."""
        return self._of_file(header).source

    def _of_file(self, header: PointHeader) -> _Held:
        path = self._store.truth_path(header.identity)
        if path not in self._held:
            if len(self._held) == _MOST_HELD:
                del self._held[next(iter(self._held))]
            self._held[path] = self._found(header)
        return self._held[path]

    def _found(self, header: PointHeader) -> _Held:
        path, source = self._store.truth_path(header.identity), NOTHING
        try:
            if self._cache is not None:
                source = self._cache.source(path)
            return _Held(self._store.read_truth(header.identity), source)
        except BrokenResult as broken:
            made = self._at_hand(header.identity) if self._at_hand is not None else None
            if made is None:
                return _Held(broken, source)
        if self._store.owns(path):
            with suppress(OSError):  # the folder may be read-only
                self._store.write_truth(header.identity, made)
        return _Held(made, source)

    def difficulty(self, header: PointHeader) -> Float64 | None:
        """Return the local intrinsic dimensionality around each query, `(nq,)`; higher is harder.

        From the widest truth of the dataset in the folder, so that points of every k agree on it.
        None for inner products, which are no distances, and if no truth is wide enough.
        """
        identity = header.identity
        name = (identity.dataset, identity.fingerprint, identity.metric, header.nq)
        if name not in self._difficulties:
            self._difficulties[name] = self._estimated(header)
        return self._difficulties[name]

    def _estimated(self, header: PointHeader) -> Float64 | None:
        metric = header.identity.metric
        if metric == "inner_product":
            return None
        distances = self._widest(header).distances
        if distances.shape[1] < _LEAST_NEIGHBOURS:
            return None
        return lid_from(lengths(metric, distances))

    def _widest(self, header: PointHeader) -> Truth:
        identity = header.identity
        widths = self._store.truths(identity.dataset, identity.fingerprint)
        for k in (k for k in widths if k > identity.k):
            wider = replace(header, identity=replace(identity, k=k))
            with suppress(BrokenResult):
                return self.of(wider)
        return self.of(header)
