"""`annharness new`: a folder that works as it is, as a start for your own."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import AS_PATH, Plugins
from harness.contracts import UserError
from harness.registry.plugins import user_plugin_folder
from harness.registry.scaffolding import MADE_UP, write_leaderboard, write_plugin


def new(
    name: Annotated[
        str, typer.Argument(help="Name: lower-case letters, digits, dots and hyphens.")
    ],
    dataset: Annotated[
        bool, typer.Option("--dataset", help="Write a dataset instead of an algorithm.")
    ] = False,
    leaderboard: Annotated[
        bool,
        typer.Option("--leaderboard", help="Write a repository that publishes packages instead."),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            **AS_PATH,
            help="Folder to write into. Default: that of --plugins, or your own "
            "(~/.local/share/annharness/plugins on Linux); for a leaderboard the current one.",
        ),
    ] = None,
    plugins: Plugins = None,
) -> None:
    """Write a plug-in folder that passes its checks, or a leaderboard, as a start for your own.

    For an algorithm: an adapter, its registry entry, a test and a suite. For a dataset: an entry, a
    loader, some rows and a test. For a leaderboard: a suite, and a workflow for GitHub that checks
    the packages of pull requests and publishes them as a site. Nothing is overwritten.

    Example: annharness new my-index --plugins plugins
    """
    if leaderboard:
        _new_leaderboard(name, out or Path(), {"--dataset": dataset, "--plugins": plugins})
        return
    named = list(plugins or ())
    root = out or (named[0] if named else user_plugin_folder())
    folder = write_plugin(name, "datasets" if dataset else "algorithms", root, named)
    option = "" if root == user_plugin_folder() else f" --plugins {_quoted(root)}"
    _tell(folder, _next_lines(name, folder, dataset, option))


def _new_leaderboard(name: str, parent: Path, unheard: Mapping[str, object]) -> None:
    for option, given in unheard.items():
        if given:
            raise UserError(f"--leaderboard does not go with {option}", where="new")
    folder = write_leaderboard(name, parent)
    suite = _quoted(folder / "suite.yml")
    packed = f"annharness results pack {suite} -o {_quoted(folder / 'packages/ours.zip')}"
    edit = f"edit {suite}, and write annharness's URL into README.md and the workflow"
    _tell(folder, [edit, f"annharness run {suite}", packed, f"make -C {_quoted(folder)} site"])


def _tell(folder: Path, lines: Sequence[str]) -> None:
    print(f"wrote {folder}:")
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            print(f"  {path.relative_to(folder)}")
    print("next:")
    for line in lines:
        print(f"  {line}")


def _next_lines(name: str, folder: Path, dataset: bool, option: str) -> Sequence[str]:
    test = f"python -m pytest {_quoted(folder)}"
    if dataset:
        rows = f"edit {folder / 'loader.py'} and config.yml; put your rows in place of {MADE_UP}"
        return [
            rows,
            f"annharness data verify {name}{option}",
            test,
            f"annharness data info {name}{option}",
        ]
    return [
        f"edit {folder / 'adapter.py'} and config.yml",
        f"annharness check {name}{option}",
        test,
        f"annharness run {_quoted(folder / 'suite.yml')}{option}",
        f"annharness plot {_quoted(folder / 'suite.yml')}{option}",
    ]


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
