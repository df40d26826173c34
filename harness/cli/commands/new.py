"""`annharness new`: a plug-in folder that works as it is, as a start for your own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import AS_PATH, Plugins
from harness.registry.plugins import user_plugin_folder
from harness.registry.scaffolding import MADE_UP, write_plugin


def new(
    name: Annotated[str, typer.Argument(help="Name of the plug-in: [a-z0-9.-].")],
    dataset: Annotated[
        bool, typer.Option("--dataset", help="Write a dataset instead of an algorithm.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            **AS_PATH,
            help="Folder of plug-ins to write into. Default: that of --plugins, or your own.",
        ),
    ] = None,
    plugins: Plugins = None,
) -> None:
    """Write a plug-in folder that passes its checks, as a start for your own.

    For an algorithm: an adapter, its registry entry, a test and a suite. For a dataset: an entry, a
    loader, some rows and a test. Nothing is overwritten.

    Example: annharness new my-index --plugins plugins
    """
    named = list(plugins or ())
    root = out or (named[0] if named else user_plugin_folder())
    folder = write_plugin(name, "datasets" if dataset else "algorithms", root, named)
    option = "" if root == user_plugin_folder() else f" --plugins {root}"
    print(f"wrote {folder}:")
    for path in sorted(folder.iterdir()):
        print(f"  {path.name}")
    print("next:")
    for line in _next_lines(name, folder, dataset, option):
        print(f"  {line}")


def _next_lines(name: str, folder: Path, dataset: bool, option: str) -> Sequence[str]:
    test = f"python -m pytest {folder}"
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
        f"annharness run {folder / 'suite.yml'}{option}",
        f"annharness plot {folder / 'suite.yml'}{option}",
    ]
