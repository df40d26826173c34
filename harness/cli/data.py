"""The verbs of `annharness data`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.options import Plugins
from harness.contracts.definitions import DatasetDefinition, QuerySplit
from harness.data.cached import CachedDataset
from harness.data.loading import cached_path, open_definition, open_file
from harness.data.showing import Neighbours, neighbours_of
from harness.metric import Metric
from harness.registry.registry import load_registry

app = typer.Typer(no_args_is_help=True, help="List, fetch, check and look at datasets.")

DatasetName = Annotated[
    str, typer.Argument(metavar="DATASET", help="A registry name, or the path of an HDF5 file.")
]


def open_named(name: str, plugins: list[Path] | None) -> CachedDataset:
    """Open a dataset by registry name or by path."""
    if looks_like_path(name):
        return open_file(Path(name))
    return open_definition(load_registry(plugins or ()).dataset(name))


def looks_like_path(name: str) -> bool:
    """Whether the user means a file: names of entries hold no slash and end in no format."""
    return "/" in name or name.endswith((".hdf5", ".h5")) or Path(name).is_file()


@app.command("list")
def list_datasets(plugins: Plugins = None) -> None:
    """List the datasets of the registry.

    Example: annharness data list
    """
    table = Table("dataset", "base", "d", "queries", "metric", "licence", "state", box=None)
    for definition in load_registry(plugins or ()).datasets.values():
        table.add_row(
            definition.name,
            f"{definition.base:,}",
            str(definition.dimension),
            describe_split(definition.split),
            definition.metric,
            definition.licence,
            _state(definition),
        )
    Console().print(table)


def describe_split(split: QuerySplit) -> str:
    """Say in a few words where the queries come from."""
    if split.kind == "file":
        return "the source's own"
    if split.kind == "random":
        return f"{split.count:,} drawn, seed {split.seed}"
    count = "the rest" if split.count is None else f"{split.count:,} of the rest, seed {split.seed}"
    return f"after the first {split.first:,}: {count}"


def _state(definition: DatasetDefinition) -> str:
    words = []
    if definition.sources[0].kind == "bundled":
        words.append("bundled")
    elif cached_path(definition) is not None:
        words.append("here")
    if definition.untested:
        words.append("untested")
    return ", ".join(words)


@app.command("show")
def show(
    dataset: DatasetName,
    query: Annotated[str, typer.Option("--query", help="The word to look up.")],
    k: Annotated[int, typer.Option("--k", help="How many neighbours.", min=1)] = 10,
    plugins: Plugins = None,
) -> None:
    """Show the true nearest neighbours of a query by its name.

    Example: annharness data show glove-50-10k --query pawk
    """
    opened = open_named(dataset, plugins)
    found = neighbours_of(opened, query, k)
    kind = "query" if found.is_query else "base word, not a query"
    console = Console(markup=False, highlight=False)
    console.print(f"{opened!r}\nnearest of {found.word} ({kind}), exact:")
    console.print(_neighbour_table(found, opened.metric))


def _neighbour_table(found: Neighbours, metric: Metric) -> Table:
    heading = {"angular": "cosine", "euclidean": "distance", "inner_product": "inner product"}
    table = Table("rank", "word", heading[metric], box=None)
    for rank, (word, distance) in enumerate(zip(found.words, found.distances, strict=True), 1):
        value = {"angular": 1 - distance, "euclidean": distance}.get(metric, -distance)
        table.add_row(str(rank), Text(word), f"{value:.4f}")
    return table


@app.command("info")
def info(dataset: DatasetName, plugins: Plugins = None) -> None:
    """Say what a dataset is: source, licence, size, metric, how its queries are drawn.

    Example: annharness data info glove-50-10k
    """
    facts = {} if looks_like_path(dataset) else _registry_facts(dataset, plugins)
    opened = open_named(dataset, plugins)
    n, d = opened.base.shape
    facts |= {
        "name": opened.name,
        "metric": opened.metric,
        "base": f"{n:,} x {d} float32",
        "queries": f"{len(opened.queries):,}",
        "names of rows": "yes" if opened.labels else "no",
        "fingerprint": opened.fingerprint,
        "file": str(opened.path),
    }
    table = Table(show_header=False, box=None)
    table.add_column()
    table.add_column(overflow="fold")
    for name, fact in facts.items():
        table.add_row(name, Text(fact))
    Console().print(table)


def _registry_facts(name: str, plugins: list[Path] | None) -> dict[str, str]:
    definition = load_registry(plugins or ()).dataset(name)
    return {
        "about": definition.about,
        "licence": definition.licence,
        "drawn": describe_split(definition.split),
        "entry": definition.origin,
    }
