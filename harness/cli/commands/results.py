"""`annharness results`: results to and from a folder that others can read, and in packages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
from harness.text import counted, one_line

if TYPE_CHECKING:
    from harness.files.remote import RemoteFolder
    from harness.interop.exchange import Exchange
    from harness.interop.package import Package
    from harness.interop.package_checks import Checked
    from harness.results.store import ResultStore

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Share results: by a folder of several people (push, pull), or in packages that "
    "others check (pack, check, merge).",
    **SETTINGS,
)

_REFUSED = 1
_LINES_SHOWN = 20
_FINDINGS_SHOWN = 3

Packages = Annotated[
    list[Path],
    typer.Argument(**AS_PATH, help="Packages of `annharness results pack`, or folders of them."),
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
    """Take the builds that are not stored here from a folder of `results push`.

    Nothing that is stored here is replaced.

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
    points_only: Annotated[
        bool,
        typer.Option(
            "--points-only",
            help="Leave out answers and times of queries: about a hundredth of the size. Others "
            "can then compute neither recall nor latency anew, and `check` warns of that.",
        ),
    ] = False,
    dataset: Datasets = None,
    algorithm: Algorithms = None,
    stale: Stale = False,
    results: Results = DEFAULT_RESULTS,
    plugins: Plugins = None,
) -> None:
    """Write results, with a manifest of their hashes and figures, as a package for others.

    A package holds the commands as you typed them, with their paths: look for private names.

    Example: annharness results pack demo -o demo.zip
    """
    from harness.interop.package import pack
    from harness.report.analysis.selecting import Selection, selected

    selection = Selection(suite, dataset or (), algorithm or (), None, stale)
    with shown_progress() as progress:
        table = selected(results, plugins or (), selection)
        made = pack(
            table, results, out, per_query=per_query, points_only=points_only, progress=progress
        )
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
    """Compute the figures in packages anew, and say what differs; no result is changed.

    With --results, machines are compared with those of a folder. Exit status 1 if a package cannot
    be read, or contradicts itself or a dataset in the cache.

    Example: annharness results check packages
    """
    registry = load_registry(plugins or ())
    bad = False
    for path in _packages_of(packages):
        with _checked(path, registry, results) as (_, checked):
            bad |= checked is None or checked.refused or (strict and checked.doubtful)
    if bad:
        raise typer.Exit(_REFUSED)


@app.command("merge")
def merge_packages(
    packages: Packages, results: Results = DEFAULT_RESULTS, plugins: Plugins = None
) -> None:
    """Check packages, then add the builds and failures that the results folder lacks.

    Nothing stored is replaced; builds that differ from those of the same number here are named.
    Exit status 1 if a package cannot be read, or contradicts itself, the dataset in the cache, or
    the true neighbours that are stored: nothing is taken from such a package.

    Example: annharness results merge packages --results merged
    """
    from harness.interop.exchange import merge
    from harness.results.store import ResultStore

    registry = load_registry(plugins or ())
    bad = False
    for path in _packages_of(packages):
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
    """Print the findings, of each place the first ones: the others mostly follow from them."""
    places: dict[str, list[str]] = {}
    for one in checked.findings:
        places.setdefault(one.where, []).append(f"{one.level}: {one.where}: {one.found}")
    lines = []
    for where, found in places.items():
        lines += found[:_FINDINGS_SHOWN]
        if found[_FINDINGS_SHOWN:]:
            count = counted(len(found) - _FINDINGS_SHOWN, "more finding")
            lines.append(f"and {count} of {where}")
    _tell_lines(lines)
    verdict = "refused" if checked.refused else "consistent"
    machines = "; ".join(checked.machines)
    text = f"{checked.path}: {verdict}, {counted(checked.points, 'point')}, {machines}"
    say(one_line(text))


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
    """Say what was done; return whether something was refused."""
    lines = [f"refused {name}: {reason}" for name, reason in found.refused]
    lines += [f"kept {name}: {reason}" for name, reason in found.conflicts]
    _tell_lines(lines)
    refused = f"{len(found.refused)} refused"
    conflicts = f", {len(found.conflicts)} in conflict" if found.conflicts else ""
    done = counted(found.done, "file")
    say(f"{done} {word}, {found.kept} there already, {refused}{conflicts}")
    return bool(found.refused)


def _tell_lines(lines: Sequence[str]) -> None:
    """Print the first lines, each as one: a name in a file may hold line ends."""
    for line in lines[:_LINES_SHOWN]:
        say(one_line(line), to_errors=True)
    if len(lines) > _LINES_SHOWN:
        say(f"and {len(lines) - _LINES_SHOWN} more", to_errors=True)


def _packages_of(paths: Sequence[Path]) -> list[Path]:
    """The packages themselves, and those in folders, by their names."""
    found = [sorted(path.glob("*.zip")) if path.is_dir() else [path] for path in paths]
    for path, packages in zip(paths, found, strict=True):
        if not packages:  # no error: a leaderboard begins like this
            say(f"{path}: no package (*.zip) is there", to_errors=True)
    return [package for some in found for package in some]
