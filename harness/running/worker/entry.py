"""The entry of every child process: set limits, run the program, exit.

The only argument is JSON, written by the harness: the program's module, the descriptor of its
channel and its limits, which are set before anything heavy is loaded.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import socket
import sys

from harness.running.processes.descendants import end_with_parent
from harness.text import Json

_RESERVE_BYTES = 1 << 30
"""Reservations that stay empty (thread stacks, arenas) count in RLIMIT_DATA."""


def main(options: Json) -> None:
    """Run `main(channel)` of a program and exit without the finalizers of libraries."""
    end_with_parent(signal.SIGKILL)
    _limit(options["memory_bytes"], options["cpus"])
    end = socket.socket(fileno=options["channel"])
    end.set_inheritable(False)  # not inherited by the adapter's processes
    program = importlib.import_module(options["program"])
    from harness.running.messages import Channel

    program.main(Channel(end))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _limit(memory_bytes: int, cpus: list[int] | None) -> None:
    """Set the hard limit of memory and the allotted processors."""
    if memory_bytes:
        _, most = resource.getrlimit(resource.RLIMIT_DATA)  # only root may raise it
        wanted = memory_bytes + _RESERVE_BYTES
        limit = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if cpus and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
