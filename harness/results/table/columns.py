"""The columns of the results table: the one place that names, types and describes them.

`COLUMNS` is in the order of the table and of its exports. To add a column, declare it here and
compute it in a module beside this one; what is not stored with the results, but known to the
registry and the cache at hand, is filled in by `harness.report.analysis.describing`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:  # it takes a third of a second to load, and few commands make a table
    import pandas as pd

Row = dict[str, Any]
"""Column to value, of one point."""

Kind = Literal["text", "whole number", "number", "flag", "mapping", "tuple", "array"]
Export = Literal["all", "JSON and Parquet", ""]

RECALL_KS = (1, 5, 10, 20, 50, 100)
"""The K of the columns `recall@K` and `recall1@K`."""

_DTYPES: Mapping[Kind, str] = {
    "text": "str",
    "whole number": "int64",
    "number": "float64",
    "flag": "bool",
    "mapping": "object",
    "tuple": "object",
    "array": "object",
}

_MISSING: Mapping[Kind, Callable[[], object]] = {
    "text": lambda: nan,
    "number": lambda: nan,
    "flag": bool,
    "mapping": dict,
    "tuple": tuple,
    "array": lambda: None,
}
"""The value of a point that has none, such as the QPS of a failed point."""


@dataclass(frozen=True)
class Column:
    """A column of the results table.

    `meaning` is one sentence. `export` tells which formats of `annharness export` have the column.
    If the largest k of a table is below `from_k`, exports leave the column out. A column that is
    `per_query` is only in tables that are loaded with `per_query=True`.
    """

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    export: Export = ""
    from_k: int = 0
    per_query: bool = False

    @property
    def dtype(self) -> str:
        """The dtype of the column in pandas."""
        return _DTYPES[self.kind]


def columns(*, per_query: bool = False) -> Sequence[Column]:
    """Return the columns of a table, with or without those that are per query and neighbour."""
    return [column for column in COLUMNS if per_query or not column.per_query]


def completed(row: Mapping[str, object], *, per_query: bool = False) -> Row:
    """Return a row with a value for each column, in their order.

    Raises
    ------
    KeyError
        If a column is not declared, or a whole number is missing: every point has those.
    """
    declared = columns(per_query=per_query)
    if unknown := row.keys() - {column.name for column in declared}:
        raise KeyError(f"columns that are not declared: {', '.join(sorted(unknown))}")
    missing = {c.name: _MISSING[c.kind]() for c in declared if c.kind in _MISSING}
    return {c.name: (row if c.name in row else missing)[c.name] for c in declared}


def frame_of(rows: Sequence[Mapping[str, object]], *, per_query: bool = False) -> pd.DataFrame:
    """Return the table of completed rows, with the declared dtypes even if there is no row."""
    import pandas as pd

    series = {
        column.name: pd.Series([row[column.name] for row in rows], dtype=column.dtype)
        for column in columns(per_query=per_query)
    }
    return pd.DataFrame(series)


# ---- the declarations ---------------------------------------------------------------------------


def _bounds(name: str, unit: str = "") -> tuple[Column, Column]:
    """The two bounds of a figure's interval."""
    meaning = "Bounds of the 95 % interval."
    low, high = (Column(f"{name}_{end}", "number", meaning, unit) for end in ("low", "high"))
    return low, high


def _recalls(prefix: str, meaning: str) -> tuple[Column, ...]:
    return tuple(Column(f"{prefix}@{k}", "number", meaning, from_k=k) for k in RECALL_KS)


def _curve_bounds(prefix: str) -> tuple[Column, Column]:
    meaning = "Bounds of the 95 % intervals of the curve, `(k,)`."
    low, high = (Column(f"{prefix}_{end}_curve", "array", meaning) for end in ("low", "high"))
    return low, high


