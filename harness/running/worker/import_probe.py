"""The program of a test import: it imports an adapter and reports its output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.contracts.resources import JOB_FOLDER_VARIABLE
from harness.foreign import import_foreign
from harness.running.blocks import adapter_from_json
from harness.running.messages import Channel, Done, Phase, ProtocolError, Report, Start
from harness.running.worker.adapters import failure_of, load_adapter

TASK = "import"
_KEPT_CHARACTERS = 500


def main(channel: Channel) -> None:
    """Import an adapter and report its output to stdout. The program of the child process."""
    start = channel.wait()
    if not isinstance(start, Start):
        raise ProtocolError(f"{type(start).__name__} before Start")
    spec = adapter_from_json(start.spec)
    channel.send(Phase(TASK, TASK))
    printed = Path(os.environ[JOB_FOLDER_VARIABLE]) / "stdout.txt"
    try:
        with _stdout_to(printed):
            if spec.foreign is None:
                load_adapter(spec)
            else:
                import_foreign(spec.foreign)
        text = printed.read_text(errors="replace")
        channel.send(Report(TASK, {"printed": text[:_KEPT_CHARACTERS]}))
    except Exception as error:
        channel.send(failure_of(error, TASK))
    channel.send(Done())


@contextmanager
def _stdout_to(path: Path) -> Iterator[None]:
    """Redirect the stdout of Python and libraries into a file."""
    sys.stdout.flush()
    kept = os.dup(1)
    with path.open("wb") as file:
        os.dup2(file.fileno(), 1)
        try:
            yield
        finally:
            sys.stdout.flush()
            os.dup2(kept, 1)
            os.close(kept)
