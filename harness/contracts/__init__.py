"""What plug-ins use: the contracts of algorithms and datasets, and the error for users."""

from harness.contracts.algorithm import Algorithm, Ids, Rows, Table
from harness.contracts.dataset import Dataset, Labels, Vectors
from harness.contracts.folders import TemporaryFolder, bytes_below
from harness.contracts.threads import allotted_threads, threads_allotted
from harness.errors import UserError
from harness.metric import METRICS, Metric

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
