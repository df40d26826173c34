"""What plug-ins see: the algorithm and dataset contracts and the error for users."""

from harness.contracts.algorithm import Algorithm
from harness.contracts.dataset import Dataset, Labels, Vectors
from harness.contracts.errors import UserError
from harness.contracts.threads import allotted_threads, threads_allotted
from harness.metric import METRICS, Metric

__all__ = [
    "METRICS",
    "Algorithm",
    "Dataset",
    "Labels",
    "Metric",
    "UserError",
    "Vectors",
    "allotted_threads",
    "threads_allotted",
]
