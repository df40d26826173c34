"""Which processors a worker gets: the same ones as all others of its block."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

_CPU = Path("/sys/devices/system/cpu")
_ENOUGH_FOR_ONE_TO_SPARE = 4


def allotted_cpus() -> tuple[int, ...]:
    """Return the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def worker_cpus(threads: int, block: int) -> tuple[int, ...] | None:
    """Return the processors for a worker of so many threads; None: all, chosen by the kernel.

    All workers of a block get the same. On a shared machine each processor may have another
    neighbour, whose work would look like a difference between the indexes. With four processors or
    more, one core is kept free for the harness, and the worker gets one hardware thread of each
    other core before it gets a second one of any. With fewer, blocks take turns on them.

    Parameters
    ----------
    block
        A number of the block, at least 0.
    """
    cpus = allotted_cpus()
    if threads >= len(cpus):
        return None
    if len(cpus) >= _ENOUGH_FOR_ONE_TO_SPARE:
        return tuple(sorted(_best_first(cpus)[:threads]))
    return tuple(sorted(cpus[(block + i) % len(cpus)] for i in range(threads)))


def siblings(cpu: int) -> list[int]:
    """Return the hardware threads of a core, the processor among them; none if it is unknown."""
    try:
        text = (_CPU / f"cpu{cpu}/topology/thread_siblings_list").read_text()
    except OSError:
        return []
    found: list[int] = []
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        found.extend(range(int(first), int(last or first) + 1))
    return found if cpu in found else []


def pin_all_threads(cpus: Sequence[int] | None) -> None:
    """Bind this process to processors, with all threads that its libraries have started."""
    if cpus is None or not hasattr(os, "sched_setaffinity"):
        return
    for thread in Path("/proc/self/task").iterdir():
        try:
            os.sched_setaffinity(int(thread.name), cpus)
        except ProcessLookupError:
            continue  # it ended while we looked


def _best_first(cpus: Sequence[int]) -> list[int]:
    """All processors except the harness's own, its siblings last."""
    cores = {cpu: siblings(cpu) or [cpu] for cpu in cpus}
    harness_core = cores[cpus[0]]
    return sorted(
        cpus[1:], key=lambda cpu: (cpu in harness_core, _rank(cpu, cores[cpu], cpus), cpu)
    )


def _rank(cpu: int, core: Sequence[int], allotted: Sequence[int]) -> int:
    """0 for the first of our hardware threads on a core, 1 for the next."""
    return [one for one in core if one in allotted].index(cpu)
