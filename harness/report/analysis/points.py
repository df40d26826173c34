"""The table prepared for figures and pages: comparison groups of points, and their columns."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.contracts.filters import FILTERED_SUFFIX
from harness.registry.grid import format_value
from harness.report.quantities import quantity
from harness.results.table.columns import Row
from harness.results.table.conditions import CONDITIONS

if TYPE_CHECKING:
    from harness.report.analysis.curves import Ranking
    from harness.report.analysis.recommendations import Candidates


_CONDITIONS = list(CONDITIONS)
_BUT_MACHINE = [name for name in CONDITIONS if name != "machine"]


@dataclass(frozen=True)
class ComparisonGroup:
    """A comparison group: points of one dataset, k, mode, number of threads and machine.

    `points` are finished and can be recommended; `no_op` are those of `no-op`; `failures` are
    neither. `crowd` is True if the table has the same group on another machine as well. `heading`
    is the title of its figures, None for their own; "" leaves out title and conditions.
    """

    dataset: str
    k: int
    mode: str
    threads: int
    machine: str
    points: pd.DataFrame
    no_op: pd.DataFrame
    failures: pd.DataFrame
    crowd: bool = False
    heading: str | None = None

    @property
    def is_filtered(self) -> bool:
        """Whether each query has a filter."""
        return self.dataset.endswith(FILTERED_SUFFIX)

    @property
    def is_under_load(self) -> bool:
        """Whether queries arrived by a schedule: QPS is then what was offered."""
        return self.mode == "load"

    @property
    def conditions(self) -> str:
        """The conditions common to all points: k, threads, mode, size, machine."""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        facts = [f"k = {self.k}", threads, self.mode, self._size(), self.machine]
        return " · ".join(fact for fact in facts if fact)

    @property
    def brief(self) -> str:
        """The conditions that differ between the groups of a dataset."""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        facts = [f"k = {self.k}", threads, "batch" if self.mode == "batch" else ""]
        return ", ".join(fact for fact in [*facts, self.machine if self.crowd else ""] if fact)

    @property
    def slug(self) -> str:
        """A file name's stem, the same for the same group."""
        parts = [self.dataset, f"k{self.k}"]
        parts += [self.mode] if self.mode != "single" else []
        parts += [f"{self.threads}threads"] if self.threads != 1 else []
        parts += [self.machine] if self.crowd else []
        return "-".join(slug(part) for part in parts)

    @cached_property
    def algorithms(self) -> frozenset[str]:
        """The algorithms that have points."""
        return frozenset(map(str, self.points["algorithm"]))

    @cached_property
    def highest_recalls(self) -> Mapping[str, float]:
        """The highest recall of each curve, NaN where none is known."""
        if self.points.empty:
            return {}
        found = self.points.groupby("curve")["recall"].max().to_dict()
        return {str(name): float(recall) for name, recall in found.items()}

    @cached_property
    def failed(self) -> Mapping[str, str]:
        """How the first point failed, of each curve without any other."""
        failures = self.failures[~self.failures["curve"].isin(self.highest_recalls.keys())]
        found = failures.groupby("curve")["status"].first().to_dict() if len(failures) else {}
        return {str(name): str(how) for name, how in found.items()}

    @cached_property
    def ranking(self) -> Ranking:
        """Which of the curves matter."""
        from harness.report.analysis.curves import ranking_of  # which is about comparison_groups

        return ranking_of(self)

    @cached_property
    def candidates(self) -> Candidates:
        """The points that can be chosen, and what choosing at many recalls needs."""
        from harness.report.analysis.recommendations import Candidates, choosable

        return Candidates(choosable(self.points))

    def _size(self) -> str:
        rows = pd.concat([self.points, self.no_op, self.failures])
        n, d, nq = (_only(rows, column) for column in ("n", "d", "nq"))
        if n is None or d is None:
            return ""
        size = f"{n:,} rows of {d}"
        return f"{size}, {nq:,} queries" if nq else size


def slug(text: object, longest: int = 60, *, distinct: bool = False) -> str:
    """Return a part of a file name that is harmless everywhere: letters, digits, dot, minus.

    A hash follows where letters are lost, or, if it has to be `distinct`, where anything is.
    """
    name = str(text)
    whole = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.")
    clean = whole[:longest].strip("-.")
    is_lossy = clean != whole or any(char.isalnum() and not char.isascii() for char in name)
    if is_lossy or (distinct and clean != name):
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{clean or 'unnamed'}-{digest[:8]}"
    return clean or "unnamed"


