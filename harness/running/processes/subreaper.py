"""Linux's ways to handle processes whose parent has ended: a signal, or a subreaper."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PARENT_VARIABLE = "ANNHARNESS_PARENT"
"""Names, in the environment, the process that a supervisor or a worker must not outlive."""

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def end_with_parent(number: signal.Signals) -> None:
    """Ask for a signal when the parent ends, and exit at once if it has ended already."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != int(os.environ[PARENT_VARIABLE]):
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parents end."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
