"""`annharness import`: results of ann-benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import DEFAULT_RESULTS, Plugins, Results, given_path
from harness.cli.progress import shown_work
from harness.cli.terminal import say
from harness.registry.registry import load_registry

_LEFT_OUT = 1


def import_(
    folder: Annotated[
        Path,
        typer.Argument(
            parser=given_path,
            metavar="FOLDER",
            help="Their folder, which holds results/ and data/.",
        ),
    ],
    machine: Annotated[
        str, typer.Option("--machine", help="Name of the machine that they were measured on.")
    ] = "unknown machine (ann-benchmarks)",
    results: Results = DEFAULT_RESULTS,
    plugins: Plugins = None,
) -> None:
    """Import results of ann-benchmarks; recall is recomputed from the stored neighbours.

    The dataset is their data/NAME.hdf5, or the one of that name in the registry.

    Example: annharness import their-folder --machine "AWS r6i.16xlarge"
    """
    from harness.interop.ann_benchmarks import import_folder
    from harness.results.store import ResultStore

    store = ResultStore(results)
    with shown_work("importing"):
        done = import_folder(folder, store, load_registry(plugins or ()), machine)
    for one in done:
        if one.path is None:
            say(f"left out {one.source}: {one.reason}", to_errors=True)
    taken = sum(one.path is not None for one in done)
    say(f"{taken} of {len(done)} results imported into {results}")
    if taken < len(done):
        raise typer.Exit(_LEFT_OUT)
