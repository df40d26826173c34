"""`annharness results`: results to and from a folder that others can read, and in packages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import (
    AS_PATH,
    DEFAULT_RESULTS,
    Algorithms,
    Datasets,
    Plugins,
    Results,
    Stale,
    Suite,
)
from harness.cli.progress import shown_progress
from harness.cli.terminal import say
from harness.cli.verbs import SETTINGS
from harness.contracts import UserError
from harness.files.progress import Progress
from harness.files.space import megabytes
from harness.registry.registry import Registry, load_registry
from harness.text import counted

if TYPE_CHECKING:
    from harness.files.remote import RemoteFolder
    from harness.interop.exchange import Exchange
    from harness.interop.package import Package
    from harness.interop.package_checks import Checked
    from harness.results.store import ResultStore

app = typer.Typer(
    no_args_is_help=True,
    help="Exchange results: by a folder that others can read, or packed for them to check.",
    **SETTINGS,
)

_REFUSED = 1
_LINES_SHOWN = 20

Packages = Annotated[
    list[Path], typer.Argument(**AS_PATH, help="Packages of `annharness results pack`.")
]
Url = Annotated[
    str, typer.Argument(metavar="URL", help="A path, or a URL such as s3://bucket/folder.")
]


@app.command("push")
def push_results(url: Url, results: Results = DEFAULT_RESULTS) -> None:
    """Send every stored result to a folder that others can read; nothing there is overwritten.

    Example: annharness results push s3://our-bucket/annharness
    """
    from harness.interop.exchange import push
    from harness.results.store import ResultStore

    store = ResultStore(results)
    store.require_readable()
    _exchange(push, store, url, "sent")


@app.command("pull")
def pull_results(url: Url, results: Results = DEFAULT_RESULTS) -> None:
    """Take the builds from such a folder that are not stored here; what is here stays as it is.

    Example: annharness results pull /shared/annharness --results all
    """
    from harness.interop.exchange import pull
    from harness.results.store import ResultStore

    _exchange(pull, ResultStore(results), url, "taken")


@app.command("pack")
def pack_results(
    suite: Suite = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", **AS_PATH, help="Package to write, a zip file.")
    ] = Path("results.zip"),
    per_query: Annotated[
        bool, typer.Option("--per-query", help="Add a row for each point and query, as Parquet.")
    ] = False,
    dataset: Datasets = None,
    algorithm: Algorithms = None,
    stale: Stale = False,
    results: Results = DEFAULT_RESULTS,
    plugins: Plugins = None,
) -> None:
    """Write results, with a manifest of their hashes and figures, as a package for others.

    A result holds the command that measured it as it was typed, with its paths.

    Example: annharness results pack demo -o demo.zip
    """
    from harness.interop.package import pack
    from harness.report.analysis.selecting import Selection, selected

    selection = Selection(suite, dataset or (), algorithm or (), None, stale)
    with shown_progress() as progress:
        table = selected(results, plugins or (), selection)
        made = pack(table, results, out, per_query=per_query, progress=progress)
    size = megabytes(out.stat().st_size)
    say(f"{counted(len(made.points), 'point')} in {counted(len(made.files), 'file')}, {size}")
    say(out)


@app.command("check")
def check_packages(
    packages: Packages,
    strict: Annotated[
        bool, typer.Option("--strict", help="Warnings count as failures too.")
    ] = False,
    results: Results = DEFAULT_RESULTS,
    plugins: Plugins = None,
) -> None:
    """Compute everything in packages anew that can be, and say what differs; nothing is written.

    Exit status 1 if a package contradicts itself, or the dataset in the cache.

    Example: annharness results check packages/*.zip
    """
    registry = load_registry(plugins or ())
    bad = False
    for path in packages:
        with _checked(path, registry, results) as (_, checked):
            bad |= checked is None or checked.refused or (strict and checked.doubtful)
    if bad:
        raise typer.Exit(_REFUSED)


@app.command("merge")
def merge_packages(
    packages: Packages, results: Results = DEFAULT_RESULTS, plugins: Plugins = None
) -> None:
    """Check packages, and take what the results folder lacks; what is stored there stays.

    Nothing is taken from a package that contradicts itself. Exit status 1 if there is one, or if a
    package holds another build under the same number as the folder.

    Example: annharness results merge packages/*.zip --results merged
    """
    from harness.interop.exchange import merge
    from harness.results.store import ResultStore

    registry = load_registry(plugins or ())
    bad = False
    for path in packages:
        with _checked(path, registry, results) as (package, checked):
            if package is None or checked is None or checked.refused:
                say(f"{path}: nothing taken", to_errors=True)
                bad = True
                continue
            with shown_progress() as progress:
                found = merge(ResultStore(results), package, progress)
            bad |= _tell_exchange(found, "taken")
    if bad:
        raise typer.Exit(_REFUSED)


@contextmanager
def _checked(
    path: Path, registry: Registry, results: Path
) -> Iterator[tuple[Package | None, Checked | None]]:
    """Open and check a package, and say what was found; None for one that cannot be read."""
    from harness.interop.package import opened
    from harness.interop.package_checks import check_package

    with ExitStack() as stack:
        try:
            with shown_progress() as progress:
                package = stack.enter_context(opened(path))
                checked = check_package(package, registry, results, progress)
        except UserError as error:
            say(error.describe(), to_errors=True)
            yield None, None
            return
        _tell_check(checked)
        yield package, checked


def _tell_check(checked: Checked) -> None:
    for finding in checked.findings:
        say(f"{finding.level}: {finding.where}: {finding.found}", to_errors=True)
    verdict = "refused" if checked.refused else "consistent"
    machines = "; ".join(checked.machines)
    say(f"{checked.path}: {verdict}, {counted(checked.points, 'point')}, {machines}")


def _exchange(
    move: Callable[[ResultStore, RemoteFolder, Progress], Exchange],
    store: ResultStore,
    url: str,
    word: str,
) -> None:
    from harness.files.remote import RemoteFolder

    with shown_progress() as progress:
        found = move(store, RemoteFolder(url), progress)
    if _tell_exchange(found, word):
        raise typer.Exit(_REFUSED)


def _tell_exchange(found: Exchange, word: str) -> bool:
    """Say what was done; return whether something was refused, or differs from what is here."""
    lines = [f"refused {name}: {reason}" for name, reason in found.refused]
    lines += [f"kept {name}: {reason}" for name, reason in found.conflicts]
    for line in lines[:_LINES_SHOWN]:
        say(line, to_errors=True)
    if len(lines) > _LINES_SHOWN:
        say(f"and {len(lines) - _LINES_SHOWN} more", to_errors=True)
    refused = f"{len(found.refused)} refused"
    conflicts = f", {len(found.conflicts)} in conflict" if found.conflicts else ""
    say(f"{found.done} files {word}, {found.kept} were there, {refused}{conflicts}")
    return bool(lines)
