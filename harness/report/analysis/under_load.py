"""Latency under load by setting: at given rates, and the highest rate within a bound, in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

import pandas as pd

from harness.measures.load import MOST_LATE_SHARE
from harness.report.analysis.points import ComparisonGroup
from harness.report.quantities import human
from harness.report.texts import plus_minus
from harness.results.table.columns import Row

DUE = "Latency from when a query was due"
LATE = (
    f"!: the load generator began more than {100 * MOST_LATE_SHARE:g} % of the queries late, and "
    "did not keep the rate"
)


@dataclass(frozen=True, eq=False)
class LoadedSetting:
    """A setting of a group under load.

    `name` tells it from the others of the group: the curve, with the parameters that differ within
    the curve. `at_rates` are its points at given rates, slowest first; `searched` those of the
    search for the highest rate within a bound.
    """

    name: str
    curve: str
    parameters: str
    at_rates: pd.DataFrame
    searched: pd.DataFrame


def settings_under_load(group: ComparisonGroup) -> list[LoadedSetting]:
    """Return the settings of a group under load, by curve and parameters."""
    points = group.points.sort_values("offered_qps", kind="stable")
    found = []
    for curve, rows in points.groupby("curve", sort=True):
        names = _short_names(
            str(curve), sorted(set(map(str, rows["parameters"])), key=_numeric_order)
        )
        for parameters, name in names.items():
            own = rows[rows["parameters"] == parameters]
            at_rates, searched = own["offered_qps"].notna(), own["p99_bound_ms"].notna()
            found.append(LoadedSetting(name, str(curve), parameters, own[at_rates], own[searched]))
    return found


def _numeric_order(text: str) -> list[tuple[bool, int, str]]:
    """Order texts by the numbers in them: 50 before 100."""
    parts = re.split(r"(\d+)", text)
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def _short_names(curve: str, parameters: Sequence[str]) -> dict[str, str]:
    """The name of each setting of a curve: without the parameters that all of them share."""
    words = {text: [word for word in text.split() if word != "|"] for text in parameters}
    common = set.intersection(*map(set, words.values()))
    return {
        text: " ".join([curve, *(word for word in found if word not in common)])
        for text, found in words.items()
    }


def offered_text(row: Row) -> str:
    """Return the rate that was offered, such as "1.5k", marked if it was not kept."""
    return human(row["offered_qps"]) + _late_mark(row)


def highest_text(row: Row) -> str:
    """Return the highest rate within a bound, such as "at most 1.5k ±3%"."""
    bounds = (row["max_rate_qps"], row["max_rate_qps_low"], row["max_rate_qps_high"])
    if isnan(bounds[0]):
        return f"not known{_late_mark(row)}"
    return f"at most {human(bounds[0])} {plus_minus(*bounds)}".strip() + _late_mark(row)


def bound_text(row: Row) -> str:
    """Return the bound of p99, such as "<= 5 ms"."""
    return f"<= {human(row['p99_bound_ms'], 'ms')}"


def _late_mark(row: Row) -> str:
    return "!" if row["late_generator"] else ""
