"""The entry of the child process: `python -m harness.running.child JOB.json`.

The limits are set before anything heavy is loaded.
"""

from __future__ import annotations

import importlib
import os
import resource
import signal
import sys
from pathlib import Path

from harness.running.orphans import end_with_parent

_RESERVE_BYTES = (
    1 << 30
)  # reservations that stay empty (thread stacks, arenas) count in RLIMIT_DATA


def main(job_file: str) -> None:
    """Run one job and leave without the finalizers of libraries, which are nobody's result."""
    end_with_parent(signal.SIGKILL)
    from harness.running.job import Job

    job = Job.read(Path(job_file))
    _limit(job)
    module, _, name = job.program.partition(":")
    getattr(importlib.import_module(module), name)(job)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _limit(job: object) -> None:
    """Set the hard stop of memory and the allotted processors."""
    memory_bytes = getattr(job, "memory_bytes", 0)
    cpus = getattr(job, "cpus", None)
    if memory_bytes:
        limit = memory_bytes + _RESERVE_BYTES
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if cpus and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)


if __name__ == "__main__":
    main(sys.argv[1])
