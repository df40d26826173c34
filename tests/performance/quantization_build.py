"""Build time and memory: anisotropic-pq against scann and FAISS's product quantization.

    python tests/performance/quantization_build.py [--dataset glove-100] [--M 25 50] [--rounds 5]

One process, the builders by turns in every round; ratios are medians over the rounds of ratios
within a round. scann is left out with --no-scann.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

from quantization_shared import Cost, Data, cost, load, parser, scann_searcher

# isort: split
from harness.algorithms.quantization.adapter import AnisotropicPQ, FaissPQ, ProductQuantizer


def builders(data: Data, M: int, scann: bool) -> dict[str, Callable[[], Any]]:
    """Return what is compared; ours is compiled beforehand, as the harness does."""

    def fitted(adapter: type, **build: Any) -> Callable[[], Any]:
        adapter("angular", M=M, **build).prepare(data.base.shape)
        return lambda: adapter("angular", M=M, **build).fit(data.base)

    found = {
        "anisotropic-pq": fitted(AnisotropicPQ),
        "pq": fitted(ProductQuantizer),
        "faiss-pq": fitted(FaissPQ),
    }
    if scann:
        found["scann"] = lambda: scann_searcher(data.base, M)
    return found


def report(M: int, rounds: list[dict[str, Cost]], base_mib: float) -> None:
    """Print medians, and the ratios to ours."""
    print(f"\nM={M}, nbits=4, {4 * M} bits; the base has {base_mib:.0f} MiB")
    print(f"{'':16}{'wall s':>8}{'cpu s':>8}{'private MiB':>13}{'ours / this: wall, cpu':>27}")
    for name in rounds[0]:
        own = [turn["anisotropic-pq"] for turn in rounds]
        this = [turn[name] for turn in rounds]
        wall = median(a.seconds / b.seconds for a, b in zip(own, this, strict=True))
        cpu = median(a.cpu_seconds / b.cpu_seconds for a, b in zip(own, this, strict=True))
        print(
            f"{name:16}{median(c.seconds for c in this):8.2f}"
            f"{median(c.cpu_seconds for c in this):8.2f}"
            f"{max(c.peak_private_mib for c in this):13.1f}{wall:27.2f}{cpu:9.2f}"
        )


def main() -> None:
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--M", type=int, nargs="+", default=[25, 50])
    options.add_argument("--no-scann", action="store_true")
    options = options.parse_args()
    data = load(options)
    for M in options.M:
        compared = builders(data, M, not options.no_scann)
        rounds = [
            {name: cost(build) for name, build in compared.items()} for _ in range(options.rounds)
        ]
        report(M, rounds, data.base.nbytes / 2**20)


if __name__ == "__main__":
    main()
