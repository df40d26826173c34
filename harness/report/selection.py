"""The part of a table that belongs to a suite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from harness.contracts import UserError
from harness.data.file_names import is_named_after
from harness.registry.algorithms import Facts, Setting, settings
from harness.registry.registry import Registry
from harness.registry.suites import Suite, Variant
from harness.report.points import rows_of


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

    def label(self, row: Mapping[str, Any]) -> str | None:
        """The label of a row in the suite, or None if it is not part of it."""
        suite = self._suite
        if (row["mode"], row["threads"]) != (suite.mode, suite.threads) or row["k"] not in suite.ks:
            return None
        if not any(same_dataset(str(row["dataset"]), name) for name in suite.datasets):
            return None
        if not row.get("in_answers", True):
            return str(row["algorithm"])
        return next((v.label for v, setting in self._asked(row) if _fits(row, v, setting)), None)

    def _asked(self, row: Mapping[str, Any]) -> list[tuple[Variant, Setting]]:
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


def _fits(row: Mapping[str, Any], variant: Variant, setting: Setting) -> bool:
    """Whether a stored point has the setting; parameters added or removed since do not count."""
    pairs = ((row["build"], setting.build), (row["search"], setting.search))
    return row["algorithm"] == variant.algorithm and all(
        stored[name] == asked[name]
        for stored, asked in pairs
        for name in stored.keys() & asked.keys()
    )


def same_dataset(stored: str, named: str) -> bool:
    """Whether a stored name is that of a registry entry, or of a file's stem and fingerprint."""
    return stored == named or is_named_after(stored, Path(named))
