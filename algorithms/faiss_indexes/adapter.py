"""FAISS's indexes, each made from a factory string; the entries differ in how they write it."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import faiss
import numpy as np

from harness.contracts import Algorithm, Bitmap, Ids, Rows

from . import factory
from .layers import layers, saved_bytes
from .opq import train_opq_for
from .seeding import seed_all


class FaissIndex(Algorithm):
    """An index by its factory string.

    Angular rows are unit-norm and searched by their inner product, so that rows of zeros rank
    where they belong.

    Parameters
    ----------
    metric
        Any that the index supports.
    factory
        FAISS's factory string, such as `OPQ25,IVF256,PQ25x4fs,RFlat`.
    training_points
        How many rows, drawn at random, to train on at most; null is all, of which FAISS's
        k-means takes 256 for every centroid.
    seed
        Of that draw, of FAISS's k-means, of random rotations and of the levels of HNSW.
    """

    def fit(self, base: Rows) -> None:
        """Train on and add `base`, `(n, d)` float32."""
        euclidean = self.metric == "euclidean"
        metric = faiss.METRIC_L2 if euclidean else faiss.METRIC_INNER_PRODUCT
        self._index = faiss.index_factory(base.shape[1], self._factory(*base.shape), metric)
        seed_all(self._index, self.build.get("seed", 0))
        self._configure()
        self._index.train(self._sample(base))
        self._index.add(base)
        self._searched = self._index
        self._settable = list(_settable(self._index))
        self._bytes: dict[bool, int] = {}
        self._filtered: dict[tuple[Bitmap, int], faiss.SearchParameters] = {}

    def _factory(self, n: int, d: int) -> str:
        """Return the factory string for `n` rows of `d` dimensions."""
        return str(self.build["factory"])

    def _configure(self) -> None:
        """Set what a factory string cannot say, before training."""

    def _sample(self, base: Rows) -> Rows:
        count = self.build.get("training_points")
        if count is None or count >= len(base):
            return base
        rng = np.random.default_rng(self.build.get("seed", 0))
        sample: Rows = base[np.sort(rng.choice(len(base), count, replace=False))]
        return sample

    def set_search(
        self,
        *,
        nprobe: int | None = None,
        efSearch: int | None = None,
        search_L: int | None = None,
        k_factor: float | None = None,
    ) -> None:
        """Take FAISS's own search parameters; null is its default, whatever was set before.

        Parameters
        ----------
        nprobe
            Lists that are visited; all of them, if there are fewer.
        efSearch, search_L
            Length of the queue of HNSW, or of NSG (k, where that is more).
        k_factor
            Re-rank k_factor times k candidates by the refining copy; 0 searches without it.
        """
        refining = isinstance(self._index, faiss.IndexRefine)
        if k_factor and not refining:
            raise ValueError("k_factor re-ranks by a refining copy, which this index has not got")
        skip = refining and k_factor == 0
        self._searched = faiss.downcast_index(self._index.base_index) if skip else self._index
        given = {
            "nprobe": nprobe,
            "efSearch": efSearch,
            "search_L": search_L,
            "k_factor": k_factor,
        }
        for part, name, default in self._settable:
            value = given[name] or default
            if name == "nprobe":
                value = min(value, part.nlist)  # beyond, 4-bit scans lose neighbours
            setattr(part, name, value)

    def query(self, query: Rows, k: int) -> Ids:
        """Return the `(k,)` best ids of one query."""
        ids: Ids = self._searched.search(query[np.newaxis], k)[1][0]
        return ids

    def query_batch(self, queries: Rows, k: int) -> Ids:
        """Return the `(nq, k)` best ids."""
        ids: Ids = self._searched.search(queries, k)[1]
        return ids

    def distance_computations(self, queries: Rows, k: int) -> int | None:
        """Return the number that FAISS counts, or the rows of what is scanned whole.

        The candidates of a refining copy count beside; None if FAISS does not count.
        """
        searched, refined = self._searched, 0
        if isinstance(searched, faiss.IndexRefine):
            candidates = min(int(k * searched.k_factor), searched.ntotal)
            searched = faiss.downcast_index(searched.base_index)
        else:
            candidates = 0
        inside = list(layers(searched))
        statistics = faiss.cvar.hnsw_stats
        if any(isinstance(layer, faiss.IndexIVF) for layer in inside):
            statistics = faiss.cvar.indexIVF_stats
        elif not any(hasattr(layer, "hnsw") for layer in inside):
            whole = (faiss.IndexFlatCodes, faiss.IndexFastScan)
            scans = isinstance(inside[-1], whole) and not hasattr(inside[0], "nsg")
            return len(queries) * (searched.ntotal + candidates) if scans else None
        statistics.reset()
        found = searched.search(queries, max(candidates, k))[1]
        if candidates:
            refined = int((found >= 0).sum())
        return int(statistics.ndis) + refined

    def index_bytes(self) -> int:
        """Return the bytes of the index as FAISS would save it, with the copy if it is used."""
        refined = self._searched is self._index
        if refined not in self._bytes:
            self._bytes[refined] = saved_bytes(self._searched)
        return self._bytes[refined]


class Selecting(FaissIndex):
    """An index that FAISS searches among the rows of a selector."""

    _swept: str
    """The search parameter that a search with a selector is told again."""

    def query_filtered(self, query: Rows, k: int, filter: Bitmap) -> Ids:  # type: ignore[override]
        """Return the `(k,)` best ids of the matching rows."""
        effort = self._effort()
        parameters = self._filtered.get((filter, effort))
        if parameters is None:
            selector = faiss.IDSelectorBitmap(filter.bits)
            parameters = self._filtered[filter, effort] = self._parameters(effort, selector)
        ids: Ids = self._searched.search(query[np.newaxis], k, params=parameters)[1][0]
        return ids

    def _effort(self) -> int:
        """Return the search parameter in use; where rows are padded, an inner layer has it."""
        return int(
            next(getattr(part, name) for part, name, _ in self._settable if name == self._swept)
        )

    @abstractmethod
    def _parameters(self, effort: int, selector: faiss.IDSelector) -> faiss.SearchParameters:
        """Return FAISS's parameters of a search among the rows of a selector."""


