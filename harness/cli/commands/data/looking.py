"""Looking at datasets: which there are, what is in them, and whether their values are sound."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer
from rich.table import Table
from rich.text import Text

from harness.cli.options import DatasetName, Plugins
from harness.cli.progress import shown_progress
from harness.cli.terminal import say, terminal
from harness.contracts import Number, Tags
from harness.contracts.dataset import Metric
from harness.contracts.definitions import DatasetDefinition
from harness.contracts.filters import Attribute
from harness.data.cache.cached import CachedDataset
from harness.data.fetching.sources import places_of
from harness.data.parts import DISTRIBUTIONS, describe_split
from harness.data.truth.difficulty import difficulty_of, quantiles_of, quantiles_text
from harness.data.truth.neighbours import Neighbours, neighbours_of
from harness.data.verifying import verified_cached, verified_file
from harness.files.progress import Progress
from harness.files.space import megabytes
from harness.registry.registry import load_registry
from harness.running.datasets import OwnFile, named, open_found, open_named
from harness.running.states import dataset_state
from harness.text import counted, first_of


def print_facts(facts: dict[str, str]) -> None:
    """Print one fact with its name per line, not wrapped, so that paths can be copied."""
    width = max(map(len, facts))
    for name, fact in facts.items():
        say(f"{name:<{width}}  " + fact.replace("\n", "\n" + " " * (width + 2)))


def list_datasets(plugins: Plugins = None) -> None:
    """List the datasets of the registry.

    Queries and licence are shown where the terminal is wide enough.

    Example: annharness data list
    """
    console = terminal()
    rows = [_listed(definition) for definition in load_registry(plugins or ()).datasets.values()]
    widths = [max(map(len, column)) for column in zip(_HEADINGS, *rows, strict=True)]
    fits = sum(widths) + _GAP * len(widths) <= console.width
    shown = len(_HEADINGS) if fits else _ALWAYS_SHOWN
    table = Table(box=None, padding=(0, _GAP, 0, 0))
    for heading in _HEADINGS[:shown]:
        right = heading in ("base", "d")
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row[:shown])
    console.print(table)


_HEADINGS = ("dataset", "base", "d", "metric", "state", "queries", "licence")
_ALWAYS_SHOWN = 5
_GAP = 2
_SHOWN_ATTRIBUTES = 8


def _listed(definition: DatasetDefinition) -> tuple[str, ...]:
    """The facts of an entry under the headings of the list."""
    return (
        definition.name,
        f"{definition.base:,}",
        str(definition.dimension),
        definition.metric,
        _state(definition),
        describe_split(definition.split),
        definition.licence,
    )


def _state(definition: DatasetDefinition) -> str:
    state = dataset_state(definition)
    words = [state.word if state.word != "to fetch" else "", "untested" * definition.untested]
    return ", ".join(filter(None, words))


def info(
    dataset: DatasetName,
    difficulty: Annotated[
        bool, typer.Option(help="Print how hard the queries are (needs the ground truth).")
    ] = True,
    plugins: Plugins = None,
) -> None:
    """Print source, licence, size, metric, queries and difficulty of a dataset.

    If the dataset is not in the cache, this includes which file you can place where by hand.

    Example: annharness data info glove-50-10k
    """
    found = named(dataset, load_registry(plugins or ()))
    if isinstance(found, DatasetDefinition):
        print_facts(entry_facts(found))
        if dataset_state(found).must_be_fetched:
            return
    with shown_progress() as progress:
        opened = open_found(found, progress)
        facts = _dataset_facts(opened)
        if difficulty and opened.metric != "inner_product":
            facts |= _difficulty_facts(opened, progress)
    print_facts(facts)


def entry_facts(definition: DatasetDefinition) -> dict[str, str]:
    """Return the facts of an entry by name, in the order to show."""
    facts = {
        "name": definition.name,
        "about": definition.about,
        "licence": definition.licence,
        "metric": definition.metric,
        "base": f"{definition.base:,} x {definition.dimension}",
        "queries": describe_split(definition.split),
        **_distribution(definition),
        "entry": definition.origin,
    }
    for number, place in enumerate(places_of(definition), 1):
        facts[f"source {number}"] = place
    return facts | {"state": dataset_state(definition).detail}


def _distribution(definition: DatasetDefinition) -> dict[str, str]:
    known = definition.query_distribution
    return {} if known is None else {"query distribution": DISTRIBUTIONS[known]}


def _filter_facts(opened: CachedDataset) -> dict[str, str]:
    if opened.filters is None:
        return {}
    kinds = [f"{name} ({_kind(one)})" for name, one in opened.filters.attributes.items()]
    return {
        "attributes": first_of(kinds, _SHOWN_ATTRIBUTES),
        "filters": f"{len(opened.filters.filters):,} different",
    }


def _kind(attribute: Attribute) -> str:
    if isinstance(attribute, Number):
        return "number"
    what = "tag" if isinstance(attribute, Tags) else "name"
    return counted(len(attribute.names), what)


def _dataset_facts(opened: CachedDataset) -> dict[str, str]:
    n, d = opened.base.shape
    return {
        "name": opened.name,
        "metric": opened.metric,
        "base": f"{n:,} x {d} float32, {megabytes(opened.base.nbytes)}",
        "queries": f"{len(opened.queries):,}",
        **_filter_facts(opened),
        "names of rows": "yes" if opened.labels else "no",
        "fingerprint": opened.fingerprint,
        "file": str(opened.path),
    }


def _difficulty_facts(opened: CachedDataset, progress: Progress) -> dict[str, str]:
    found = difficulty_of(opened, progress)
    return {
        "intrinsic dimension (LID)": _quantiles(found.lid) + ", higher is harder",
        "relative contrast": _quantiles(found.relative_contrast) + ", lower is harder",
    }


def _quantiles(values: np.ndarray) -> str:
    found = quantiles_of(values)
    return "not defined" if found is None else quantiles_text(found)


def show(
    dataset: DatasetName,
    query: Annotated[str, typer.Option("--query", help="The word to look up.")],
    k: Annotated[int, typer.Option("--k", help="Number of neighbours.", min=1)] = 10,
    plugins: Plugins = None,
) -> None:
    """Show the true nearest neighbours of a query by its name.

    Example: annharness data show glove-50-10k --query pawk
    """
    with shown_progress() as progress:
        opened = open_named(dataset, plugins, progress)
        found = neighbours_of(opened, query, k)
    kind = "query" if found.is_query else "base word, not a query"
    terminal().print(f"{opened!r}\nnearest of {found.word} ({kind}), exact:")
    terminal().print(_neighbour_table(found, opened.metric))


def _neighbour_table(found: Neighbours, metric: Metric) -> Table:
    heading = {"angular": "cosine", "euclidean": "distance", "inner_product": "inner product"}
    table = Table("rank", "word", heading[metric], box=None)
    for rank, (word, distance) in enumerate(zip(found.words, found.distances, strict=True), 1):
        value = {"angular": 1 - distance, "euclidean": distance}.get(metric, -distance)
        table.add_row(str(rank), Text(word), f"{value:.4f}")
    return table


def verify(
    dataset: DatasetName,
    k: Annotated[int, typer.Option("--k", help="Count near-ties at this k.", min=1)] = 10,
    plugins: Plugins = None,
) -> None:
    """Check the values of a dataset, and a file's own neighbours against the ground truth.

    Example: annharness data verify sift-128-euclidean.hdf5
    """
    found = named(dataset, load_registry(plugins or ()))
    with shown_progress() as progress:
        facts = (
            verified_file(found.path, k)
            if isinstance(found, OwnFile)
            else verified_cached(open_found(found, progress), k)
        )
    print_facts(facts)
    if "fault" in facts:
        raise typer.Exit(1)
