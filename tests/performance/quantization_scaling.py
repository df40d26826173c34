"""Cost against n and against M and K: seconds, memory, and the growth from step to step.

    python tests/performance/quantization_scaling.py [--dataset glove-100] [--out scaling.png]

Processor seconds of all threads (median of the rounds): on a busy machine they move less than wall
time. Growth is the exponent of cost ~ n^growth between neighbouring sizes; training works on a
sample of fixed size, so it is below 1 until encoding outweighs it.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
from quantization_shared import Data, cost, load, parser

# isort: split
from harness.algorithms.quantization.adapter import AnisotropicPQ

SIZES = (10_000, 30_000, 100_000, 340_000)
SHAPES = ((10, 4), (25, 4), (50, 4), (100, 4), (25, 1), (25, 2), (25, 6), (25, 8))


def build_cost(data: Data, n: int, M: int, nbits: int, rounds: int) -> tuple[float, float]:
    """Return the median processor seconds and the most private MiB of building n rows."""
    base = data.base[:n]
    AnisotropicPQ("angular", M=M, nbits=nbits).prepare(base.shape)
    costs = [
        cost(lambda: AnisotropicPQ("angular", M=M, nbits=nbits).fit(base)) for _ in range(rounds)
    ]
    return median(c.cpu_seconds for c in costs), max(c.peak_private_mib for c in costs)


def by_size(data: Data, rounds: int) -> dict[int, list[float]]:
    """Print and return seconds for every n, at 100 and 200 bits."""
    sizes = [min(n, len(data.base)) for n in SIZES]
    seconds: dict[int, list[float]] = {}
    print(f"{'n':>9}{'M':>5}{'nbits':>7}{'cpu s':>9}{'us/row':>9}{'MiB':>8}{'growth':>8}")
    for M in (25, 50):
        seconds[M] = []
        for n in sizes:
            spent, mib = build_cost(data, n, M, 4, rounds)
            seconds[M].append(spent)
            growth = ""
            if len(seconds[M]) > 1:
                previous = sizes[len(seconds[M]) - 2]
                growth = f"{np.log(spent / seconds[M][-2]) / np.log(n / previous):.2f}"
            print(f"{n:9,}{M:5}{4:7}{spent:9.3f}{1e6 * spent / n:9.2f}{mib:8.1f}{growth:>8}")
    return seconds


def by_shape(data: Data, rounds: int) -> list[tuple[int, int, float]]:
    """Print and return seconds at 100,000 rows for every M K."""
    n = min(100_000, len(data.base))
    found = []
    print(f"\n{n:,} rows\n{'M':>5}{'nbits':>7}{'M K':>7}{'cpu s':>9}{'us/row':>9}{'MiB':>8}")
    for M, nbits in SHAPES:
        if data.base.shape[1] % M:
            continue
        spent, mib = build_cost(data, n, M, nbits, rounds)
        found.append((M, nbits, spent))
        print(f"{M:5}{nbits:7}{M << nbits:7}{spent:9.3f}{1e6 * spent / n:9.2f}{mib:8.1f}")
    return found


def plot(
    data: Data, sizes: dict[int, list[float]], shapes: list[tuple[int, int, float]], out: Path
) -> None:
    """Draw both relations."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    n = [min(size, len(data.base)) for size in SIZES]
    for (M, seconds), colour in zip(sizes.items(), ("#0072B2", "#D55E00"), strict=True):
        left.loglog(n, seconds, "o-", color=colour, label=f"M={M}, nbits=4")
    linear = [sizes[50][-1] * size / n[-1] for size in n]
    left.loglog(n, linear, ":", color="grey", label="linear in n")
    left.set(xlabel="rows", ylabel="processor seconds to build", title=data.name)
    left.legend(frameon=False)
    for M, nbits, seconds in shapes:
        right.loglog(M << nbits, seconds, "o", color="#0072B2")
        right.annotate(
            f"{M} x {nbits} bits",
            (M << nbits, seconds),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    right.set(
        xlabel="codewords in all, M K",
        ylabel="processor seconds to build",
        title=f"{data.name}, {min(100_000, len(data.base)):,} rows",
    )
    for axis in (left.yaxis, right.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())
    for axis in (left.xaxis, right.xaxis):
        axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    right.margins(x=0.12, y=0.1)
    figure.savefig(out, dpi=120)
    print(f"\nwrote {out}")


def main() -> None:
    """Measure, print and plot."""
    options = parser(__doc__)
    options.add_argument("--out", type=Path, help="a plot, .png or .svg")
    options = options.parse_args()
    data = load(options)
    sizes = by_size(data, options.rounds)
    for M, seconds in sizes.items():
        ends = np.log(seconds[-1] / seconds[0]) / np.log(min(SIZES[-1], len(data.base)) / SIZES[0])
        print(f"M={M}: growth {ends:.2f} from the smallest to the largest (1 is linear)")
    ratios = [b / a for seconds in sizes.values() for a, b in pairwise(seconds)]
    print(f"largest step: {max(ratios):.2f} x the seconds for about 3.3 x the rows")
    shapes = by_shape(data, options.rounds)
    if options.out:
        plot(data, sizes, shapes, options.out)


if __name__ == "__main__":
    main()
