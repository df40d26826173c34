"""What plug-ins use: the contracts of algorithms and datasets, and the error for users."""

from harness.contracts.algorithm import Algorithm, Ids, Rows, Table
from harness.contracts.dataset import METRICS, Dataset, FilterSource, Labels, Metric, Vectors
from harness.contracts.filters import (
    And,
    Attributes,
    Bitmap,
    Category,
    Contains,
    Equals,
    Filter,
    FilteredQueries,
    In,
    Number,
    Range,
    Tags,
)
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
    "And",
    "Attributes",
    "Bitmap",
    "Category",
    "Contains",
    "Dataset",
    "Equals",
    "Filter",
    "FilterSource",
    "FilteredQueries",
    "Ids",
    "In",
    "Labels",
    "Metric",
    "Number",
    "Range",
    "Rows",
    "Table",
    "Tags",
    "TemporaryFolder",
    "UserError",
    "Vectors",
    "allotted_threads",
    "bytes_below",
    "threads_allotted",
]
