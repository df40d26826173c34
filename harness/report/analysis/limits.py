"""The part of a table that is asked for: a suite's, or within limits of recall and memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from harness.contracts import UserError
from harness.contracts.definitions import Load
from harness.contracts.filters import POST_FILTER
from harness.data.loading import is_named_after
from harness.errors import did_you_mean
from harness.measures.choosing import eligible
from harness.registry.registry import Registry
from harness.registry.settings import Facts, Setting, settings
from harness.registry.suites import Suite, Variant
from harness.report.analysis.points import prepare, rows_of
from harness.report.quantities import human
from harness.results.table.columns import Row


@dataclass(frozen=True)
class Limits:
    """The filters of a table; empty or None means no limit.

    `datasets` are names, or paths of files; `algorithms` are algorithms or labels; `max_bytes` is
    the most bytes per vector.
    """

    datasets: Sequence[str] = ()
    algorithms: Sequence[str] = ()
    max_bytes: float | None = None


def within(table: pd.DataFrame, limits: Limits) -> pd.DataFrame:
    """Return the points within the limits; points of unknown size exceed every memory budget.

    Parameters
    ----------
    table
        As from `harness.load_results`, not empty.

    Raises
    ------
    UserError
        If a name is not in the table, or nothing is left.
    """
    kept = table[_are_of(table, limits.datasets) & _are_by(table, limits.algorithms)]
    if kept.empty:
        raise UserError(
            "no results of these algorithms on these datasets",
            expected=", ".join(sorted({f"{a} on {d}" for a, d in _pairs(table)})),
        )
    if limits.max_bytes is None:
        return kept
    fitting = kept[kept["bytes_per_vector"] <= limits.max_bytes]
    if not fitting["in_answers"].any():
        raise _nothing_fits(kept[kept["in_answers"]], limits.max_bytes)
    return fitting


def curves_named(table: pd.DataFrame, names: Sequence[str]) -> set[str]:
    """Return the curves of these algorithms or labels.

    Raises
    ------
    UserError
        If a name is not in the table.
    """
    chosen = table[_are_by(table, names)] if names else table.iloc[:0]
    return set(prepare(chosen, stale=True)["curve"])


def reaching(table: pd.DataFrame, recall: float) -> pd.DataFrame:
    """Return the points that reach a recall with confidence, as for recommendations.

    Raises
    ------
    UserError
        If none does.
    """
    tuning, low = table["tuning_recall"], table["held_out_recall_low"]
    kept = table[eligible(tuning, low, recall)]
    if kept.empty:
        known = f"the highest is {low.max():.3f}, by its lower bound"
        raise UserError(
            f"no point reaches recall {recall:g} with confidence",
            got=known if low.notna().any() else "no point was measured",
        )
    return kept


def _are_of(table: pd.DataFrame, names: Sequence[str]) -> pd.Series[bool]:
    found = pd.Series(not names, index=table.index)
    for name in names:
        own = table["dataset"].map(lambda stored, name=name: same_dataset(str(stored), name))
        found |= _some(own, f"no results on the dataset {name!r}", name, table["dataset"])
    return found


def _are_by(table: pd.DataFrame, names: Sequence[str]) -> pd.Series[bool]:
    found = pd.Series(not names, index=table.index)
    known = {*table["algorithm"], *table["label"]}
    for name in names:
        own = (table["algorithm"] == name) | (table["label"] == name)
        found |= _some(own, f"no results of an algorithm or label {name!r}", name, known)
    return found


def _some(found: pd.Series[bool], what: str, name: str, known: Iterable[str]) -> pd.Series[bool]:
    if not found.any():
        raise UserError(what, hint=did_you_mean(name, set(known)))
    return found


def _pairs(table: pd.DataFrame) -> Iterable[tuple[str, str]]:
    return zip(table["label"], table["dataset"], strict=True)


def _nothing_fits(points: pd.DataFrame, most: float) -> UserError:
    sizes = points["bytes_per_vector"]
    if sizes.notna().any():
        smallest = int(np.nanargmin(sizes))
        got = f"the smallest, {points['label'].iloc[smallest]}, has {human(sizes.iloc[smallest])}"
    else:
        got = "no point of known size"
    return UserError(f"no point has at most {most:g} bytes per vector", where="max_bytes", got=got)


def of_suite(table: pd.DataFrame, suite: Suite, registry: Registry) -> pd.DataFrame:
    """Return the points that a suite asks for, under its labels, from any machine.

    `no-op` points of the same datasets, k, mode and threads are kept, for the harness overhead.

    Raises
    ------
    UserError
        If the table holds none of them.
    """
    wanted = _Wanted(suite, registry)
    labels = [wanted.label(row) for row in rows_of(table)]
    chosen = table[[label is not None for label in labels]].copy()
    chosen["label"] = [label for label in labels if label is not None]
    if chosen.empty:
        raise UserError(
            f"no results of the suite {suite.name}",
            got=f"{len(table)} points of other suites" if len(table) else "no results at all",
            hint=f"annharness run {suite.name}",
        )
    return chosen


class _Wanted:
    """The rows that a suite asks for; grids are expanded once for each dataset and k."""

    def __init__(self, suite: Suite, registry: Registry) -> None:
        self._suite = suite
        self._registry = registry
        self._settings: dict[Facts, list[tuple[Variant, Setting]]] = {}

    def label(self, row: Row) -> str | None:
        """The label of a row in the suite, or None if it is not part of it."""
        suite = self._suite
        if (row["mode"], row["threads"]) != (suite.mode, suite.threads) or row["k"] not in suite.ks:
            return None
        if suite.loads and not any(_may_be_under(row, load) for load in suite.loads):
            return None
        if not any(same_dataset(str(row["dataset"]), name) for name in suite.datasets):
            return None
        if not row["in_answers"]:
            return str(row["algorithm"])
        return next((v.label for v, setting in self._asked(row) if _fits(row, v, setting)), None)

    def _asked(self, row: Row) -> list[tuple[Variant, Setting]]:
        facts = Facts(k=int(row["k"]), n=int(row["n"]), d=int(row["d"]), metric=row["metric"])
        if facts not in self._settings:
            self._settings[facts] = [
                (variant, setting)
                for variant in self._suite.variants
                for setting in self._expanded(variant, facts)
            ]
        return self._settings[facts]

    def _expanded(self, variant: Variant, facts: Facts) -> Iterator[Setting]:
        definition = self._registry.algorithm(variant.algorithm)
        return settings(definition, facts, variant.group, variant.build, variant.search)


def _may_be_under(row: Row, load: Load) -> bool:
    """Whether queries arrived at this rate or for this bound; of failures that is not stored."""
    if row["status"] != "ok":
        return True
    arrived = row["offered_qps"] == load.rate or row["p99_bound_ms"] == load.p99_ms
    return bool(arrived and row["drop_ms"] == load.drop_ms)


def _fits(row: Row, variant: Variant, setting: Setting) -> bool:
    """Whether a stored point has the setting; parameters added or removed since do not count.

    But `post_filter` is none of an entry's: a suite gives it to one variant and not to another.
    """
    pairs = ((row["build"], setting.build), (row["search"], setting.search))
    if row["search"].get(POST_FILTER) != setting.search.get(POST_FILTER):
        return False
    return row["algorithm"] == variant.algorithm and all(
        stored[name] == asked[name]
        for stored, asked in pairs
        for name in stored.keys() & asked.keys()
    )


def same_dataset(stored: str, named: str) -> bool:
    """Whether a stored name is that of a registry entry, or of a file's stem and fingerprint."""
    return stored == named or is_named_after(stored, Path(named))
