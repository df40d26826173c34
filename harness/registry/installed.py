"""Plug-ins in installed packages, found by the entry point group `annharness.plugins`.

The value of an entry point is a package whose folder holds `algorithms/NAME` or `datasets/NAME`. It
is looked up, not imported: a package that fails at import cannot break a listing.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.contracts import UserError

GROUP = "annharness.plugins"


@dataclass(frozen=True)
class InstalledRoot:
    """A package with plug-ins: its name and version, its entry point, and its folder."""

    package: str
    version: str
    entry_point: str
    path: Path


def installed_roots() -> Iterator[InstalledRoot | UserError]:
    """Yield the folder of every entry point, or what is wrong with it."""
    for point in sorted(importlib.metadata.entry_points(group=GROUP)):
        package = point.dist.name if point.dist else "an unknown package"
        version = point.dist.version if point.dist else ""
        place = f"entry point {point.name} = {point.value} of {package} {version}".rstrip()
        folder = _folder_of(point.value.partition(":")[0])
        if folder is None:
            yield UserError("no such package", where=place)
        elif not any((folder / kind).is_dir() for kind in ("algorithms", "datasets")):
            expected = "a package with algorithms/NAME or datasets/NAME inside"
            yield UserError("no plug-ins in the package", where=place, expected=expected)
        else:
            yield InstalledRoot(package, version, point.name, folder.resolve())


def _folder_of(name: str) -> Path | None:
    """Return the folder of a package; of a dotted name only the first part is looked up."""
    first, *rest = name.split(".")
    try:
        spec = importlib.util.find_spec(first)
    except (ImportError, ValueError, AttributeError):
        return None
    for folder in spec.submodule_search_locations or () if spec else ():
        path = Path(folder, *rest)
        if path.is_dir():
            return path
    return None
