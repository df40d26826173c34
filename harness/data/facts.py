"""What the rows of a dataset are like: duplicates and norms, kept in the cache."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from harness.data.cache.cached import CachedDataset
from harness.data.cache.folder import cache_subfolder
from harness.data.verifying import RowFacts, row_facts, rows_in
from harness.files.replacing import write_text


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
