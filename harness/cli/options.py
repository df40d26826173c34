"""Options that the commands share, and shell completion of names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.contracts import UserError
from harness.files.paths import user_path
from harness.registry.registry import Registry, load_registry
from harness.registry.suites import suite_names


def given_path(text: str | Path) -> Path:
    """Return a path that was given, as `user_path`; Python takes "" for the current folder."""
    if not str(text):
        raise UserError("a path without a character", hint="is the variable in it set?")
    return user_path(text)


AS_PATH: Any = {"parser": given_path, "metavar": "PATH"}
"""How an option or an argument takes a path, so that odd ones are refused with the reason."""

Results = Annotated[
    Path,
    typer.Option(
        "--results",
        envvar="ANNHARNESS_RESULTS",
        help="Folder of the stored results.",
        **AS_PATH,
        show_default=True,
    ),
]
Plugins = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugins",
        **AS_PATH,
        help="Folder with algorithms/NAME or datasets/NAME of your own; may be repeated. "
        "ANNHARNESS_PLUGINS names more.",
    ),
]
DEFAULT_RESULTS = Path("results")
Threads = Annotated[
    int | None, typer.Option("--threads", help="Number of threads, instead of the suite's.")
]
Signed = Annotated[
    bool, typer.Option("--signed", help="Store your user and host name with the results.")
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster", help="Measure on a cluster: its file, a Dask scheduler's address, or local:N."
    ),
]


def share_of(text: str, where: str) -> float:
    """Return a share given as `10%` or `0.1`.

    Raises
    ------
    UserError
        If it is none between 0 and 1.
    """
    try:
        share = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise UserError("not a share", where=where, expected="10% or 0.1", got=repr(text))
    return share


Offer = Callable[[typer.Context, str], list[str]]


def _offering(
    of_registry: Callable[[Registry], Iterable[str]] | None,
    others: Callable[[], Iterable[str]] = tuple,
) -> Offer:
    """Return a function that offers the names that go on as the word begins."""

    def offer(ctx: typer.Context, incomplete: str) -> list[str]:
        names = [*others()]
        if of_registry is not None:
            names = [*_named_in_registry(ctx, of_registry), *names]
        return [name for name in names if name.startswith(incomplete)]

    return offer


def _named_in_registry(
    ctx: typer.Context, names_of: Callable[[Registry], Iterable[str]]
) -> Iterable[str]:
    try:
        return names_of(load_registry(ctx.params.get("plugins") or ()))
    except UserError:
        return ()  # whoever presses TAB is told of no mistake


complete_algorithms = _offering(lambda registry: registry.algorithms)
complete_datasets = _offering(lambda registry: registry.datasets)
complete_suites = _offering(None, suite_names)
complete_names = _offering(lambda registry: [*registry.algorithms, *registry.datasets], suite_names)

# What the commands that read results have in common. ----------------------------------------------

Suite = Annotated[
    str | None,
    typer.Argument(
        help="Name of a suite, or path of a suite file. Default: all results.",
        autocompletion=complete_suites,
    ),
]
Stale = Annotated[
    bool,
    typer.Option(
        "--stale",
        help="Keep stale points: a newer version is stored, or the adapter or dataset has changed.",
    ),
]

Datasets = Annotated[
    list[str] | None,
    typer.Option(
        "-d",
        "--dataset",
        help="Only this dataset (a name or a path); may be repeated.",
        autocompletion=complete_datasets,
    ),
]
Algorithms = Annotated[
    list[str] | None,
    typer.Option(
        "-a",
        "--algorithm",
        help="Only this algorithm or label; may be repeated.",
        autocompletion=complete_algorithms,
    ),
]
Highlight = Annotated[
    list[str] | None,
    typer.Option(
        "--highlight",
        help="Algorithm or label to highlight; all others are drawn faintly. May be repeated.",
        autocompletion=complete_algorithms,
    ),
]
Price = Annotated[
    list[str] | None,
    typer.Option(
        "--price",
        help="Price of the machine per hour, as 0.34, or MACHINE=0.34 with a part of its name: "
        "shows what a million queries cost. May be repeated.",
    ),
]
KnownSteps = Annotated[
    Path | None,
    typer.Option(
        "--known-steps",
        **AS_PATH,
        help="YAML file of changes in speed that you accept; they are shown as known.",
    ),
]
MaxBytes = Annotated[
    float | None,
    typer.Option("--max-bytes", min=0, help="Only points of at most so many bytes per vector."),
]
DatasetName = Annotated[
    str,
    typer.Argument(
        metavar="DATASET",
        help="A registry name, or the path of an HDF5 file.",
        autocompletion=complete_datasets,
    ),
]
