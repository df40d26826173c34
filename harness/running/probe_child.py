"""The child side of a probe: import an adapter, tell what it printed. It needs little itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.foreign import import_foreign
from harness.running.job import EVENTS_FILE, Job
from harness.running.worker import Events, described, load_adapter

PROGRAM = "harness.running.probe_child:probe_job"
TASK = "import"
_KEPT_CHARACTERS = 500


def probe_job(job: Job) -> None:
    """Import the job's adapter; what it prints to stdout is reported. The child's program."""
    events = Events(Path(job.folder) / EVENTS_FILE)
    events.write("phase", phase="import", task=TASK)
    printed = Path(job.folder) / "stdout.txt"
    try:
        with _stdout_to(printed):
            if job.foreign is None:
                load_adapter(job)
            else:
                import_foreign(job.foreign)
        text = printed.read_text(errors="replace")
        events.write("report", task=TASK, found={"printed": text[:_KEPT_CHARACTERS]})
    except Exception as error:
        events.write("failed", task=TASK, phase="import", **described(error))
    events.write("done")


@contextmanager
def _stdout_to(path: Path) -> Iterator[None]:
    """Send what Python and libraries write to stdout into a file."""
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
