"""Does the manifest of a package state what its files give? All figures are computed anew."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import harness
from harness.interop.package import (
    FIGURES,
    MANIFEST,
    QUERIES,
    Package,
    PackedPoint,
    figures_of,
    origins_of,
)
from harness.interop.point_checks import Finding
from harness.report.analysis.points import rows_of
from harness.report.export.exporting import query_rows
from harness.results.table.columns import Row
from harness.text import clean, told

_SAME = 1e-9  # of figures that are computed anew from the same file
_NAMED = (
    *("dataset", "algorithm", "label", "k", "machine"),
    *("status", "builds", "has_answers"),
)
_SPEEDS = ("qps", "qps_low", "qps_high")
_OTHER_RELEASE = 2.0  # by so much, at most, two releases estimate a speed differently
_MOST_QUERIES_BYTES = 1 << 30
_NUMBERS = ("query", "recall", "seconds", "difficulty")


def manifest_findings(package: Package, table: pd.DataFrame) -> Iterator[Finding]:
    """Yield how a package's manifest and rows of queries differ from the table of its files."""
    yield from _of_figures(package, table)
    yield from _of_origins(package, table)
    yield from _of_queries(package, table)


def _of_figures(package: Package, table: pd.DataFrame) -> Iterator[Finding]:
    """Compare what the manifest states of each point with what its files give."""
    rows = {row["key"]: row for row in rows_of(table)}
    stated = {point.key: point for point in package.manifest.points}
    if len(stated) < len(package.manifest.points):
        yield Finding("refused", MANIFEST, "states a point twice")
    for key in rows.keys() - stated.keys():
        yield Finding("refused", _called(rows[key]), "is not in the manifest")
    for key, point in stated.items():
        where = f"{point.dataset}, {point.label} {point.parameters}"
        if key not in rows:
            yield Finding("refused", where, "is in the manifest, not in the files")
            continue
        row = rows[key]
        for name in _NAMED:
            if getattr(point, name) != row[name]:
                yield Finding("refused", where, _differs(name, getattr(point, name), row[name]))
        if point.parameters != row["name"] or point.figures.keys() - set(FIGURES):
            yield Finding("refused", where, "states parameters or figures that are not its own")
        yield from _of_numbers(where, point, row, package.manifest.harness_version)


def _of_numbers(where: str, point: PackedPoint, row: Row, version: str) -> Iterator[Finding]:
    figures = figures_of(row)
    for name in FIGURES:
        stated, read = point.figures.get(name), figures.get(name)
        if _equal(stated, read):
            continue
        # Another version may estimate a speed otherwise; a recall is what it is.
        other = (
            name in _SPEEDS and version != harness.__version__ and stated is not None
            and read is not None and read / _OTHER_RELEASE <= stated <= read * _OTHER_RELEASE
        )  # fmt: skip
        text = _differs(name, stated, read)
        yield Finding("warning" if other else "refused", where, text)


def _equal(stated: float | None, read: float | None) -> bool:
    if stated is None or read is None:
        return stated is read
    return math.isclose(stated, read, rel_tol=_SAME, abs_tol=_SAME)


def _differs(name: str, stated: object, read: object) -> str:
    texts = [f"{v:.6g}" if isinstance(v, float) else clean(v, 100) for v in (stated, read)]
    return f"{name} is {texts[0]} in the manifest, {texts[1]} by its files"


def _of_origins(package: Package, table: pd.DataFrame) -> Iterator[Finding]:
    """Compare the machines and commits of the manifest with those of the results."""
    for name, values in origins_of(list(rows_of(table))).items():
        if getattr(package.manifest, name) != values:
            yield Finding("refused", MANIFEST, f"its {name} are not those of its results")


def _of_queries(package: Package, table: pd.DataFrame) -> Iterator[Finding]:
    """Compare the numbers of the rows of queries, if there are any, with those computed anew.

    Texts are not read: a few bytes may stand for many long ones.
    """
    path = package.root / QUERIES
    if not path.exists():
        return
    ours = query_rows(table)
    try:
        same = _same_numbers(path, ours)
    except Exception as error:  # pyarrow raises many kinds for damaged files
        yield Finding("refused", QUERIES, f"cannot be read: {told(error)}")
        return
    if not same:
        yield Finding("refused", QUERIES, "its rows are not those of the results")


def _same_numbers(path: Path, ours: pd.DataFrame) -> bool:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        about = file.metadata
        if about.num_rows != len(ours) or file.schema_arrow.names != list(ours.columns):
            return False
        types = {one.name: one.type for one in file.schema_arrow if one.name in _NUMBERS}
        fixed = all(
            pyarrow.types.is_float64(t) or pyarrow.types.is_int64(t) for t in types.values()
        )
        if not fixed or about.num_rows * len(_NUMBERS) * 8 > _MOST_QUERIES_BYTES:
            return False
        theirs = file.read(columns=list(_NUMBERS)).to_pandas()
    return all(
        np.allclose(theirs[name].to_numpy(float), ours[name].to_numpy(float), _SAME, _SAME, True)
        for name in _NUMBERS
    )


def _called(row: Row) -> str:
    return f"{row['dataset']}, {row['label']} {row['name']}"