_IN_ALL_EXPORTS = (
    Column("dataset", "text", "Name of the dataset."),
    Column("algorithm", "text", "Name of the algorithm's entry."),
    Column("label", "text", "Name of the curve: the algorithm, or the suite's name for it."),
    Column("build", "mapping", "Build parameters by name."),
    Column("search", "mapping", "Search parameters by name."),
    Column("k", "whole number", "Neighbours that each query asks for."),
    Column("mode", "text", "`single`, `batch` or `load`: see the suite's key."),
    Column("threads", "whole number", "Threads that the search may use."),
    Column("build_threads", "whole number", "Threads that the build may use."),
    Column("builds", "whole number", "Number of stored builds."),
    Column("repeats", "whole number", "Timed passes over all queries: the fewest of any build."),
    Column("status", "text", "`ok`, or how the point failed."),
    Column("reason", "text", "Why the point failed; empty if it did not."),
    Column(
        "stale",
        "flag",
        "A newer version of the point is stored; in exports also: the adapter or dataset at hand "
        "is no longer the recorded one.",
    ),
    *_recalls(
        "recall",
        "Recall@K, the mean over builds and all queries, tuning ones too; unknown for K above k.",
    ),
    *_recalls(
        "recall1", "Share of queries whose nearest neighbour is among the first K; as above."
    ),
    *_bounds("recall@10"),
    Column(
        "qps", "number", "Queries per second at the mean conditions of its comparison group.", "1/s"
    ),
    *_bounds("qps", "1/s"),
    Column("mean_ms", "number", "Mean time of a query; under load, from when it was due.", "ms"),
    Column("p50_ms", "number", "Median time of a query.", "ms"),
    Column("p95_ms", "number", "95th percentile of the time of a query.", "ms"),
    Column("p99_ms", "number", "99th percentile of the time of a query.", "ms"),
    Column("p999_ms", "number", "99.9th percentile of the time of a query.", "ms"),
    Column("build_seconds", "number", "Time to build the index, the median of builds.", "s"),
    Column("index_bytes", "number", "Size of the index, the median of builds.", "bytes"),
    Column("bytes_per_vector", "number", "`index_bytes` divided by `n`.", "bytes"),
    Column("peak_rss_bytes", "number", "Peak memory of the process, of any build.", "bytes"),
    Column("machine", "text", "Processor, cores and memory of the machine."),
    Column("commits", "tuple", "Git commits of the harness that measured the builds."),
    Column("versions", "mapping", "Versions of the libraries that the newest build loaded."),
    Column("size_scope", "text", "How `index_bytes` is known: computed or measured."),
    Column("cost_per_million_queries", "number", "At the price of the machine that was given."),
    *_bounds("cost_per_million_queries"),
    Column("offered_qps", "number", "Queries that arrived per second under load.", "1/s"),
    Column("achieved_qps", "number", "Queries that were answered per second under load.", "1/s"),
    Column("p99_bound_ms", "number", "Bound of p99 for which a rate was searched.", "ms"),
    Column("max_rate_qps", "number", "Highest rate with p99 within that bound.", "1/s"),
    *_bounds("max_rate_qps", "1/s"),
    Column("dropped_share", "number", "Share of queries dropped after `drop_ms`, not answered."),
    Column("late_start_share", "number", "Share of queries that the load generator began late."),
    Column("late_generator", "flag", "That share is above 1 %: the rate was not kept."),
    Column("drop_ms", "number", "Time after which a waiting query was dropped.", "ms"),
    Column(
        "distance_computations",
        "number",
        "Rows compared with a query, by their numbers or codes: the mean, as the adapter counts.",
    ),
    Column("build_queries", "number", "Queries that take as long as the build at this `qps`."),
)
"""The columns of the CSV, in its order. Their names, order and meaning are stable."""

