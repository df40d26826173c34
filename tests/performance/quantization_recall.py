"""Recall at equal bits: paired over the same queries with scann at T = 0.2.

    python tests/performance/quantization_recall.py [--dataset glove-100] [--M 25 50] [--seeds 3]
    python tests/performance/quantization_recall.py --nbits 8 --M 25 --only anisotropic-pq

scann's codes have 4 bits; with --nbits 8 it gets twice as many. Of ours, a coarse code takes the
place of one of M. Every quantizer is built once per
seed; a query's recall is its mean over the seeds, and the intervals (95 %) are bootstrapped over
the paired differences of queries. One scann build: its training takes no seed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from quantization_shared import Data, hits, interval, load, parser, scann_searcher

# isort: split
from harness.algorithms.quantization.adapter import (
    AnisotropicPQ,
    FaissPQ,
    ProductQuantizer,
    ScannStylePQ,
)

COMPARED: dict[str, tuple[type, dict[str, Any]]] = {
    "pq": (ProductQuantizer, {}),
    "faiss-pq": (FaissPQ, {}),
    "faiss-opq": (FaissPQ, {"rotation": "opq"}),
    "scann-style-pq": (ScannStylePQ, {}),
    "anisotropic-pq": (AnisotropicPQ, {}),
    "anisotropic-pq, random rotation": (AnisotropicPQ, {"rotation": "random"}),
    "anisotropic-pq, OPQ rotation": (AnisotropicPQ, {"rotation": "opq"}),
    "anisotropic-pq, coarse code": (AnisotropicPQ, {"coarse": True}),  # with --nbits 8
}


def recalls(data: Data, name: str, M: int, nbits: int, seeds: int) -> dict[str, np.ndarray]:
    """Return recall per query, the mean over the seeds."""
    adapter, build = COMPARED[name]
    runs = []
    for seed in range(seeds):
        index = adapter("angular", bits=M * nbits, nbits=nbits, seed=seed, **build)
        index.fit(data.base)
        index.set_search(rerank=0)
        runs.append(hits(index.query_batch(data.queries, 10), data.truth))
    return {kind: np.mean([run[kind] for run in runs], axis=0) for kind in runs[0]}


def scann_recalls(data: Data, M: int) -> dict[str, np.ndarray]:
    """Return recall per query of scann."""
    ids, _ = scann_searcher(data.base, M).search_batched(data.queries, 10)
    return hits(np.asarray(ids).astype(np.int64), data.truth)


def report(name: str, own: dict[str, np.ndarray], reference: dict[str, np.ndarray]) -> None:
    """Print means, and differences to the reference with their intervals."""
    cells = []
    for kind, values in own.items():
        low, high = interval(values - reference[kind])
        difference = (values - reference[kind]).mean()
        cells.append(f"{kind} {values.mean():.3f} ({difference:+.3f} [{low:+.3f}, {high:+.3f}])")
    print(f"  {name:32}" + "   ".join(cells), flush=True)


def main() -> None:
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--M", type=int, nargs="+", default=[25, 50])
    options.add_argument("--nbits", type=int, choices=(4, 8), default=4)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--only", nargs="+", choices=COMPARED)
    options = options.parse_args()
    possible = [
        n for n, (_, build) in COMPARED.items() if options.nbits == 8 or "coarse" not in build
    ]
    data = load(options)
    for M in options.M:
        bits = options.nbits * M
        print(f"{M=}, nbits={options.nbits}, {bits} bits; difference to scann in brackets")
        reference = scann_recalls(data, bits // 4)
        report("scann 1.4.2, T=0.2", reference, reference)
        for name in options.only or possible:
            report(name, recalls(data, name, M, options.nbits, options.seeds), reference)


if __name__ == "__main__":
    main()
