"""`annharness results`: results to and from a folder that others can read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import DEFAULT_RESULTS, Results
from harness.cli.progress import shown_progress
from harness.cli.terminal import say
from harness.cli.verbs import SETTINGS
from harness.files.progress import Progress

if TYPE_CHECKING:
    from harness.files.remote import RemoteFolder
    from harness.interop.exchange import Exchange
    from harness.results.store import ResultStore

app = typer.Typer(
    no_args_is_help=True,
    help="Send results to a folder that others can read, or take them from there.",
    **SETTINGS,
)

_REFUSED = 1
_REFUSED_SHOWN = 20

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


def _exchange(
    move: Callable[[ResultStore, RemoteFolder, Progress], Exchange],
    store: ResultStore,
    url: str,
    word: str,
) -> None:
    from harness.files.remote import RemoteFolder

    with shown_progress() as progress:
        found = move(store, RemoteFolder(url), progress)
    for name, reason in found.refused[:_REFUSED_SHOWN]:
        say(f"refused {name}: {reason}", to_errors=True)
    if len(found.refused) > _REFUSED_SHOWN:
        say(f"and {len(found.refused) - _REFUSED_SHOWN} more", to_errors=True)
    say(f"{found.done} files {word}, {found.kept} were there, {len(found.refused)} refused")
    if found.refused:
        raise typer.Exit(_REFUSED)
