"""What is in the cache: datasets are fetched into it, and removed from it."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.options import DatasetName, Plugins
from harness.cli.progress import shown_progress
from harness.cli.terminal import say
from harness.contracts import UserError, bytes_below
from harness.data.cache.folder import Item, Kind, cached_items, remove
from harness.data.truth.store import truth_of
from harness.files.space import megabytes
from harness.registry.schema.values import parse_size
from harness.running.datasets import open_named
from harness.running.environments.isolated import made_environments, remove_environments
from harness.text import counted

_SHARD_BYTES = 2 << 30


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
            from harness.running.cluster.cluster_file import read_cluster
            from harness.running.cluster.executor import cluster_executor
            from harness.running.cluster.truth_search import ClusterTruth

            with cluster_executor(read_cluster(cluster), _tell) as executor:
                parts = shards or max(parts, len(executor.nodes.addresses))
                computed = ClusterTruth(executor)
                truth_of(opened, k, progress, _bytes(memory), parts, computed)
        elif k:
            truth_of(opened, k, progress, _bytes(memory), parts)
    shape = f"{len(opened.base):,} x {opened.base.shape[1]}, {opened.metric}"
    say(
        f"{opened.name} is here: {shape}, {counted(len(opened.queries), 'query', 'queries')}, in "
        f"{opened.path}"
    )


def _tell(line: str) -> None:
    say(line, to_errors=True)


def _bytes(text: str) -> int:
    try:
        return int(parse_size(text))
    except ValueError as error:
        raise UserError("not a size", where="--memory", expected=str(error), got=text) from error


def clean(
    downloads: Annotated[
        bool,
        typer.Option("--downloads", help="Remove downloads, also those placed by hand."),
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
    compiled: Annotated[
        bool, typer.Option("--compiled", help="Remove what numba compiled for adapters.")
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
    chosen |= {"compiled"} if compiled or everything else set()
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
    "compiled": "--compiled",
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
