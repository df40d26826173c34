"""The command `annharness`: its commands in the order of the work, and their common options."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

import harness
from harness.cli.terminal import drop_odd_sizes, drop_output, say, spell_what_cannot_be_printed
from harness.cli.verbs import SETTINGS, Verbs
from harness.errors import UserError

_USER_ERROR = 2
_SIGNALLED = 128
_PATIENCE_SECONDS = 2.0
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_SCARCE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)

app = typer.Typer(cls=Verbs, no_args_is_help=True, **SETTINGS)


class _Interrupted(BaseException):
    """A signal that asks to stop; not an Exception, so that no library catches it."""

    def __init__(self, number: int) -> None:
        self.number = number


def _interrupt(number: int, frame: FrameType | None) -> None:
    # One signal is enough: allow some time for an orderly end.
    until = time.monotonic() + _PATIENCE_SECONDS
    signal.signal(number, lambda again, _: _leave(again) if time.monotonic() > until else None)
    raise _Interrupted(number)


def _leave(number: int) -> None:
    """Exit at once: a library swallowed the first signal, or ending hangs; workers die with us."""
    os._exit(_SIGNALLED + number)


def _show_warning(
    message: Warning | str, category: type[Warning], *place: object, **more: object
) -> None:
    """Print a warning as one line, without its place in our code."""
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
    _open_standard_streams()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    warnings.showwarning = _show_warning
    spell_what_cannot_be_printed()
    drop_odd_sizes()
    os.environ["MPLBACKEND"] = "agg"  # figures are only written, whatever the user has for others
    try:
        try:
            app(_with_plugins_spelled_out(sys.argv[1:]), prog_name="annharness")
        finally:
            sys.stdout.flush()
    except UserError as error:
        say(f"error: {error.describe()}", to_errors=True)
        sys.exit(_USER_ERROR)
    except _Interrupted as interrupted:
        print(
            "\nstopped; what was finished is kept, and the same command continues from there",
            file=sys.stderr,
        )
        sys.exit(_SIGNALLED + interrupted.number)
    except BrokenPipeError:
        # The reader has closed the pipe (`| head`): output is no longer possible.
        drop_output(sys.stdout)
        sys.exit(_SIGNALLED + signal.SIGPIPE)
    except (OSError, MemoryError) as error:
        if isinstance(error, OSError) and error.errno not in (*_NO_SPACE, *_SCARCE):
            raise
        reason = error.strerror if isinstance(error, OSError) else "Cannot allocate memory"
        drop_output(sys.stdout)
        say(f"error: the system refuses what is needed: {reason}", to_errors=True)
        sys.exit(_USER_ERROR)


def _open_standard_streams() -> None:
    """Open those that are closed (`>&-`), or the next file of ours would get their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115


if __name__ == "__main__":
    main()
