"""Checks of a file of vectors and of its own neighbours, and what its rows are like."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.contracts import Dataset, UserError
from harness.contracts.dataset import METRICS, Metric
from harness.contracts.definitions import QuerySplit
from harness.data.cache.cached import CachedDataset
from harness.data.cache.cached_filters import fingerprint_of
from harness.data.cache.folder import cache_subfolder
from harness.data.formats import read_vectors
from harness.data.formats.hdf5 import read_truth, require_queries
from harness.data.loading import open_file
from harness.data.parts import split
from harness.data.rows import blocks, fingerprint
from harness.data.truth.brute import smallest_distances
from harness.files.replacing import write_text
from harness.measures.distances import RELATIVE_TOLERANCE, answer_distances, tie_scales

Table = NDArray[np.generic]
Float64 = NDArray[np.float64]

_SAMPLED_QUERIES = 50
_CLOSE = 1e-4


@dataclass(frozen=True)
class RowFacts:
    """Counts over a table of rows. `norms` are the least, the median and the largest."""

    rows: int
    not_finite: int
    zero: int
    duplicates: int
    norms: tuple[float, float, float]


@dataclass(frozen=True)
class OwnTruth:
    """How a sample of a file's own neighbours compares with ours, by metric.

    `recall` is the share of its neighbours that are true ones (ties count); `form` names what its
    distances are, or is None if they have no known form.
    """

    sampled: int
    k: int
    recall: dict[Metric, float]
    form: str | None

    @property
    def metric(self) -> Metric | None:
        """The metric that the neighbours agree with, None if they agree with none."""
        best = max(METRICS, key=lambda metric: self.recall[metric])
        return best if self.recall[best] >= 1 - _CLOSE else None


def verified_cached(opened: CachedDataset, k: int) -> dict[str, str]:
    """Return what is found of a cached dataset, by name; `fault` is there if something is wrong."""
    facts = {"dataset": repr(opened)}
    if _fingerprint_now(opened) != opened.fingerprint:
        facts["fault"] = f"the cached rows have changed; remove {opened.path}"
        return facts
    facts["fingerprint"] = f"{opened.fingerprint} (computed again, the same)"
    return facts | _row_lines(opened.base, opened.queries) | _tie_line(opened, k)


def _fingerprint_now(opened: CachedDataset) -> str:
    """The fingerprint of the rows as they are, and of attributes and filters if there are some."""
    whole = opened.whole or opened
    found = fingerprint(whole.metric, whole.base, whole.queries)
    return found if opened.filters is None else fingerprint_of(opened.filters, found)


def verified_file(path: Path, k: int) -> dict[str, str]:
    """Return what is found of an HDF5 file, with its own neighbours, as `verified_cached`.

    Raises
    ------
    UserError
        If the file cannot be used as a dataset.
    """
    require_queries(path)
    parts = split(read_vectors(path, "hdf5"), QuerySplit("file"), str(path))
    base, queries = parts.base.rows, parts.queries.rows
    facts = _row_lines(base, queries)
    if "fault" in facts:
        return facts
    neighbours, distances = read_truth(path)
    if neighbours is None:
        facts["its own neighbours"] = "none"
    else:
        own = compare_own_truth(base, queries, neighbours, distances, path)
        recall = ", ".join(f"{metric} {share:.4f}" for metric, share in own.recall.items())
        facts["its own neighbours"] = f"of {own.sampled} queries, k={own.k}, right: {recall}"
        facts["they agree with"] = own.metric or "no metric"
        facts["its own distances"] = own.form or ("none" if distances is None else "unknown")
        if own.metric is None:
            facts["fault"] = "the file's neighbours are not the true ones under any metric"
    opened = open_file(path)
    return {"dataset": repr(opened)} | facts | _tie_line(opened, k)


def _row_lines(base: np.ndarray, queries: np.ndarray) -> dict[str, str]:
    facts = {}
    for name, rows in (("base", base), ("queries", queries)):
        found = row_facts(rows)
        facts[name] = _describe_rows(found)
        if found.not_finite:
            facts["fault"] = f"{found.not_finite:,} rows of the {name} hold NaN or infinity"
    facts["queries in the base"] = f"{rows_in(queries, base):,}"
    return facts


def _describe_rows(found: RowFacts) -> str:
    low, middle, high = found.norms
    return (
        f"{found.rows:,} rows: {found.duplicates:,} duplicates, {found.zero:,} zero, "
        f"{found.not_finite:,} not finite; norms {low:.4g} to {high:.4g}, median {middle:.4g}"
    )


def _tie_line(opened: CachedDataset, k: int) -> dict[str, str]:
    ties = near_ties(opened, min(k, len(opened.base)))
    return {} if ties is None else {f"near-ties at k={k}": f"{ties:,} queries"}


def row_facts(rows: Table) -> RowFacts:
    """Count suspicious rows; a row equal to an earlier one is a duplicate."""
    not_finite = zero = 0
    norms = []
    for block in blocks(rows):
        wide = np.asarray(rows[block], dtype=np.float64)
        good = np.isfinite(wide).all(axis=1)
        not_finite += int((~good).sum())
        lengths = np.sqrt(np.einsum("ij,ij->i", wide[good], wide[good]))
        zero += int((lengths == 0).sum())
        norms.append(lengths)
    lengths = np.concatenate(norms)
    spread = (lengths.min(), np.median(lengths), lengths.max()) if len(lengths) else (np.nan,) * 3
    keys = row_keys(rows)
    duplicates = len(keys) - len(np.unique(keys))
    return RowFacts(len(rows), not_finite, zero, duplicates, tuple(float(x) for x in spread))  # type: ignore[arg-type]


def rows_in(queries: Table, base: Table) -> int:
    """Return how many queries are in the base, value for value."""
    return int(np.isin(row_keys(queries), row_keys(base)).sum())


def row_keys(rows: Table) -> NDArray[np.void]:
    """Return 128 bits per row that are equal for equal rows and else, in practice, differ."""
    weights = np.random.default_rng(0).integers(1, 1 << 63, (2, rows.shape[1]), dtype=np.uint64)
    keys = np.empty((len(rows), 2), dtype=np.uint64)
    for block in blocks(rows):
        with np.errstate(over="ignore", invalid="ignore"):
            values = np.ascontiguousarray(rows[block], dtype=np.float32) + np.float32(0)
        bits = values.view(np.uint32).astype(np.uint64)
        bits ^= bits << np.uint64(29)
        for column in range(2):
            keys[block, column] = (bits * weights[column]).sum(axis=1, dtype=np.uint64)
    return keys.view(np.dtype((np.void, 16)))[:, 0]


def near_ties(dataset: Dataset, k: int) -> int | None:
    """Return for how many queries neighbours k and k + 1 are at the same distance or nearly so.

    None if the base has no more than k rows.
    """
    if k >= len(dataset.base):
        return None
    truth = dataset.truth(k + 1)
    last = truth.ids[:, k - 1 : k + 1]
    scales = tie_scales(dataset.metric, dataset.base, dataset.queries, last)[:, 1]
    distances = truth.distances[:, k - 1 : k + 1]
    if dataset.metric == "euclidean":
        distances = distances**2
    with np.errstate(invalid="ignore"):  # inf - inf where fewer rows match a filter: no tie
        gaps = distances[:, 1] - distances[:, 0]
    return int((gaps <= RELATIVE_TOLERANCE * scales).sum())


def compare_own_truth(
    base: Table, queries: Table, neighbours: Table, distances: Table | None, where: Path
) -> OwnTruth:
    """Compute a sample of a file's neighbours again, under every metric.

    Raises
    ------
    UserError
        If `neighbors` does not fit the rows.
    """
    _require_fitting(base, queries, neighbours, where)
    nq, k = neighbours.shape
    sample = np.sort(np.random.default_rng(0).choice(nq, min(nq, _SAMPLED_QUERIES), replace=False))
    ids = np.asarray(neighbours[sample], dtype=np.int64)
    rows = np.ascontiguousarray(base, dtype=np.float32)
    asked = np.ascontiguousarray(queries[sample], dtype=np.float32)
    recall = {metric: _recall(metric, rows, asked, ids) for metric in METRICS}
    form = None
    if distances is not None and distances.shape == neighbours.shape:
        form = _form(rows, asked, ids, np.asarray(distances[sample]))
    return OwnTruth(len(sample), k, recall, form)


def _require_fitting(base: Table, queries: Table, neighbours: Table, where: Path) -> None:
    good = (
        neighbours.ndim == 2
        and neighbours.dtype.kind in "iu"
        and len(neighbours) == len(queries)
        and 1 <= neighbours.shape[1] <= len(base)
        and int(neighbours.min()) >= 0
        and int(neighbours.max()) < len(base)
    )
    if not good:
        raise UserError(
            "the file's neighbors do not fit its rows",
            where=f"{where}, dataset neighbors",
            expected=f"row numbers of {len(base):,} base rows for each of {len(queries):,} queries",
            got=f"{neighbours.dtype} of shape {neighbours.shape}",
        )


def _recall(
    metric: Metric, base: NDArray[np.float32], queries: NDArray[np.float32], ids: NDArray[np.int64]
) -> float:
    k = ids.shape[1]
    limit = smallest_distances(metric, base, queries, k)[:, -1]
    found = answer_distances(metric, base, queries, ids)
    scales = tie_scales(metric, base, queries, ids)
    if metric == "euclidean":
        found, limit = found**2, limit**2
    hits = found <= limit[:, None] + RELATIVE_TOLERANCE * scales
    distinct = np.array([len(np.unique(row)) for row in ids]) / k
    return float((hits.mean(axis=1) * distinct).mean())


def _form(
    base: NDArray[np.float32],
    queries: NDArray[np.float32],
    ids: NDArray[np.int64],
    stored: Float64,
) -> str | None:
    """The first of the known forms of distances that the stored ones agree with."""
    cosine = answer_distances("angular", base, queries, ids)
    length = answer_distances("euclidean", base, queries, ids)
    product = answer_distances("inner_product", base, queries, ids)
    forms = {
        "1 - cos": cosine,
        "sqrt(2 (1 - cos))": np.sqrt(2 * np.maximum(cosine, 0)),
        "L2": length,
        "squared L2": length**2,
        "-<q, x>": product,
        "<q, x>": -product,
    }
    for name, values in forms.items():
        scale = np.abs(values).max() or 1.0
        if (np.abs(values - stored) <= _CLOSE * scale).all():
            return name
    return None


@dataclass(frozen=True)
class RowsOfDataset:
    """Counts and norms of base and queries; `queries_in_base` are those equal to a base row."""

    base: RowFacts
    queries: RowFacts
    queries_in_base: int


def rows_of_dataset(dataset: CachedDataset) -> RowsOfDataset:
    """Return what the rows are like, from the cache or counted now, in one pass over the rows."""
    path = cache_subfolder("difficulty") / f"{dataset.fingerprint[:32]}.json"
    try:
        return _from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    found = RowsOfDataset(
        row_facts(dataset.base),
        row_facts(dataset.queries),
        rows_in(dataset.queries, dataset.base),
    )
    write_text(path, json.dumps(asdict(found)) + "\n")
    return found


def _from_json(text: str) -> RowsOfDataset:
    stored = json.loads(text)
    base, queries = (
        RowFacts(**{**stored[part], "norms": tuple(map(float, stored[part]["norms"]))})
        for part in ("base", "queries")
    )
    return RowsOfDataset(base, queries, int(stored["queries_in_base"]))
