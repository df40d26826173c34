"""Searches with filters: a right one, one that ignores the filter, and one without the ability."""

import numpy as np

from harness.contracts import Algorithm
from harness.contracts.filters import matching


class Unable(Algorithm):
    def fit(self, base):
        self.rows = base

    def query(self, query, k):
        return np.argsort(-(self.rows @ query), kind="stable")[:k]

    def index_bytes(self):
        return self.rows.nbytes


class Right(Unable):
    def query_filtered(self, query, k, filter):
        ids = filter.ids
        best = ids[np.argsort(-(self.rows[ids] @ query), kind="stable")][:k]
        return np.concatenate([best, np.full(k - len(best), -1)])


class Predicate(Right):
    def fit_filtered(self, base, attributes):
        self.fit(base)
        self.attributes = attributes

    def query_filtered(self, query, k, filter):
        best = np.argsort(-(self.rows @ query), kind="stable")
        best = best[matching(filter, self.attributes)[best]][:k]
        return np.concatenate([best, np.full(k - len(best), -1)])


class Deaf(Unable):
    def query_filtered(self, query, k, filter):
        return self.query(query, k)
