"""The true neighbours that a folder's points are judged by, each read once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.contracts.dataset import Truth
from harness.measures.difficulty import lengths, lid_from
from harness.results.identity import PointIdentity
from harness.results.store import BrokenResult, ResultStore

Float64 = NDArray[np.float64]

_LEAST_NEIGHBOURS = 10
"""An estimate from fewer neighbours says more of chance than of the query."""


class Truths:
    """Truths of one results folder, and how hard its queries are."""

    def __init__(self, store: ResultStore) -> None:
        self._store = store
        self._truths: dict[Path, Truth] = {}
        self._difficulties: dict[tuple[str, str], Float64 | None] = {}

    def of(self, identity: PointIdentity) -> Truth:
        """Return the truth of a point.

        Raises
        ------
        BrokenResult
            If it is missing or cannot be read.
        """
        path = self._store.truth_path(identity)
        if path not in self._truths:
            self._truths[path] = self._store.read_truth(identity)
        return self._truths[path]

    def difficulty(self, identity: PointIdentity) -> Float64 | None:
        """Return the local intrinsic dimensionality round each query, `(nq,)`; higher is harder.

        From the widest truth that the folder holds of the dataset, so that points of every k agree
        on it. None for inner products, which are no distances, and where no truth is wide enough.
        """
        name = (identity.dataset, identity.fingerprint)
        if name not in self._difficulties:
            self._difficulties[name] = self._estimated(identity)
        return self._difficulties[name]

    def _estimated(self, identity: PointIdentity) -> Float64 | None:
        distances = self.of(self._widest(identity)).distances
        if identity.metric == "inner_product" or distances.shape[1] < _LEAST_NEIGHBOURS:
            return None
        return lid_from(lengths(identity.metric, distances))

    def _widest(self, identity: PointIdentity) -> PointIdentity:
        own = self._store.truth_path(identity)
        widths = [int(f.parent.name) for f in own.parent.parent.glob(f"*/{own.name}")
                  if f.parent.name.isdecimal()]  # fmt: skip
        for k in sorted(widths, reverse=True):
            wider = replace(identity, k=k)
            try:
                self.of(wider)
            except BrokenResult:
                continue
            return wider
        return identity
