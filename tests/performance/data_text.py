"""Reading GloVe text against a plain line loop: ratio of times, paired, and peak memory.

    python tests/performance/data_text.py [ROWS] [DIMENSION] [ROUNDS]

The file is made of random values with five digits, as GloVe's are. Each reading runs in a process
of its own; the order alternates. Memory is the peak above what the imports take.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def write_file(path: Path, rows: int, dimension: int) -> None:
    """Write words and numbers as GloVe's files have them."""
    rng = np.random.default_rng(0)
    with path.open("w") as out:
        for start in range(0, rows, 10_000):
            block = rng.standard_normal((min(10_000, rows - start), dimension)) * 0.4
            for row, values in enumerate(block, start):
                out.write(f"word{row} " + " ".join(f"{value:.5g}" for value in values) + "\n")


def line_loop(path: Path) -> np.ndarray:
    """The loop that notebooks use."""
    words, vectors = [], []
    with path.open(encoding="utf-8") as file:
        for line in file:
            fields = line.split()
            words.append(fields[0])
            vectors.append(np.asarray(fields[1:], dtype="float32"))
    return np.array(vectors)


def ours(path: Path) -> np.ndarray:
    """The project's reader."""
    from harness.data.formats import read_vectors

    return np.asarray(read_vectors(path, "glove-text").rows)


def measure(name: str, path: Path) -> None:
    """In a process of its own: print seconds, peak MiB above the start and a checksum."""
    if name == "ours":
        small = path.with_name("small.txt")
        small.write_text("a 1 2\nb 3 4\n")
        ours(small)  # numba and the compiled functions are loaded
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    rows = {"ours": ours, "loop": line_loop}[name](path)
    seconds = time.perf_counter() - start
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(seconds, peak, rows.nbytes / 2**20, float(rows.sum(dtype=np.float64)))


def in_child(name: str, path: Path) -> list[float]:
    """Run `measure` in a fresh process."""
    command = [sys.executable, "-P", __file__, "--measure", name, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(field) for field in done.stdout.split()]


def main(rows: str = "400000", dimension: str = "100", rounds: str = "3") -> None:
    """Print each round and the medians."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "glove.txt"
        write_file(path, int(rows), int(dimension))
        ratios, shares = [], []
        for number in range(int(rounds)):
            order = ("ours", "loop") if number % 2 == 0 else ("loop", "ours")
            found = {name: in_child(name, path) for name in order}
            mine, loop = found["ours"], found["loop"]
            ratios.append(loop[0] / mine[0])
            shares.append(mine[1] / mine[2])
            print(
                f"{rows} x {dimension}: ours {mine[0]:.2f} s, loop {loop[0]:.2f} s, "
                f"ratio {ratios[-1]:.1f}; peak {mine[1]:.0f} MiB for {mine[2]:.0f} MiB of rows "
                f"({shares[-1]:.2f} x; loop {loop[1] / loop[2]:.2f} x); same: {mine[3] == loop[3]}"
            )
        print(f"median ratio {statistics.median(ratios):.1f}, memory {max(shares):.2f} x")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], Path(sys.argv[3]))
    else:
        main(*sys.argv[1:])
