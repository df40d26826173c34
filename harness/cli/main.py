"""The command `annharness`: verbs in the order of the work, and what every one of them shares."""

from __future__ import annotations

import os
import signal
import sys
import time
import warnings
from types import FrameType
from typing import Annotated

import typer

import harness
from harness.cli import data
from harness.cli.check import check
from harness.cli.compare import compare
from harness.cli.doctor import doctor
from harness.cli.export import export
from harness.cli.importing import import_
from harness.cli.list import list_entries, with_plugins_spelled_out
from harness.cli.new import new
from harness.cli.plot import plot
from harness.cli.publish import publish
from harness.cli.run import run
from harness.contracts import UserError

_USER_ERROR = 2
_SIGNALLED = 128
_PATIENCE_SECONDS = 2.0

app = typer.Typer(
    help="A benchmark harness for approximate nearest neighbour search.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


class _Interrupted(BaseException):
    """A signal that asks to stop; no library may take it for its own business."""

    def __init__(self, number: int) -> None:
        self.number = number


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Once is enough: let the ending go on in peace, but not for ever.
    until = time.monotonic() + _PATIENCE_SECONDS
    signal.signal(number, lambda again, _: _leave(again) if time.monotonic() > until else None)
    raise _Interrupted(number)


def _leave(number: int) -> None:
    """Some library swallowed the first signal, or the ending hangs; the worker dies with us."""
    os._exit(_SIGNALLED + number)


def _show_warning(
    message: Warning | str, category: type[Warning], *place: object, **more: object
) -> None:
    """One line, without the place in our code."""
    kind = "" if issubclass(category, UserWarning) else f"{category.__name__}: "
    print(f"warning: {kind}{message}", file=sys.stderr)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"annharness {harness.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """A benchmark harness for approximate nearest neighbour search."""


app.command("list")(list_entries)
app.add_typer(data.app, name="data", help="Look at, fetch and check datasets.")
app.command("run")(run)
app.command("plot")(plot)
app.command("publish")(publish)
app.command("export")(export)
app.command("import")(import_)
app.command("compare")(compare)
app.command("new")(new)
app.command("check")(check)
app.command("doctor")(doctor)


def main() -> None:
    """Run the command line; exit statuses are 0, 1 (a failure), 2 (user error), 130 (Ctrl-C)."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    warnings.showwarning = _show_warning
    try:
        app(with_plugins_spelled_out(sys.argv[1:]))
    except UserError as error:
        print(f"error: {error.describe()}", file=sys.stderr)
        sys.exit(_USER_ERROR)
    except _Interrupted as interrupted:
        print("\nstopped; what was finished is kept, the same command goes on", file=sys.stderr)
        sys.exit(_SIGNALLED + interrupted.number)
    except BrokenPipeError:
        # The reader went away (`| head`): nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_SIGNALLED + signal.SIGPIPE)


if __name__ == "__main__":
    main()
