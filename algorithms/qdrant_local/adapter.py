"""Qdrant's local mode: the client keeps a collection in memory and searches it exhaustively."""

import json
from itertools import pairwise
from typing import Any

import numpy as np
from qdrant_client import QdrantClient, models

from harness.contracts import (
    Algorithm,
    And,
    Attributes,
    Category,
    Contains,
    Equals,
    Filter,
    Ids,
    In,
    Number,
    Range,
    Rows,
    Tags,
)

_DISTANCES = {
    "angular": models.Distance.DOT,
    "inner_product": models.Distance.DOT,
    "euclidean": models.Distance.EUCLID,
}


class QdrantLocal(Algorithm):
    """A collection in the process of the client, which has no index: the server has.

    A filter is evaluated over the payload of every row, in Python.

    Parameters
    ----------
    metric
        Any.
    seed
        Without effect: nothing is drawn.
    """

    def fit(self, base: Rows) -> None:
        """Upload `base`, `(n, d)` float32."""
        self.fit_filtered(base, {})

    def fit_filtered(self, base: Rows, attributes: Attributes) -> None:
        """Upload `base`, `(n, d)` float32, with the attributes of each row as its payload."""
        self._shape: tuple[int, int] = base.shape
        self._attributes = attributes
        self._client = QdrantClient(":memory:")
        space = models.VectorParams(size=base.shape[1], distance=_DISTANCES[self.metric])
        self._client.create_collection("base", vectors_config=space)
        payload = _payload(attributes) if attributes else None
        self._client.upload_collection("base", base, payload, ids=range(len(base)))

    def query(self, query: Rows, k: int) -> Ids:
        """Return the `(k,)` nearest ids of one query."""
        return self._nearest(query, k, None)

    def query_filtered(self, query: Rows, k: int, filter: Filter) -> Ids:  # type: ignore[override]
        """Return the `(k,)` nearest ids of the rows that match."""
        return self._nearest(query, k, models.Filter(must=[_condition(filter)]))

    def index_bytes(self) -> int:
        """Return the bytes of the float32 rows, and of the payload as JSON."""
        payload = len(json.dumps(_payload(self._attributes))) if self._attributes else 0
        return 4 * self._shape[0] * self._shape[1] + payload

    def _nearest(self, query: Rows, k: int, wanted: Any) -> Ids:
        found = self._client.query_points(
            "base", query, query_filter=wanted, limit=k, with_payload=False
        )
        ids = np.fromiter((point.id for point in found.points), np.int64)
        return ids if len(ids) == k else np.pad(ids, (0, k - len(ids)), constant_values=-1)


def _payload(attributes: Attributes) -> list[dict[str, Any]]:
    """The attributes of each row by name."""
    columns = [_values(column) for column in attributes.values()]
    return [dict(zip(attributes, row, strict=True)) for row in zip(*columns, strict=True)]


def _values(column: Category | Number | Tags) -> list[Any]:
    """The JSON value of each row; JSON has no NaN, which stands for none."""
    match column:
        case Category():
            return [column.names[code] for code in column.codes.tolist()]
        case Number():
            return [None if np.isnan(value) else value for value in column.values.tolist()]
        case Tags():
            names = [column.names[code] for code in column.codes.tolist()]
            starts = column.starts.tolist()
            return [names[start:end] for start, end in pairwise(starts)]


def _condition(one: Filter) -> Any:
    """The filter in Qdrant's language."""
    match one:
        case Equals() | Contains():  # a list matches if one of its values does
            return models.FieldCondition(
                key=one.attribute, match=models.MatchValue(value=one.value)
            )
        case In():
            return models.FieldCondition(
                key=one.attribute, match=models.MatchAny(any=list(one.values))
            )
        case Range():
            return models.FieldCondition(
                key=one.attribute, range=models.Range(gte=one.least, lte=one.most)
            )
        case And():
            return models.Filter(must=[_condition(part) for part in one.parts])
