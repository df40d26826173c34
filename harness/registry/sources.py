"""Where the entries of a registry come from, and what was skipped because it was broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.contracts import UserError
from harness.contracts.paths import user_path
from harness.registry.plugins import roots_of_environment, user_plugin_folder


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
