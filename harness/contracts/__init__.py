"""What plug-ins use: the contracts of algorithms and datasets, and the error for users."""

from harness.contracts.algorithm import Algorithm, Ids, Rows, Table
from harness.contracts.dataset import METRICS, Dataset, Labels, Metric, Vectors
from harness.contracts.resources import (
    TemporaryFolder,
    allotted_threads,
    bytes_below,
    threads_allotted,
)
from harness.errors import UserError

__all__ = [
    "METRICS",
    "Algorithm",
    "Dataset",
    "Ids",
    "Labels",
    "Metric",
    "Rows",
    "Table",
    "TemporaryFolder",
    "UserError",
    "Vectors",
    "allotted_threads",
    "bytes_below",
    "threads_allotted",
]