def prepare(table: pd.DataFrame, *, stale: bool = False) -> pd.DataFrame:
    """Return the table with the columns that reports add.

    `curve` (the name of a line: the label, or the algorithm), `parameters` and `build_parameters`
    (those that distinguish points), `recall`, `recall_low`, `recall_high` (at the k of the point),
    and `distortion`. Stale points are left out unless asked for.
    """
    prepared = table.copy()
    if not stale:
        prepared = prepared[~prepared["stale"]]
    prepared = prepared.reset_index(drop=True)
    rows = list(rows_of(prepared))
    prepared["curve"] = [curve_name(row) for row in rows]
    for name in ("recall", "recall_low", "recall_high"):
        prepared[name] = [_last(row[f"{name}_curve"]) for row in rows]
    prepared["parameters"] = [_parameters(row, "build", "search") for row in rows]
    prepared["build_parameters"] = [_parameters(row, "build") for row in rows]
    prepared["distortion"] = [_distortion(row) for row in rows]
    return prepared


def comparison_groups(
    prepared: pd.DataFrame, *, under_load: bool = False
) -> Iterator[ComparisonGroup]:
    """Yield the comparison groups of a prepared table, in the order of their names.

    They are those that are compared by QPS, or those measured `under_load`, where QPS is what was
    offered.
    """
    prepared = prepared[(prepared["mode"] == "load") == under_load]
    if prepared.empty:
        return
    machines = prepared.fillna({"machine": ""}).groupby(_BUT_MACHINE)["machine"]
    machine_counts = machines.transform("nunique")
    for key, rows in prepared.groupby(_CONDITIONS, sort=True, dropna=False):
        dataset, k, mode, threads, machine = cast(tuple[str, int, str, int, str], key)
        finished = rows["status"] == "ok"
        answers = rows["in_answers"]
        yield ComparisonGroup(
            dataset=str(dataset),
            k=int(k),
            mode=str(mode),
            threads=int(threads),
            machine="" if pd.isna(machine) else str(machine),
            points=rows[finished & answers],
            no_op=rows[finished & ~answers],
            failures=rows[~finished],
            crowd=bool(machine_counts[rows.index[0]] > 1),
        )


def rows_of(table: pd.DataFrame) -> Iterator[Row]:
    """Yield the rows as dicts."""
    names = [str(name) for name in table.columns]
    columns = [table[name].tolist() for name in table.columns]
    for values in zip(*columns, strict=True):
        yield dict(zip(names, values, strict=True))


def title_of(row: Row) -> str:
    """Return the curve of a prepared row and the parameters of its point."""
    return f"{row['curve']} {row['parameters']}".strip()


def known(points: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Return the points at which all these quantities are finite numbers."""
    if points.empty:
        return points
    figures = [points[quantity(name).column] for name in names]
    return points[np.logical_and.reduce([np.isfinite(figure) for figure in figures])]


def curve_name(row: Row) -> str:
    """Return the name of a row's curve: the label, or the algorithm."""
    return str(row["label"] or row["algorithm"])


def _last(curve: object) -> float:
    return float(curve[-1]) if isinstance(curve, np.ndarray) and len(curve) else float("nan")


def _parameters(row: Row, *parts: str) -> str:
    """The parameters in the point's name: those that the registry or the suite varies."""
    named = set(str(row["name"]).replace("|", " ").split())
    chosen = []
    for part in parts:
        given = [f"{name}={format_value(value)}" for name, value in row[part].items()]
        chosen.append(" ".join(one for one in given if not named or one in named))
    return " | ".join(filter(None, chosen))


def numbers(row: Row, table: str, column: str) -> NDArray[np.float64] | None:
    """Return a column of a point's diagnostics; None unless it holds finite numbers."""
    diagnostics = row.get("diagnostics")
    columns = diagnostics.get(table) if isinstance(diagnostics, Mapping) else None
    values = np.asarray(columns.get(column, ()) if isinstance(columns, Mapping) else ())
    usable = values.size and values.dtype.kind in "biuf" and bool(np.isfinite(values).all())
    return values.astype(np.float64) if usable else None


def _distortion(row: Row) -> float:
    """Mean squared error of the quantizer as a share of the vectors' mean square."""
    error = numbers(row, "distortion", "mean_squared_error")
    square = numbers(row, "distortion", "mean_square")
    whole = 1.0 if square is None else float(square.mean())
    return float("nan") if error is None or not whole else float(error.mean()) / whole


def _only(rows: pd.DataFrame, column: str) -> int | None:
    """The one known value of a column, or None."""
    values = rows[column].dropna().unique()
    return int(values[0]) if len(values) == 1 else None
