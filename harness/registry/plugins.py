"""Where plug-ins are: this repository, the user's own folder, and folders named by options."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import platformdirs

import harness
from harness.contracts import UserError
from harness.files.paths import identifier_of, is_importable, kind_of, user_path

if TYPE_CHECKING:
    from packaging.requirements import Requirement


Kind = Literal["algorithms", "datasets"]

PLUGINS_VARIABLE = "ANNHARNESS_PLUGINS"
_CONFIG = "config.yml"


@dataclass(frozen=True)
class PluginFolder:
    """A folder `ROOT/algorithms/NAME` or `ROOT/datasets/NAME` that holds a `config.yml`."""

    kind: Kind
    path: Path

    @property
    def root(self) -> Path:
        return self.path.parent.parent

    @property
    def config(self) -> Path:
        return self.path / _CONFIG

    @property
    def package(self) -> str:
        """The package by which the folder's files are imported."""
        return f"harness.{self.kind}.{self.path.name}"


def user_plugin_folder() -> Path:
    """Return the folder of the user's own entries (`annharness data add` writes there)."""
    return Path(platformdirs.user_data_dir("annharness", appauthor=False)) / "plugins"


def plugin_roots(named: Sequence[Path] = ()) -> list[Path]:
    """Return every root that is searched, this repository first, without installed packages.

    Raises
    ------
    UserError
        If a root named by the caller or `ANNHARNESS_PLUGINS` holds neither `algorithms/` nor
        `datasets/`.
    """
    asked = [*named, *roots_of_environment()]
    for root in asked:
        if not any((root / kind).is_dir() for kind in ("algorithms", "datasets")):
            raise UserError(
                "no plug-ins here",
                where=str(root),
                expected="a folder with algorithms/NAME/config.yml or datasets/NAME/config.yml",
                got=kind_of(root),
                hint=f"check the folders of plug-ins (plugins, or {PLUGINS_VARIABLE})",
            )
    roots = [*_own_roots(), *asked, user_plugin_folder()]
    return list(dict.fromkeys(root.resolve() for root in roots if root.is_dir()))


def open_roots(roots: Iterable[Path]) -> None:
    """Make the plug-ins below these roots importable as `harness.algorithms.NAME`."""
    for root in roots:
        if str(root) not in harness.__path__:
            harness.__path__.append(str(root))


def find_folders(kind: Kind, roots: Iterable[Path]) -> list[PluginFolder]:
    """Return the plug-in folders of one kind, by name.

    Raises
    ------
    UserError
        If two folders have the same name, or one has a name that Python cannot import.
    """
    found: dict[str, PluginFolder] = {}
    for path in candidates(kind, roots):
        check_folder_name(path)
        if path.name in found:
            raise two_folders(found[path.name].path, path)
        found[path.name] = PluginFolder(kind, path)
    return [found[name] for name in sorted(found)]


def missing_requirements(requires: Sequence[str]) -> list[str]:
    """Return the pip requirements of which no version is installed, by their metadata."""
    return [str(requirement) for requirement, version in _installed(requires) if version is None]


def other_versions(requires: Sequence[str]) -> list[str]:
    """Return a text for each requirement whose installed version was not tested."""
    return [
        f"{requirement.name} {version} is installed, {requirement} was tested"
        for requirement, version in _installed(requires)
        if version is not None and not requirement.specifier.contains(version, prereleases=True)
    ]


def _installed(requires: Sequence[str]) -> Iterator[tuple[Requirement, str | None]]:
    """Each requirement with the version that is installed; nothing is imported."""
    from packaging.requirements import Requirement

    for requirement in map(Requirement, requires):
        try:
            yield requirement, importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            yield requirement, None


def _own_roots() -> list[Path]:
    package = Path(harness.__file__).resolve().parent
    return [root for root in (package, package.parent) if (root / "algorithms").is_dir()]


def roots_of_environment() -> list[Path]:
    """Return the roots that the environment variable names."""
    parts = os.environ.get(PLUGINS_VARIABLE, "").split(os.pathsep)
    return [user_path(part) for part in parts if part]


def two_folders(one: Path, other: Path) -> UserError:
    """Return the error for two plug-in folders of one kind with the same name."""
    return UserError(
        f"two plug-in folders are called {one.name!r}",
        where=f"{one} and {other}",
        hint="rename one of them",
    )


def candidates(kind: Kind, roots: Iterable[Path]) -> Iterator[Path]:
    """Yield the folders of one kind below the roots that hold a registry file."""
    for root in roots:
        parent = root / kind
        if parent.is_dir():
            yield from sorted(path.parent for path in parent.glob(f"*/{_CONFIG}"))


def check_folder_name(path: Path) -> None:
    """Raise a `UserError` unless Python can import a folder of this name."""
    if not is_importable(path.name):
        raise UserError(
            f"a plug-in folder cannot be called {path.name!r}",
            where=str(path),
            expected="letters, digits and underscores, no digit first, and no keyword of Python",
            hint=f"rename it, for example to {identifier_of(path.name)!r}",
        )


GROUP = "annharness.plugins"


@dataclass(frozen=True)
class InstalledRoot:
    """A package with plug-ins: its name and version, and its folder."""

    package: str
    version: str
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
            yield InstalledRoot(package, version, folder.resolve())


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


@dataclass(frozen=True)
class PluginSource:
    """A root of plug-ins: its folder, who brought it, its entries and its errors.

    `brought_by` is words for people; `package` and `version` are set for an installed package.
    """

    path: Path | None
    brought_by: str
    package: str | None = None
    version: str | None = None
    algorithms: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    problems: tuple[UserError, ...] = ()


def brought_by(root: Path, named: Sequence[Path]) -> str:
    """Return who brought a root that is not an installed package."""
    if root in [user_path(path).resolve() for path in named]:
        return "--plugins"
    if root in [path.resolve() for path in roots_of_environment()]:
        return "ANNHARNESS_PLUGINS"
    if root == user_plugin_folder().resolve():
        return "your own folder"
    return "annharness"