_IN_JSON_AND_PARQUET = (
    Column("metric", "text", "`angular`, `euclidean` or `inner_product`."),
    Column("n", "whole number", "Rows of the base."),
    Column("d", "whole number", "Dimensions."),
    Column("nq", "whole number", "Queries."),
    Column("key", "text", "Hash of all that could change the neighbours or the speed."),
    Column("qps_scope", "text", "What the interval of `qps` covers."),
    Column("measured_qps", "number", "Queries per second as measured.", "1/s"),
    Column("block_ids", "tuple", "The block of each build; empty text for none."),
    Column("nondeterministic", "flag", "The neighbours of a build differ from pass to pass."),
    Column(
        "has_answers",
        "flag",
        "Answers and times are stored; else recall and latency are as their sender states them.",
    ),
    Column("near_no_op", "flag", "`qps` is at least half of `no_op_qps`."),
    Column("tuning_recall", "number", "Recall@k of the tuning queries."),
    Column("held_out_recall", "number", "Recall@k of the held-out queries."),
    *_bounds("held_out_recall"),
    *(
        Column(
            f"recall_within_{percent}_percent",
            "number",
            f"Share of the returned neighbours at most {percent} % farther than the k-th true one.",
        )
        for percent in (1, 10)
    ),
    Column(
        "relative_error",
        "number",
        "How much farther the returned neighbours are than the true ones, as a share.",
    ),
    Column("dirty", "flag", "A build was measured with uncommitted changes."),
    Column("warnings", "tuple", "Warnings of the builds, and why a figure is unknown, each once."),
    Column(
        "libraries",
        "mapping",
        "Versions of what the entry requires, and of the loaded ones of NumPy, FAISS and Numba.",
    ),
    Column("family", "text", "Family of the algorithm, as its entry at hand says."),
    Column("tuned", "text", "With what `tune` found the parameters; empty if it did not."),
    Column("track", "text", "`filtered` if each query has a filter, else `plain`."),
    Column("by_filter", "mapping", "Recall and speed by selectivity and correlation of filters."),
    Column("filter_seconds", "number", "Time to evaluate a filter, the median of filters.", "s"),
    Column("recall_curve", "array", "Recall@K for K = 1 to k, `(k,)`."),
    Column("first_recall_curve", "array", "As `recall1@K` for K = 1 to k, `(k,)`."),
)

_NOT_EXPORTED = (
    Column("name", "text", "Short text of the parameters."),
    Column("about", "text", "What the algorithm is, as its entry at hand says."),
    Column("dataset_about", "mapping", "What the entry and the rows of the dataset at hand say."),
    Column("in_answers", "flag", "The point can be recommended; false for `no-op`."),
    Column("adapter_sha256", "text", "Hash of the adapter's source."),
    Column("fingerprint", "text", "Hash of the dataset."),
    Column("question", "text", "Hash that all versions of the point have in common."),
    Column("path", "text", "File of the point."),
    Column("log_tail", "text", "End of the output of a failed process."),
    Column("seconds_spent", "number", "Time that a failed point took.", "s"),
    *(bound for k in RECALL_KS if k != 10 for bound in _bounds(f"recall@{k}")),
    *(bound for k in RECALL_KS for bound in _bounds(f"recall1@{k}")),
    *_curve_bounds("recall"),
    *_curve_bounds("first_recall"),
    *_bounds("build_seconds", "s"),
    Column("prepare_seconds", "number", "Time of `prepare`, the median of builds.", "s"),
    Column("measured_index_bytes", "number", "Growth of memory during the build.", "bytes"),
    Column("seeds", "tuple", "Seed of each build."),
    Column("build_qps", "array", "Queries per second of each build, `(builds,)`.", "1/s"),
    Column("build_log_seconds", "array", "Log seconds per query of each build, `(builds,)`."),
    Column("reference_log_seconds", "array", "The same of the reference index, `(builds,)`."),
    Column("round_levels", "tuple", "Log seconds per query by round, an array for each build."),
    Column("reference_levels", "tuple", "The same of the reference index."),
    Column("query_seconds", "array", "Time of each query, the median of builds, `(nq,)`.", "s"),
    Column("query_recall", "array", "Recall@k of each query, `(nq,)`."),
    Column("query_first_recall", "array", "Recall 1@1 of each query, `(nq,)`."),
    Column("query_difficulty", "array", "Local intrinsic dimensionality at each query, `(nq,)`."),
    Column("recall_of_queries", "array", "Recall@K, `(builds, nq, k)`.", per_query=True),
    Column("first_recall_of_queries", "array", "Recall 1@K, `(builds, nq, k)`.", per_query=True),
    Column("no_op_qps", "number", "QPS of `no-op` under the same conditions.", "1/s"),
    Column("diagnostics", "mapping", "Diagnostics of the first build: tables of columns."),
    Column("finished_at", "text", "When the newest build ended."),
    Column("sequence", "whole number", "Larger for results that were stored later."),
    Column("provenance", "mapping", "Machine, conditions, source, libraries of the newest build."),
)

COLUMNS = (
    *(replace(column, export="all") for column in _IN_ALL_EXPORTS),
    *(replace(column, export="JSON and Parquet") for column in _IN_JSON_AND_PARQUET),
    *_NOT_EXPORTED,
)
"""All columns, in their order in the table and in exports."""


def or_nan(value: float | None) -> float:
    """Return a figure for a column of numbers; NaN if it is unknown."""
    return nan if value is None else value
