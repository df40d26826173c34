"""annharness: a benchmark harness for approximate nearest neighbour search.

Importing this package loads nothing heavy: each public name is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.api import compare as compare
    from harness.api import highest_recall as highest_recall
    from harness.api import history as history
    from harness.api import open_dataset as open_dataset
    from harness.api import plot as plot
    from harness.api import publish as publish
    from harness.api import recommend as recommend
    from harness.api import run as run
    from harness.api import tune as tune
    from harness.contracts import Algorithm as Algorithm
    from harness.contracts import Dataset as Dataset
    from harness.errors import UserError as UserError
    from harness.results.table.rows import load_results as load_results

__version__ = "0.2.0.dev0"
__all__ = [
    "Algorithm",
    "Dataset",
    "UserError",
    "__version__",
    "compare",
    "highest_recall",
    "history",
    "load_results",
    "open_dataset",
    "plot",
    "publish",
    "recommend",
    "run",
    "tune",
]

_MODULES = {
    **dict.fromkeys(
        (
            *("compare", "highest_recall", "history", "open_dataset", "plot", "publish"),
            *("recommend", "run", "tune"),
        ),
        "harness.api",
    ),
    "Algorithm": "harness.contracts",
    "Dataset": "harness.contracts",
    "UserError": "harness.errors",
    "load_results": "harness.results.table.rows",
}

# In a clone `algorithms/` and `datasets/` stand beside this package; with the clone's root on our
# path they are the namespace packages `harness.algorithms` and `harness.datasets`, as in a wheel.
_root = Path(__file__).resolve().parent.parent
if (_root / "algorithms").is_dir() and str(_root) not in __path__:
    __path__.append(str(_root))


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
