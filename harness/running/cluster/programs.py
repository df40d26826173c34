"""Dask's scheduler and worker, set so that nothing of them runs while queries are timed.

    python -m harness.running.cluster.programs scheduler --host 127.0.0.1 --port 0
    python -m harness.running.cluster.programs worker tcp://HOST:PORT

All options of `dask scheduler` and `dask worker` can be given. With `--end-with-input` they end
when their standard input does: when whoever started them ends, by SSH too.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

END_WITH_INPUT = "--end-with-input"
SCRATCH = "ANNHARNESS_SCRATCH"
"""The environment variable with the folder `scratch:` as the cluster file has it."""

_SECONDS_TO_LEAVE = 10.0

SETTINGS = {
    "distributed.admin.system-monitor.interval": "60s",
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.admin.tick.interval": "10s",
    "distributed.admin.tick.limit": "60s",
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.scheduler.worker-ttl": None,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.rebalance.measure": "managed",
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.profile.enabled": False,
}
"""No profiler, no monitors, no limits of memory, no stealing: a node does one thing at a time."""


def main(arguments: Sequence[str]) -> None:
    """Run `scheduler` or `worker` with the options of Dask's own programs."""
    _make_scratch()
    import dask

    program, *options = arguments
    if END_WITH_INPUT in options:
        options.remove(END_WITH_INPUT)
        threading.Thread(target=_end_with_input, daemon=True).start()
    # Who starts a scheduler reads its address from the log, which is there at level info.
    dask.config.set({**SETTINGS, "logging.distributed": "info"})
    if program == "scheduler":
        from distributed.cli.dask_scheduler import main as run_scheduler

        run_scheduler(["--no-dashboard", *options])
    else:
        from distributed.cli.dask_worker import main as run_worker

        run_worker(["--no-nanny", "--nthreads", "1", "--no-dashboard", *_without_own(options)])


def _make_scratch() -> None:
    """Make the folder of the cluster file for the cache and temporary files, if it names one.

    No shell has replaced `~` and `$VARIABLE` in it by those of this machine, of which `TMPDIR` may
    be one. It is made here since Python silently takes another folder if it is not there.
    """
    given = os.environ.pop(SCRATCH, None)
    if given is None:
        return
    scratch = Path(os.path.expandvars(given))
    with suppress(RuntimeError):  # there is no such user
        scratch = scratch.expanduser()
    if not scratch.is_absolute() or "$" in str(scratch):
        sys.exit(
            f"the scratch folder {given} is {scratch} here, which is no absolute path or has a "
            "variable that is not set: set it on the node, or change scratch: in the cluster file"
        )
    try:
        scratch.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sys.exit(f"cannot make the scratch folder {scratch}: {error.strerror}")
    os.environ |= {"TMPDIR": str(scratch), "ANNHARNESS_DATA": str(scratch / "annharness")}


def _end_with_input() -> None:
    with suppress(OSError):  # as when there is no input
        while os.read(0, 1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_SECONDS_TO_LEAVE)
    os.kill(os.getpid(), signal.SIGKILL)


def _without_own(options: Sequence[str]) -> list[str]:
    """Leave out what a batch system's script gives and the node does not take."""
    kept, skipped = [], False
    for option in options:
        if skipped:
            skipped = False
        elif option in ("--nthreads", "--memory-limit", "--nworkers"):
            skipped = True
        else:
            kept.append(option)
    return [*kept, "--memory-limit", "0"]


if __name__ == "__main__":
    main(sys.argv[1:])
