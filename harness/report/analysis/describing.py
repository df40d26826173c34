"""What the registry and the cache at hand say about the algorithms and datasets of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import pandas as pd

from harness.contracts import UserError
from harness.contracts.definitions import DatasetDefinition
from harness.contracts.filters import FILTERED_SUFFIX
from harness.data.cache.cached import CachedDataset, cached_by_name, open_cached
from harness.data.parts import DISTRIBUTIONS, describe_split
from harness.data.plane import Plane, plane_of
from harness.data.truth.difficulty import Quantiles, contrast_at_hand, quantiles_of
from harness.data.verifying import rows_of_dataset
from harness.registry.registry import Registry
from harness.registry.schema.values import ENTRY_NAME


class DatasetAbout(TypedDict, total=False):
    """The column `dataset_about`; what is not known at hand is missing.

    `about`, `licence`, `queries` (how they were drawn) and `query_distribution` (against that of
    the base) are of the entry. `duplicates` and `zero`
    count base rows, `queries_in_base` the queries equal to one; `norms` of the base are the least,
    the median and the largest; `contrast` is the relative contrast of the queries,
    `plane` a sample of rows and queries on two principal components.
    """

    about: str
    licence: str
    queries: str
    query_distribution: str
    duplicates: int
    zero: int
    queries_in_base: int
    norms: tuple[float, float, float]
    contrast: Quantiles
    plane: Plane


def with_entries(table: pd.DataFrame, registry: Registry) -> pd.DataFrame:
    """Return the table with what the entries say: `family`, `about` and `dataset_about`."""
    entries = [registry.algorithms.get(str(name)) for name in table["algorithm"]]
    names = {str(name) for name in table["dataset"]}
    datasets = {name: _dataset_about(name, registry) for name in names}
    texts = {
        "family": [entry.family if entry is not None else None for entry in entries],
        "about": [entry.about if entry is not None else None for entry in entries],
    }
    return table.assign(
        **{name: pd.Series(values, table.index, "str") for name, values in texts.items()},
        dataset_about=_column(table, [datasets[str(n)] for n in table["dataset"]]),
    )


def with_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with what the rows of its datasets are like, in `dataset_about`.

    Of datasets in the cache with the fingerprint of the table. The rows are read once, and what was
    found is kept in the cache. The ground truth is not computed.
    """
    pairs = list(zip(table["dataset"], table["fingerprint"], strict=True))
    found = {pair: _rows_about(*pair) for pair in sorted(set(pairs))}
    told = zip(table["dataset_about"], pairs, strict=True)
    return table.assign(dataset_about=_column(table, [{**a, **found[p]} for a, p in told]))


def _column(table: pd.DataFrame, values: Sequence[Mapping[str, object]]) -> pd.Series[Any]:
    return pd.Series(values, table.index, dtype="object")


def _dataset_about(name: str, registry: Registry) -> DatasetAbout:
    """What an entry says of its dataset, or of its filtered queries; nothing without an entry."""
    entry = registry.datasets.get(name.removesuffix(FILTERED_SUFFIX))
    if entry is None:
        return {}
    about = _entry_about(entry)
    if name.endswith(FILTERED_SUFFIX):
        about["about"] += " Each query has a filter."
        del about["queries"]
    return about


def _entry_about(entry: DatasetDefinition) -> DatasetAbout:
    found: DatasetAbout = {
        "about": entry.about,
        "licence": entry.licence,
        "queries": describe_split(entry.split),
    }
    known = entry.query_distribution
    return found if known is None else {**found, "query_distribution": DISTRIBUTIONS[known]}


def _rows_about(name: str, fingerprint: str) -> DatasetAbout:
    dataset = _at_hand(name)
    if dataset is None or dataset.fingerprint != fingerprint:
        return {}
    rows = rows_of_dataset(dataset)
    found: DatasetAbout = {
        "duplicates": rows.base.duplicates,
        "zero": rows.base.zero,
        "queries_in_base": rows.queries_in_base,
        "norms": rows.base.norms,
    }
    contrast = contrast_at_hand(dataset)
    spread = quantiles_of(contrast) if contrast is not None else None
    if spread is not None:
        found["contrast"] = spread
    plane = plane_of(dataset)
    if plane is not None:
        found["plane"] = plane
    return found


def _at_hand(name: str) -> CachedDataset | None:
    path = cached_by_name(name) if ENTRY_NAME.fullmatch(name) else None  # no path from a result
    try:
        return open_cached(path) if path is not None else None
    except UserError:  # a damaged file, which is made again when it is next needed
        return None
