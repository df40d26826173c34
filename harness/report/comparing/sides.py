"""The two sides of a comparison: folders, commits, algorithms or labels."""

from __future__ import annotations

import re
import subprocess
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import pandas as pd

from harness.contracts import UserError
from harness.errors import did_you_mean
from harness.files.paths import user_path
from harness.report.analysis.selecting import truth_of
from harness.results.table.rows import load_results

_SHOWN_DIGITS = 10
_HEX = re.compile(r"[0-9a-f]{4,40}")
_GIT_SECONDS = 10
_MACHINE = "machine:"

Kind = Literal["an algorithm or label", "a machine", "a folder or commit"]


@dataclass(frozen=True)
class Side:
    """A side: its name, table and kind.

    A curve is one of several in the table that both sides share.
    """

    name: str
    table: pd.DataFrame
    kind: Kind = "a folder or commit"


def sides_of(a: str, b: str, results: Path) -> tuple[Side, Side]:
    """Return both sides; the results folder is read only if one of them is in it.

    A folder takes precedence over an algorithm or label of the same name, and that over a commit.

    Raises
    ------
    UserError
        If a word means nothing, or one side is a curve and the other is not.
    """
    for text in (a, b):  # a path that no file can have is refused before anything is read
        user_path(text)
    shared = cache(lambda: load_results(results, truth_at_hand=truth_of))
    old, new = _side(a, results, shared), _side(b, results, shared)
    if old.kind != new.kind:
        raise UserError(
            "the two sides are of different kinds",
            expected="two algorithms or labels, two machines, or two of folders and commits",
            got=f"{a!r} is {old.kind}, {b!r} is {new.kind}",
        )
    return old, new


def _is_folder(text: str) -> bool:
    return bool(text) and user_path(text).is_dir()  # an empty path is the current folder


def _side(text: str, results: Path, shared: Callable[[], pd.DataFrame]) -> Side:
    if _is_folder(text):
        return Side(text, load_results(user_path(text), truth_at_hand=truth_of))
    folder, _, revision = text.rpartition("@")
    if _is_folder(folder):
        root = user_path(folder)
        table = load_results(root, truth_at_hand=truth_of)
        return _at_commit(root, _commit(revision, table, folder))
    table = shared()
    if text.startswith(_MACHINE):
        return _on_machine(text.removeprefix(_MACHINE), table)
    if len(table) and text in {*table["algorithm"], *table["label"]}:
        return Side(text, table, "an algorithm or label")
    return _at_commit(results, _commit(text, table, str(results)))


def _on_machine(text: str, table: pd.DataFrame) -> Side:
    machines = sorted(set(table["machine"].dropna()))
    found = [name for name in machines if text in name]
    exact = [name for name in found if name == text]
    if len(exact or found) != 1:
        raise UserError(
            f"{text!r} is part of the names of {len(found)} machines",
            where=f"{_MACHINE}{text}",
            expected=f"a part of one name: {'; '.join(machines) or 'no machine is stored'}",
        )
    [name] = exact or found
    return Side(name, table[(table["machine"] == name) & ~table["stale"]], "a machine")


def _at_commit(folder: Path, commit: str) -> Side:
    table = load_results(folder, stale=False, commit=commit, truth_at_hand=truth_of)
    name = commit[:_SHOWN_DIGITS]
    if table["dirty"].any():
        count = int(table["dirty"].sum())
        warnings.warn(f"{name}: {count} points measured with uncommitted changes", stacklevel=5)
    return Side(name, table)


def _commit(text: str, table: pd.DataFrame, where: str) -> str:
    """The full hash of the stored commit for a prefix or a revision of git."""
    known: list[str] = sorted({commit for row in table["commits"] for commit in row})
    found = [commit for commit in known if _HEX.fullmatch(text) and commit.startswith(text)]
    if not found:
        resolved = _resolved(text)
        found = [commit for commit in known if commit == resolved]
    if len(found) != 1:
        names = sorted({*table["algorithm"], *table["label"]})
        raise UserError(
            f"{text!r} is several commits" if found else f"no results of {text!r}",
            where=where,
            expected=f"a folder; an algorithm or label: {', '.join(names) or 'none stored'}; "
            f"a commit: {', '.join(c[:_SHOWN_DIGITS] for c in known) or 'none stored'}",
            hint=None if found else _nearest(text, names),
        )
    return found[0]


def _nearest(text: str, names: Sequence[str]) -> str:
    """The nearest algorithm, label or folder; none for a hash of a commit."""
    beside = [str(path) for path in user_path(text).parent.glob("*") if path.is_dir()]
    if not _HEX.fullmatch(text):
        near = did_you_mean(text, [*names, *beside])
        is_near = near.startswith("did you mean")
        return near if is_near else "measure it first, or give the folder or commit that has it"
    return "run the suite at that commit, into this folder or another"


def _resolved(revision: str) -> str | None:
    """The hash that git gives a revision such as `main` or `HEAD~1` of the current clone."""
    command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options"]
    try:
        done = subprocess.run(
            [*command, f"{revision}^{{commit}}"], capture_output=True, text=True,
            timeout=_GIT_SECONDS, check=True,
        )  # fmt: skip
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return str(done.stdout).strip()
