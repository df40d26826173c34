"""The packages `ann_benchmarks` and `vibe`, as far as adapters import from them.

Only `PACKAGE.algorithms.NAME` is looked up on disk, beside the adapter's own folder, so that
sibling imports such as `..faiss.module` find the sibling. Everything else is supplied here: no
module of the other harness is ever run, not even if it is installed.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.contracts import allotted_threads
from harness.foreign import distance

PACKAGES = {"ann-benchmarks": "ann_benchmarks", "vibe": "vibe"}
"""The package that adapters of each kind import from."""


class BaseANN:
    """The methods that adapters inherit.

    `fit` and `query` have no default here: an adapter that lacks one fails with an
    `AttributeError` that names it, instead of returning no neighbours.
    """

    res: object

    def done(self) -> None:
        """Stop what the adapter has started; called once, at the end."""

    def get_memory_usage(self) -> float | None:
        """Return the memory of this process in kB; the difference around `fit` is the index."""
        import psutil

        return float(psutil.Process().memory_info().rss) / 1024

    def batch_query(self, X: Iterable[object], n: int) -> None:
        """Call `query` for every row, with as many threads as the harness allots."""
        from multiprocessing.pool import ThreadPool  # few need it

        query: Callable[..., object] = self.query  # type: ignore[attr-defined]
        with ThreadPool(allotted_threads()) as pool:
            self.res = pool.map(lambda row: query(row, n), X)

    def get_batch_results(self) -> object:
        """Return what the last `batch_query` found."""
        return self.res

    def get_additional(self) -> dict[str, object]:
        """Return further facts to be stored with the result."""
        return {}

    def __str__(self) -> str:
        return str(getattr(self, "name", type(self).__name__))


def float_parse_entry(line: str) -> list[float]:
    """Read numbers parted by blanks."""
    return [float(word) for word in line.split()]


def float_unparse_entry(entry: Iterable[float]) -> str:
    """Write numbers parted by blanks."""
    return " ".join(str(value) for value in entry)


def int_parse_entry(line: str) -> frozenset[int]:
    """Read a set of integers."""
    return frozenset(int(word) for word in line.split())


def int_unparse_entry(entry: Iterable[int]) -> str:
    """Write a set of integers."""
    return " ".join(str(int(value)) for value in entry)


def bit_parse_entry(line: str) -> list[bool]:
    """Read bits, with or without blanks between them."""
    return [bool(int(sign)) for sign in "".join(line.split())]


def bit_unparse_entry(entry: Iterable[bool]) -> str:
    """Write bits without blanks between them."""
    return "".join("1" if value else "0" for value in entry)


_ENTRIES = (
    *(float_parse_entry, float_unparse_entry, int_parse_entry, int_unparse_entry),
    *(bit_parse_entry, bit_unparse_entry),
)
"""Rows as lines of text, for adapters that talk to a program."""


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the supplied modules of one package before anything on disk."""

    def __init__(self, package: str, algorithms: Path) -> None:
        self._package = package
        self._algorithms = str(algorithms)
        self._fill: dict[str, Callable[[ModuleType], None]] = {
            "": lambda module: None,
            ".constants": lambda module: _set(module, INDEX_DIR="indices"),
            ".data": lambda module: _set(module, **{f.__name__: f for f in _ENTRIES}),
            ".distance": lambda module: _take(module, distance),
            ".util": lambda module: _set(module, get_bool_env_var=flag_of_environment),
            ".algorithms": lambda module: None,
            ".algorithms.base": lambda module: None,
            ".algorithms.base.module": lambda module: _set(module, BaseANN=BaseANN),
        }

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        inner = name.removeprefix(self._package)
        if not name.startswith(self._package) or inner not in self._fill:
            return None
        is_package = inner in ("", ".algorithms", ".algorithms.base")
        spec = importlib.machinery.ModuleSpec(name, self, is_package=is_package)
        if inner == ".algorithms":
            spec.submodule_search_locations = [self._algorithms]
        return spec

    def exec_module(self, module: ModuleType) -> None:
        self._fill[module.__name__.removeprefix(self._package)](module)


def supply(kind: str, folder: Path) -> None:
    """Make the package of that kind importable, its algorithms being the siblings of `folder`."""
    package = PACKAGES[kind]
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]
    sys.meta_path[:] = [f for f in sys.meta_path if not _is_ours(f, package)]
    sys.meta_path.insert(0, _Finder(package, folder.parent))


def flag_of_environment(env_var_name: str, default_value: bool) -> bool:
    """Return a flag that is set by an environment variable, or the default."""
    text = os.environ.get(env_var_name, "").strip().lower()
    return text in ("1", "on", "t", "true", "y", "yes") if text else default_value


def _is_ours(finder: object, package: str) -> bool:
    return isinstance(finder, _Finder) and finder._package == package


def _set(module: ModuleType, **names: Any) -> None:
    vars(module).update(names)


def _take(module: ModuleType, source: ModuleType) -> None:
    vars(module).update({n: v for n, v in vars(source).items() if not n.startswith("_")})