class IVF(Selecting):
    """Inverted lists of whole rows: nlist (null: see `factory.lists`), storage."""

    _swept = "nprobe"

    def _parameters(self, effort: int, selector: faiss.IDSelector) -> faiss.SearchParameters:
        return faiss.SearchParametersIVF(nprobe=effort, sel=selector)

    def _factory(self, n: int, d: int) -> str:
        return factory.ivf(n, d, self.build["nlist"], self.build["storage"])


class IVFPQ(FaissIndex):
    """Inverted lists of product-quantized residuals: nlist, width, nbits, rotation, refine."""

    def _factory(self, n: int, d: int) -> str:
        codes = f"x{self._nbits()}np"  # no polysemous training, which only its filter uses
        return factory.ivf_pq(n, d, codes, **_chosen(self.build, "nlist width rotation refine"))

    def _nbits(self) -> int:
        return int(self.build["nbits"])

    def _configure(self) -> None:
        self._kept = train_opq_for(self._index, self._nbits(), self.build["seed"])


class IVFPQFastScan(IVFPQ):
    """The same with 4-bit codes, scanned in registers."""

    def _factory(self, n: int, d: int) -> str:
        return factory.ivf_pq(n, d, "x4fsr", **_chosen(self.build, "nlist width rotation refine"))

    def _nbits(self) -> int:
        return 4


class PQFastScan(IVFPQFastScan):
    """4-bit product quantization of whole rows, all of them scanned: width, rotation, refine."""

    def _factory(self, n: int, d: int) -> str:
        return factory.pq(d, "x4fs", **_chosen(self.build, "width rotation refine"))


class Additive(FaissIndex):
    """Residual (RQ) or local-search (LSQ) quantization: method, M, nbits, refine."""

    def _factory(self, n: int, d: int) -> str:
        chosen = _chosen(self.build, "method M nbits refine")
        return factory.additive(self.metric, **chosen)


class Scalar(FaissIndex):
    """Scalar quantization, every dimension by itself: codec, refine."""

    def _factory(self, n: int, d: int) -> str:
        return factory.refined(factory.scalar(d, self.build["codec"]), self.build["refine"])


class RaBitQ(FaissIndex):
    """RaBitQ codes after a random rotation: nbits, nlist (0 is none), refine."""

    def _factory(self, n: int, d: int) -> str:
        return factory.rabitq(n, d, **_chosen(self.build, "nbits nlist refine"))


class HNSW(Selecting):
    """A navigable graph in levels: M, efConstruction, storage.

    With a filter the search walks over rows that do not match, and keeps those that do.
    """

    _swept = "efSearch"

    def _parameters(self, effort: int, selector: faiss.IDSelector) -> faiss.SearchParameters:
        return faiss.SearchParametersHNSW(efSearch=effort, sel=selector)

    def _factory(self, n: int, d: int) -> str:
        return factory.scalar(d, self.build["storage"], before=f"HNSW{self.build['M']},")

    def _configure(self) -> None:
        for layer in layers(self._index):
            if hasattr(layer, "hnsw"):
                layer.hnsw.efConstruction = self.build["efConstruction"]


class NSG(FaissIndex):
    """A navigating spreading-out graph over approximate nearest neighbours: R, neighbours.

    FAISS 1.15.1 fills its queue with rows drawn at random until it is full, for ever where the
    queue is longer than there are rows: neither search_L nor k may go beyond n.
    """

    def _factory(self, n: int, d: int) -> str:
        return f"NSG{self.build['R']},Flat"

    def _configure(self) -> None:
        by_nn_descent = 1
        self._index.build_type = by_nn_descent
        self._index.GK = self.build["neighbours"]

    def set_search(self, *, search_L: int) -> None:  # type: ignore[override]
        """Take the length of the queue (k, where that is more)."""
        super().set_search(search_L=min(search_L, self._index.ntotal))

    def query(self, query: Rows, k: int) -> Ids:
        """Return the `(k,)` best ids of one query."""
        ids: Ids = self.query_batch(query[np.newaxis], k)[0]
        return ids

    def query_batch(self, queries: Rows, k: int) -> Ids:
        """Return the `(nq, k)` best ids."""
        found = min(k, self._index.ntotal)
        ids: Ids = self._index.search(queries, found)[1]
        return ids if found == k else np.pad(ids, ((0, 0), (0, k - found)), constant_values=-1)


def _chosen(build: dict[str, Any], names: str) -> dict[str, Any]:
    return {name: build[name] for name in names.split()}


def _settable(index: faiss.Index) -> Iterator[tuple[Any, str, float]]:
    """Yield the parts of an index that have a search parameter, its name, and its value now."""
    for layer in layers(index):
        for part in (layer, getattr(layer, "hnsw", None), getattr(layer, "nsg", None)):
            for name in ("nprobe", "efSearch", "search_L", "k_factor"):
                if hasattr(part, name):
                    yield part, name, getattr(part, name)
