"""The command `annharness`: verbs in the order of the work, and what every one of them shares."""

from __future__ import annotations

import os
import signal
import sys
import time
import warnings
from collections.abc import Sequence
from types import FrameType
from typing import Annotated

import typer

import harness
from harness.cli.terminal import prepare_terminal, say
from harness.cli.verbs import SETTINGS, Verbs
from harness.errors import UserError

_USER_ERROR = 2
_SIGNALLED = 128
_PATIENCE_SECONDS = 2.0

app = typer.Typer(cls=Verbs, no_args_is_help=True, **SETTINGS)


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
    say(f"warning: {kind}{message}", to_errors=True)


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


def _with_plugins_spelled_out(arguments: Sequence[str]) -> list[str]:
    """The arguments of the command, `list --plugins` without a folder as `list plugins`."""
    spelled = list(arguments)
    if spelled[:1] == ["list"] and "--plugins" in spelled:
        at = spelled.index("--plugins")
        if at + 1 == len(spelled) or spelled[at + 1].startswith("-"):
            spelled[at] = "plugins"
    return spelled


def main() -> None:
    """Run the command line; exit statuses are 0, 1 (a failure), 2 (user error), 130 (Ctrl-C)."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    warnings.showwarning = _show_warning
    prepare_terminal()
    try:
        app(_with_plugins_spelled_out(sys.argv[1:]), prog_name="annharness")
    except UserError as error:
        say(f"error: {error.describe()}", to_errors=True)
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
