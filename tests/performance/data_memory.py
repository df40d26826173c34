"""Private memory that ground truth takes, for some values of --memory.

    python -P tests/performance/data_memory.py [DATASET] [K]

Pages of the mapped rows are not counted: the system takes them back when it needs them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path


def anonymous_mib() -> float:
    """What the process holds beside mapped files, in MiB."""
    text = Path("/proc/self/smaps_rollup").read_text()
    return int(re.search(r"^Anonymous:\s+(\d+)", text, re.MULTILINE)[1]) / 1024


def measure(name: str, k: int, memory_mib: int) -> None:
    """Compute the truth into an empty cache and print the peak above the start."""
    from harness.data.loading import open_definition
    from harness.data.truth.store import truth_of
    from harness.registry.registry import load_registry

    dataset = open_definition(load_registry().dataset(name))
    import faiss  # noqa: F401 - what it takes by itself is not counted

    os.environ["ANNHARNESS_DATA"] = tempfile.mkdtemp()
    start, peak, done = anonymous_mib(), 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, anonymous_mib())

    watcher = threading.Thread(target=watch)
    watcher.start()
    begun = time.perf_counter()
    truth_of(dataset, k, memory_bytes=memory_mib << 20)
    done.set()
    watcher.join()
    seconds = time.perf_counter() - begun
    print(
        f"{name}, {len(dataset.queries):,} queries, k={k}, --memory {memory_mib}MiB: "
        f"peak {peak - start:.0f} MiB, {seconds:.1f} s"
    )


def main(name: str = "glove-100", k: str = "100") -> None:
    """Measure each setting in a process of its own."""
    for memory_mib in (128, 256, 1024):
        command = [sys.executable, "-P", __file__, "--measure", name, k, str(memory_mib)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        main(*sys.argv[1:])
