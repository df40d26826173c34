"""The part of a table that a suite speaks of."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from harness.contracts import UserError
from harness.registry.algorithms import Facts, settings
from harness.registry.registry import Registry
from harness.registry.suites import Suite
from harness.report.points import rows_of

_FINGERPRINT_DIGITS = 8


def of_suite(table: pd.DataFrame, suite: Suite, registry: Registry) -> pd.DataFrame:
    """Return the points that a suite asks for, under its labels, from whatever machine.

    `no-op` points of the same datasets, k, mode and threads are kept: they are the harness's limit.

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
    """Which rows a suite asks for; grids are expanded once for each dataset and k."""

    def __init__(self, suite: Suite, registry: Registry) -> None:
        self._suite = suite
        self._registry = registry
        self._labels: dict[tuple[Any, ...], dict[str, str]] = {}

    def label(self, row: Mapping[str, Any]) -> str | None:
        """The label of a row in the suite, or None if it is not part of it."""
        suite = self._suite
        fits = (
            row["k"] in suite.ks and row["mode"] == suite.mode and row["threads"] == suite.threads
        )
        if not fits or not any(_same_dataset(str(row["dataset"]), name) for name in suite.datasets):
            return None
        if not row.get("in_answers", True):
            return str(row["algorithm"])
        return self._labels_for(row).get(_point(row["algorithm"], row["build"], row["search"]))

    def _labels_for(self, row: Mapping[str, Any]) -> dict[str, str]:
        facts = Facts(k=int(row["k"]), n=int(row["n"]), d=int(row["d"]), metric=row["metric"])
        key = (facts.k, facts.n, facts.d, facts.metric)
        if key not in self._labels:
            self._labels[key] = self._expanded(facts)
        return self._labels[key]

    def _expanded(self, facts: Facts) -> dict[str, str]:
        labels: dict[str, str] = {}
        for variant in self._suite.variants:
            definition = self._registry.algorithm(variant.algorithm)
            grid = settings(definition, facts, variant.group, variant.build, variant.search)
            for setting in grid:
                point = _point(variant.algorithm, setting.build, setting.search)
                labels.setdefault(point, variant.label)
        return labels


def _point(algorithm: str, build: Mapping[str, Any], search: Mapping[str, Any]) -> str:
    return json.dumps([algorithm, dict(build), dict(search)], sort_keys=True, default=str)


def _same_dataset(stored: str, named: str) -> bool:
    """Whether a stored name is that of a registry entry, or of a file's stem and fingerprint."""
    if stored == named:
        return True
    stem = re.sub(r"[^A-Za-z0-9]", "", Path(named).stem)
    digits = stored.rpartition("-")
    return len(digits[2]) == _FINGERPRINT_DIGITS and re.sub(r"[^A-Za-z0-9]", "", digits[0]) == stem
