"""The public Python API: what the command line does, from a script or a notebook.

Options have the names and meanings of the command line's. Results are read from and written to a
results folder, so what one function measured another one finds.
"""

from harness.api.measuring import RunResult, TuneResult, open_dataset, run, tune
from harness.api.reading import (
    Comparisons,
    HighestRecalls,
    Histories,
    Recommendations,
    compare,
    highest_recall,
    history,
    recommend,
)
from harness.api.showing import plot, publish
from harness.contracts import Algorithm, Dataset, UserError

__all__ = [
    "Algorithm",
    "Comparisons",
    "Dataset",
    "HighestRecalls",
    "Histories",
    "Recommendations",
    "RunResult",
    "TuneResult",
    "UserError",
    "compare",
    "highest_recall",
    "history",
    "open_dataset",
    "plot",
    "publish",
    "recommend",
    "run",
    "tune",
]
