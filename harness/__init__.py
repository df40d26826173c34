"""annharness: a benchmark harness for approximate nearest neighbour search.

Importing this package loads nothing heavy: `load_results` pulls in pandas when it is first used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.results.table.rows import load_results as load_results

__version__ = "0.2.0.dev0"
__all__ = ["__version__", "load_results"]

# In a clone `algorithms/` and `datasets/` stand beside this package; with the clone's root on our
# path they are the namespace packages `harness.algorithms` and `harness.datasets`, as in a wheel.
_root = Path(__file__).resolve().parent.parent
if (_root / "algorithms").is_dir() and str(_root) not in __path__:
    __path__.append(str(_root))


def __getattr__(name: str) -> Any:
    if name == "load_results":
        from harness.results.table.rows import load_results

        return load_results
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
