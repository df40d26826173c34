"""Adapters with one fault each, named after the check that is to find it."""

import ctypes
import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from harness.contracts import Algorithm

K = 10  # most checks ask for so many


class Flat(Algorithm):
    """Exact search without a fault."""

    def __init__(self, metric, size=1, mode="plain", seed=0):
        if size < 1 or mode != "plain":
            raise ValueError(f"size={size} or mode={mode} is out of range")
        super().__init__(metric, size=size, mode=mode, seed=seed)

    def fit(self, base):
        self.rows = np.array(base, dtype=np.float32, order="C")

    def set_search(self, wide=1):
        if wide < 1:
            raise ValueError(f"wide={wide} is out of range")
        self.wide = wide

    def query(self, query, k):
        distances = -(self.rows @ query)
        if self.metric == "euclidean":
            distances = ((self.rows - query) ** 2).sum(axis=1)
        best = np.argsort(distances, kind="stable")[:k]
        return np.concatenate([best, np.full(k - len(best), -1)])

    def query_filtered(self, query, k, filter):
        ids = Flat.query(self, query, len(self.rows))
        ids = ids[filter.contains(ids)][:k]
        return np.concatenate([ids, np.full(k - len(ids), -1)])

    def index_bytes(self):
        return self.rows.nbytes


class Lists(Flat):
    """Exact search without a fault: a list of ints is an answer, too."""

    def query(self, query, k):
        return super().query(query, k).tolist()


class Lossy(Flat):
    """One of the first ids is left out; which one, a fault may choose."""

    def dropped(self, query):
        return 0

    def query(self, query, k):
        return np.delete(super().query(query, k + 1), self.dropped(query) % (k + 1))


class Builds(Flat):
    def fit(self, base):
        raise RuntimeError("no index today")


class IdsValid(Flat):
    def query(self, query, k):
        ids = super().query(query, k)
        ids[-1] = ids[0] if k == K else ids[-1]
        return ids


class BaseNotWritten(Flat):
    def fit(self, base):
        super().fit(base)
        if base.flags.writeable:
            base[0] = 0


class ArgumentsKept(Flat):
    def query_batch(self, queries, k):
        ids = super().query_batch(queries, k)
        if queries.flags.writeable:
            queries[-1] /= 2
        return ids


class AnswersStay(Flat):
    def fit(self, base):
        super().fit(base)
        self.buffer = np.empty(2 * len(base), dtype=np.int64)

    def query(self, query, k):
        self.buffer[:k] = super().query(query, k)
        return self.buffer[:k]

    def query_batch(self, queries, k):
        return np.array([self.query(query, k).copy() for query in queries])


class ReadOnlyInputs(Flat):
    def fit(self, base):
        if not base.flags.writeable:
            raise ValueError("buffer source array is read-only")
        super().fit(base)


class StridedInputs(Flat):
    def fit(self, base):
        row_bytes = base.shape[1] * base.itemsize
        as_if_contiguous = (row_bytes, base.itemsize)
        super().fit(np.lib.stride_tricks.as_strided(base, base.shape, as_if_contiguous))


class Float64Inputs(Flat):
    def fit(self, base):
        super().fit(base if base.dtype == np.float32 else base.view(np.float32)[:, ::2])

    def query(self, query, k):
        return super().query(query.astype(np.float32), k)


class SingleEqualsBatch(Flat):
    def query_batch(self, queries, k):
        return super().query_batch(queries, k)[::-1]


class KOne(Flat):
    def query(self, query, k):
        return super().query(query, k)[0] if k == 1 else super().query(query, k)


class KAll(Flat):
    def query(self, query, k):
        ids = super().query(query, k)
        return ids[:-1] if k == len(self.rows) else ids


class KBeyond(Flat):
    def query(self, query, k):
        return super().query(query, min(k, len(self.rows)))


class NearestFirst(Flat):
    def query(self, query, k):
        return super().query(query, k)[::-1] if k == K else super().query(query, k)


class SettingsTakeTurns(Lossy):
    def fit(self, base):
        super().fit(base)
        self.widest = 0

    def set_search(self, wide=1):
        super().set_search(wide)
        self.widest = max(self.widest, wide)

    def dropped(self, query):
        return self.widest


class SameSeed(Lossy):
    builds = 0

    def fit(self, base):
        super().fit(base)
        usual = base.flags.writeable and base.flags.c_contiguous and base.dtype == np.float32
        type(self).builds += usual
        self.turn = self.builds if usual else 1

    def dropped(self, query):
        return self.turn


