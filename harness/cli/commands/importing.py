"""`annharness import`: results of ann-benchmarks."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.entries import open_in
from harness.cli.options import DEFAULT_RESULTS, Plugins, Results
from harness.cli.terminal import say
from harness.contracts import UserError
from harness.files.paths import user_path
from harness.registry.registry import Registry, load_registry
from harness.text import clean, is_clean

if TYPE_CHECKING:
    from harness.data.cache.cached import CachedDataset


_LEFT_OUT = 1


def import_(
    folder: Annotated[
        Path,
        typer.Argument(
            parser=user_path, metavar="FOLDER", help="Their folder, which holds results/ and data/."
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
    from harness.interop.ann_benchmarks import import_results
    from harness.results.store import ResultStore
    from harness.results.untrusted.schema import LABEL_CHARACTERS

    if not is_clean(machine, LABEL_CHARACTERS):
        raise UserError(
            "a machine cannot be called so",
            where="--machine",
            expected=f"at most {LABEL_CHARACTERS} characters, no control characters",
            got=clean(machine, LABEL_CHARACTERS),
        )
    if not folder.is_dir():
        raise UserError("no such folder", where=str(folder), expected="ann-benchmarks' folder")

    registry = load_registry(plugins or ())

    @lru_cache(maxsize=4)
    def open_dataset(name: str) -> CachedDataset:
        try:
            return _open(name, folder / "data" / f"{name}.hdf5", registry)
        except UserError as error:
            raise ValueError(f"dataset {name!r}: {error.what}") from error

    store = ResultStore(results)
    store.require_writable()
    done = list(import_results(folder, store, open_dataset, machine))
    if not done:
        raise UserError("no result files", where=str(folder), expected="results/**/*.hdf5")
    for one in done:
        if one.path is None:
            say(f"left out {one.source}: {one.reason}", to_errors=True)
    taken = sum(one.path is not None for one in done)
    say(f"{taken} of {len(done)} results imported into {results}")
    if taken < len(done):
        raise typer.Exit(_LEFT_OUT)


def _open(name: str, theirs: Path, registry: Registry) -> CachedDataset:
    """Their own file if it has vectors, otherwise the cached dataset or the registry's."""
    return open_in(registry, str(theirs) if _holds_vectors(theirs) else name)


def _holds_vectors(path: Path) -> bool:
    """Whether the file itself has base and queries, and not only links to them as ours."""
    import h5py

    from harness.data.formats.hdf5 import opened

    if not path.is_file():
        return False
    with opened(path) as file:
        links = [file.get(name, getlink=True) for name in ("train", "test")]
    return all(isinstance(link, h5py.HardLink) for link in links)
