"""The commands of `annharness data`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table
from rich.text import Text

from harness.cli.options import AS_PATH, Plugins, complete_datasets
from harness.cli.progress import shown_progress
from harness.cli.terminal import say, terminal
from harness.contracts import METRICS, UserError, bytes_below
from harness.contracts.dataset import Metric
from harness.contracts.definitions import DatasetDefinition, QuerySplit
from harness.data.adding import OwnData, add_entry
from harness.data.cache.cached import CachedDataset
from harness.data.cache.folder import Item, Kind, cached_items, remove
from harness.data.cache.layout import METRIC_OF_DISTANCE
from harness.data.converting import convert
from harness.data.fetching.sources import places_of
from harness.data.parts import describe_split
from harness.data.truth.difficulty import difficulty_of, quantiles_of
from harness.data.truth.neighbours import Neighbours, neighbours_of
from harness.data.truth.store import truth_of
from harness.data.verifying import verified_cached, verified_file
from harness.errors import did_you_mean
from harness.files.paths import user_path
from harness.files.progress import Progress
from harness.files.space import megabytes
from harness.registry.plugins import user_plugin_folder
from harness.registry.registry import load_registry
from harness.registry.schema.values import MOST_SEED, check_entry_name, parse_size
from harness.running.datasets import FILE_ENDINGS, OwnFile, named, open_found, open_named
from harness.running.environments.isolated import made_environments, remove_environments
from harness.running.states import dataset_state

app = typer.Typer(no_args_is_help=True, help="List, fetch, check and look at datasets.")

_SHARD_BYTES = 2 << 30

DatasetName = Annotated[
    str,
    typer.Argument(
        metavar="DATASET",
        help="A registry name, or the path of an HDF5 file.",
        autocompletion=complete_datasets,
    ),
]
MetricName = Annotated[
    str | None,
    typer.Option("--metric", help="angular (cosine), euclidean (l2) or inner_product (ip, dot)."),
]
QueriesFile = Annotated[Path | None, typer.Option(**AS_PATH, help="A file with the queries.")]
Holdout = Annotated[int | None, typer.Option(help="Rows to draw as queries.", min=2)]
Seed = Annotated[int, typer.Option(help="Seed of the draw.", min=0, max=MOST_SEED)]


def print_facts(facts: dict[str, str]) -> None:
    """Print one fact with its name per line, not wrapped, so that paths can be copied."""
    width = max(map(len, facts))
    for name, fact in facts.items():
        say(f"{name:<{width}}  " + fact.replace("\n", "\n" + " " * (width + 2)))


@app.command("list")
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


@app.command("info")
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
        "entry": definition.origin,
    }
    for number, place in enumerate(places_of(definition), 1):
        facts[f"source {number}"] = place
    return facts | {"state": dataset_state(definition).detail}


def _dataset_facts(opened: CachedDataset) -> dict[str, str]:
    n, d = opened.base.shape
    return {
        "name": opened.name,
        "metric": opened.metric,
        "base": f"{n:,} x {d} float32, {megabytes(opened.base.nbytes)}",
        "queries": f"{len(opened.queries):,}",
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
    if found is None:
        return "not defined"
    low, middle, high = found
    return f"median {middle:.2f}, 5 % to 95 %: {low:.2f} to {high:.2f}"


@app.command("fetch")
def fetch(
    dataset: DatasetName,
    k: Annotated[int, typer.Option("--k", help="Compute the ground truth for k, too.")] = 0,
    memory: Annotated[str, typer.Option("--memory", help="Memory for the ground truth.")] = "1GiB",
    shards: Annotated[
        int,
        typer.Option(
            "--shards",
            min=0,
            help="Parts of the base to search apart for the ground truth; 0: one for each 2 GiB.",
        ),
    ] = 0,
    cluster: Annotated[
        str | None,
        typer.Option("--cluster", help="Compute the ground truth on a cluster, as `run` does."),
    ] = None,
    plugins: Plugins = None,
) -> None:
    """Fetch a dataset into the cache, check it and make it ready to run.

    Example: annharness data fetch glove-50 --k 100 --memory 2GiB
    """
    with shown_progress() as progress:
        opened = open_named(dataset, plugins, progress)
        parts = shards or -(-opened.search_base.nbytes // _SHARD_BYTES)
        if k and cluster is not None:
            from harness.running.cluster.executor import cluster_executor
            from harness.running.cluster.settings import read_cluster
            from harness.running.cluster.truths import ClusterTruth

            with cluster_executor(read_cluster(cluster), _tell) as executor:
                parts = shards or max(parts, len(executor.nodes.addresses))
                computed = ClusterTruth(executor)
                truth_of(opened, k, progress, _bytes(memory), parts, computed)
        elif k:
            truth_of(opened, k, progress, _bytes(memory), parts)
    terminal().print(f"{opened!r} is here: {opened.path}")


def _tell(line: str) -> None:
    say(line, to_errors=True)


def _bytes(text: str) -> int:
    try:
        return int(parse_size(text))
    except ValueError as error:
        raise UserError("not a size", where="--memory", expected=str(error), got=text) from error


@app.command("show")
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


@app.command("verify")
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


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Name of the dataset.")],
    file: Annotated[
        Path, typer.Argument(parser=user_path, metavar="FILE", help="The file with the vectors.")
    ],
    queries: QueriesFile = None,
    holdout: Holdout = None,
    seed: Seed = 0,
    metric: MetricName = None,
    format_name: Annotated[
        str | None, typer.Option("--format", help="Format of the file. Default: by its ending.")
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(help="The column, or the array, of the vectors; FIRST:LAST in CSV files."),
    ] = None,
    licence: Annotated[str, typer.Option(help="Licence of the data.")] = "unknown",
    plugins: Plugins = None,
) -> None:
    """Make a registry entry for a file of your own.

    Without --queries or --holdout, the queries of an HDF5 file are its own `test` rows; from any
    other file 1,000 rows are drawn.

    Example: annharness data add mine vectors.npy --holdout 1000 --seed 0 --metric angular
    """
    check_entry_name(name, "NAME")
    known = load_registry(plugins or ()).datasets
    if name in known:
        raise UserError(f"{name!r} is a dataset already", where=known[name].origin)
    own = OwnData(
        name,
        file,
        _metric(metric, required=True) or "angular",
        _split(file, queries, holdout, seed),
        queries,
        format_name,
        licence,
        column,
    )
    with shown_progress() as progress:
        config = add_entry(own, user_plugin_folder() / "datasets", progress)
    terminal().print(f"{name} is a dataset now: {config}\nlook at it: annharness data info {name}")


def _metric(text: str | None, *, required: bool = False) -> Metric | None:
    if text is None and not required:
        return None
    metric = METRIC_OF_DISTANCE.get((text or "").lower())
    if metric is not None:
        return metric
    raise UserError(
        "the metric is needed" if text is None else "unknown metric",
        where="--metric",
        expected="one of " + ", ".join(METRICS),
        got=text,
        hint=did_you_mean(text, METRIC_OF_DISTANCE) if text else None,
    )


def _split(file: Path, queries: Path | None, holdout: int | None, seed: int) -> QuerySplit:
    if queries is not None and holdout is not None:
        raise UserError("--queries and --holdout exclude each other", hint="give one of them")
    own_queries = file.suffix.lower() in FILE_ENDINGS and holdout is None
    if queries is not None or own_queries:
        return QuerySplit("file")
    return QuerySplit("random", count=holdout or 1000, seed=seed)


@app.command("convert")
def convert_file(
    source: Annotated[
        Path, typer.Argument(parser=user_path, metavar="IN", help="The file to read.")
    ],
    target: Annotated[
        Path, typer.Argument(parser=user_path, metavar="OUT", help="The file to write.")
    ],
    from_format: Annotated[
        str | None, typer.Option("--from", help="Format of SOURCE. Default: by its ending.")
    ] = None,
    to_format: Annotated[
        str | None, typer.Option("--to", help="Format of TARGET. Default: by its ending.")
    ] = None,
    part: Annotated[str, typer.Option(help="base or queries, if TARGET holds one table.")] = "base",
    queries: QueriesFile = None,
    holdout: Holdout = None,
    seed: Seed = 0,
    metric: MetricName = None,
) -> None:
    """Convert a file of vectors; the endings of the names are the formats.

    An HDF5 file gets base, queries and the true 100 nearest neighbours, for other tools to use.

    Example: annharness data convert base.fvecs base.npy

    Example: annharness data convert glove.6B.50d.txt.gz glove.hdf5 --holdout 1000 --metric angular
    """
    if part not in ("base", "queries"):
        raise UserError("unknown part", where="--part", expected="base or queries", got=part)
    how = None if holdout is None else QuerySplit("random", count=holdout, seed=seed)
    with shown_progress():
        convert(
            source,
            target,
            from_format=from_format,
            to_format=to_format,
            part=part,
            how=how,
            queries=queries,
            metric=_metric(metric),
        )
    terminal().print(f"wrote {target} ({megabytes(target.stat().st_size)})")


@app.command("clean")
def clean(
    downloads: Annotated[
        bool, typer.Option("--downloads", help="Remove fetched archives.")
    ] = False,
    truth: Annotated[
        bool, typer.Option("--truth", help="Remove ground truth and difficulty.")
    ] = False,
    datasets: Annotated[
        bool, typer.Option("--datasets", help="Remove datasets that are ready to run.")
    ] = False,
    environments: Annotated[
        bool, typer.Option("--environments", help="Remove the environments of isolated algorithms.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Remove all of these.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be removed, and remove nothing.")
    ] = False,
) -> None:
    """Remove parts of the cache; without an option, only what interrupted work left behind.

    Example: annharness data clean --downloads --dry-run
    """
    chosen: set[Kind] = {"leftovers"}
    chosen |= {"downloads"} if downloads or everything else set()
    chosen |= {"truth"} if truth or everything else set()
    chosen |= {"datasets", "files"} if datasets or everything else set()
    cached = cached_items()
    items = [item for item in cached if item.kind in chosen]
    for item in items:
        say(f"{item.kind:<10} {megabytes(item.bytes):>12}  {item.path}")
    freed = sum(item.bytes for item in items) if dry_run else remove(items)
    if environments or everything:
        freed += _clean_environments(dry_run)
    say(f"{'would free' if dry_run else 'freed'} {megabytes(freed)}")
    _print_kept([item for item in cached if item.kind not in chosen])


_OPTIONS: dict[Kind, str] = {
    "datasets": "--datasets",
    "files": "--datasets",
    "downloads": "--downloads",
    "truth": "--truth",
    "unfinished": "written to within the last hour, maybe by a command that still runs",
}
"""What removes each kind, or why nothing does."""


def _print_kept(items: list[Item]) -> None:
    """Print how much of each kind stays, and which option would remove it."""
    for kind, option in _OPTIONS.items():
        sizes = [item.bytes for item in items if item.kind == kind]
        if sizes:
            say(f"kept {kind:<10} {megabytes(sum(sizes)):>12}  ({option})")


def _clean_environments(dry_run: bool) -> int:
    """Remove the isolated environments, or only list them; return their bytes."""
    sizes = {one.folder: bytes_below(one.folder) for one in made_environments()}
    for folder, size in sizes.items():
        say(f"{'environment':<10} {megabytes(size):>12}  {folder}")
    return sum(sizes.values()) if dry_run else remove_environments()