class QueryOrder(Lossy):
    def set_search(self, wide=1):
        super().set_search(wide)
        self.last = 0

    def query(self, query, k):
        ids = super().query(query, k)
        self.last = int(ids[0])
        return ids

    def dropped(self, query):
        return self.last


class TwiceInOneProcess(Flat):
    def fit(self, base):
        type(self).rows = np.array(base, dtype=np.float32, order="C")


class FreshProcess(Lossy):
    def dropped(self, query):
        seed = [os.getpid(), abs(int(query[0] * 1e6))]
        return int(np.random.default_rng(seed).integers(K))


class Threads(Flat):
    """Keeps threads at work beside its queries and never waits for them.

    A query that waited would want one thread while it hands out work, and on a loaded machine
    that is most of the time.
    """

    pool = ThreadPoolExecutor(4)
    block = bytes(3_000_000)
    work: tuple = ()

    def query(self, query, k):
        if all(task.done() for task in self.work):
            hashes = [self.pool.submit(hashlib.sha256, self.block) for _ in range(4)]
            self.work = tuple(hashes)  # without the GIL
        return super().query(query, k)


class IndexBytes(Flat):
    def index_bytes(self):
        return self.rows.nbytes // 1024 // 1024


class DistanceComputations(Flat):
    """Counts on from search to search."""

    compared = 0

    def distance_computations(self, queries, k):
        self.compared += len(queries) * len(self.rows)
        return self.compared


class CountedOnce(Flat):
    """Counts at its first search alone."""

    compared = None

    def distance_computations(self, queries, k):
        self.compared = len(queries) * len(self.rows) if self.compared is None else 0
        return self.compared


class Diagnostics(Flat):
    def diagnostics(self):
        return {"training": {"iteration": np.arange(3), "loss": np.zeros(2)}}


class UnknownParameter(Flat):
    def set_search(self, **search):
        super().set_search(search.get("wide", 1))


class BadParameters(Flat):
    def __init__(self, metric, size=1, mode="plain", seed=0):
        super().__init__(metric, abs(size), mode, seed)
        self.size = size

    def fit(self, base):
        super().fit(base)
        _ = [None][self.size - 1]


class Recall(Flat):
    """Declares the inner product and searches by L2."""

    def __init__(self, metric, **build):
        super().__init__("euclidean", **build)


class GroupBuilds(Flat):
    def fit(self, base):
        if self.build["size"] > 100:
            raise MemoryError("too large")
        super().fit(base)


class Segfault(Flat):
    def query(self, query, k):
        return ctypes.string_at(0) if k == 1 else super().query(query, k)


class Hang(Flat):
    def query(self, query, k):
        while k == len(self.rows):
            time.sleep(1)
        return super().query(query, k)


class Exit(Flat):
    def diagnostics(self):
        raise SystemExit(0)


class FilterMatches(Flat):
    def query_filtered(self, query, k, filter):
        ids = super().query_filtered(query, k, filter)
        if 100 < filter.count < 0.3 * filter.n:
            ids[-1] = np.flatnonzero(~np.isin(np.arange(filter.n), filter.ids))[0]
        return ids


class FilterRecall(Flat):
    def query_filtered(self, query, k, filter):
        if self.metric == "angular" and 0.4 * filter.n < filter.count < filter.n:
            return filter.ids[:k]
        return super().query_filtered(query, k, filter)


class FilterEmpty(Flat):
    def query_filtered(self, query, k, filter):
        return super().query_filtered(query, k, filter) if filter.count else self.query(query, k)


class FilterFull(Flat):
    def query_filtered(self, query, k, filter):
        ids = super().query_filtered(query, k, filter)
        ids[-1] = -1 if filter.count == filter.n else ids[-1]
        return ids


class FilterFew(Flat):
    def query_filtered(self, query, k, filter):
        if 0 < filter.count < k:
            raise RuntimeError("cannot return fewer than k")
        return super().query_filtered(query, k, filter)


class AttributesNotWritten(Flat):
    def fit_filtered(self, base, attributes):
        super().fit_filtered(base, attributes)
        attributes["row"].values[0] = -1


class Lazy(Flat):
    """Answers are computed when they are read, after the clock has stopped."""

    def query(self, query, k):
        answer = super().query(query, k)

        class Later:
            def __array__(self, dtype=None, copy=None):
                return answer

            def __len__(self):
                return k

        return Later()
