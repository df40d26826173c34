"""Compares our expansion of ann-benchmarks' or VIBE's configurations with their own code's.

Usage: python tests/performance/foreign_expansion.py ann-benchmarks|vibe CHECKOUT

Their `definitions.py` is imported from the checkout and run over every entry for dense rows and
every metric; the positional arguments of constructor and query must be the same sets. Exits 1 if
any differ.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from harness.foreign.adapter import positional
from harness.registry.foreign_grids import ForeignAdapter, read_foreign

K, DIMENSION = 10, 50
PACKAGES = {"ann-benchmarks": "ann_benchmarks", "vibe": "vibe"}


def main(kind: str, checkout: str) -> int:
    """Compare every entry and print what differs."""
    root = Path(checkout).absolute()
    package = PACKAGES[kind]
    sys.path.insert(0, str(root))
    os.chdir(root)
    definitions = importlib.import_module(f"{package}.definitions")
    compared = differing = 0
    for folder in sorted(path.parent for path in root.glob(f"{package}/algorithms/*/config.yml")):
        config = (yaml.safe_load((folder / "config.yml").read_text()) or {}).get("float") or {}
        for name in sorted({entry["name"] for entries in config.values() for entry in entries}):
            adapter = read_foreign(kind, folder, name, str(folder))
            for metric in adapter.metrics:
                space = adapter.space(metric)
                own = set(ours(adapter, metric))
                listed = [*config.get("any", []), *config.get(space, [])]
                entry = [one for one in listed if one["name"] == name][-1]
                expected = set(theirs(definitions, entry, space))
                compared += 1
                if own != expected:
                    differing += 1
                    print(folder.name, name, metric, len(own), len(expected))
    print(f"{kind}: {compared} entries and metrics compared, {differing} differ")
    return int(differing > 0)


def ours(adapter: ForeignAdapter, metric: Any) -> Iterator[str]:
    """Yield our settings as the positional arguments that a worker passes on."""
    space = adapter.space(metric)
    calls = [asdict(argument) for argument in adapter.arguments]
    queries = [asdict(argument) for argument in adapter.query_arguments]
    for build, search in adapter.settings(metric, K, DIMENSION):
        yield json.dumps([positional(calls, build, space), positional(queries, search, space)])


def theirs(definitions: Any, entry: dict[str, Any], space: str) -> Iterator[str]:
    """Yield the positional arguments that their own code makes of an entry."""
    expand = definitions.create_definitions_from_algorithm
    for definition in expand(entry["name"], entry, DIMENSION, space, K):
        for query in definition.query_argument_groups or [[]]:
            yield json.dumps([definition.arguments, query])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
