"""The metrics of space that datasets and algorithms declare."""

from __future__ import annotations

from typing import Literal, get_args

Metric = Literal["angular", "euclidean", "inner_product"]
"""The metric of a dataset, under which its neighbours are the nearest."""

METRICS: tuple[Metric, ...] = get_args(Metric)
"""All metrics."""
