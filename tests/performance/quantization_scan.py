"""Three scans of the same codes: ours with a bound, FAISS's fast scan, and float tables.

    python tests/performance/quantization_scan.py [--bits 50 100 200] [--k 10 100] [--rounds 100]
    python tests/performance/quantization_scan.py --nbits 8 --bits 200

Codes of 8 bits need AVX-512 VBMI, and FAISS has no fast scan of them.

On glove-50-10k, and on glove-100 if it is in the cache (`annharness data fetch glove-100`), or on
the one that --dataset or --base names. One process, one thread; in every round the three answer the
same queries, in random order. A ratio is the median over the rounds of ratios within a round, by
processor time, with its 95 % bootstrap interval: above 1, ours is faster. Single: one query at a
time. Batch: the window's queries in one call. "Look-ups alone" is what no scan by these look-ups
can pass: one pass over all codes that adds the entries up and does nothing else. Last, the share of
the k ids that are those of float tables.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from quantization_shared import THREADS, Data, load, parser

# isort: split
import faiss
import numba
from harness.algorithms.quantization.arrays import Codes, Ids
from harness.algorithms.quantization.encoding import Encoder
from harness.algorithms.quantization.loss import EuclideanLoss
from harness.algorithms.quantization.parameters import Parameters
from harness.algorithms.quantization.quantizer import ComposedQuantizer
from harness.algorithms.quantization.scanner import BoundedScan, FaissScan, _groups_of
from harness.algorithms.quantization.simd.bounded_scan import (
    add_scanned,
    entries_scanned,
    places_from,
)
from harness.algorithms.quantization.simd.byte_lanes import BLOCKS, KIND, bits_below, sums_from
from harness.algorithms.quantization.simd.tables import GROUP
from harness.algorithms.quantization.training import KMeans

from harness.data.loading import cached_path
from harness.registry.registry import load_registry

BUNDLED, LARGE = "glove-50-10k", "glove-100"
OURS, FAST, FLOATS = "bounded", "fast scan", "float tables"
ROWS_PER_WINDOW = 4_000_000  # that a scan looks at between two looks at the clock
SHORTEST_WINDOW = 20
_FROM_NOTHING = (np.uint8(0),) * BLOCKS

Search = Callable[[np.ndarray, int], Ids]


@numba.njit(nogil=True)
def _add_up(packed, planes, entries, steps):
    """Add up the entries of all codes, four blocks at once."""
    below = np.int64(0)
    size = GROUP * planes
    for first in range(0, packed.shape[0], size):
        places, sums = places_from(first), sums_from(_FROM_NOTHING)
        sums = add_scanned(packed, places, None, GROUP, steps, entries, 0, planes, sums)
        a, b, c, d = bits_below(sums, np.uint8(1))
        below |= a | b | c | d  # of all four, or the compiler leaves three out
    return below


def look_ups_alone(groups: Codes, entries: int, rounds: int) -> float:
    """Return the queries per second of a scan that would do nothing but its look-ups."""
    planes = groups.shape[1]
    steps = np.ones(planes * entries, np.uint8)
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        _add_up(groups.reshape(-1), planes, entries, steps)
        taken.append(time.process_time() - start)
    return float(1 / np.median(taken[1:]))


def scans(data: Data, bits: int, nbits: int) -> tuple[dict[str, Search], np.ndarray, Codes]:
    """Encode the base once; return what searches the codes, the queries as asked, the groups."""
    quantizer = ComposedQuantizer(EuclideanLoss(), KMeans(10), Encoder())
    quantized = quantizer.quantize(data.base, "angular", Parameters(bits=bits, nbits=nbits))
    index, padding = quantized.index, quantized.transform
    searches = {
        OURS: BoundedScan(index).search,
        FLOATS: lambda queries, k: index.search(queries, k)[1],
    }
    if nbits == 4:
        searches[FAST] = FaissScan(index).search
    queries = data.queries if padding is None else padding.apply(data.queries)
    return searches, queries, _groups_of(index)


def one_by_one(search: Search) -> Search:
    """Return a search that asks for one query at a time."""
    return lambda queries, k: np.concatenate([search(query[None], k) for query in queries])


def seconds(search: Search, queries: np.ndarray, k: int) -> float:
    """Return the processor seconds of one query."""
    start = time.process_time()
    search(queries, k)
    return (time.process_time() - start) / len(queries)


def measure(
    searches: dict[str, Search],
    queries: np.ndarray,
    k: int,
    window: int,
    rounds: int,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Return seconds per query of every round, in which all answer the same window of queries."""
    spent: dict[str, list[float]] = {name: [] for name in searches}
    for number in range(-2, rounds):  # two to warm up
        asked = queries[rng.permutation(len(queries))[:window]]
        for name in rng.permutation(list(searches)):
            taken = seconds(searches[name], asked, k)
            if number >= 0:
                spent[name].append(taken)
    return {name: np.array(values) for name, values in spent.items()}


def ratio(own: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> str:
    """Return how many times as fast ours is, with its interval."""
    logs = np.log(other / own)
    drawn = np.median(rng.choice(logs, (2000, len(logs))), axis=1)
    low, high = np.exp(np.percentile(drawn, [2.5, 97.5]))
    return f"{np.exp(np.median(logs)):.2f} [{low:.2f}, {high:.2f}]"


def set_threads(number: int) -> None:
    """Set the threads of FAISS and numba."""
    faiss.omp_set_num_threads(number)
    numba.set_num_threads(number)


def report(data: Data, options: argparse.Namespace) -> None:
    """Measure and print one dataset."""
    rng = np.random.default_rng(0)
    wanted = max(SHORTEST_WINDOW, ROWS_PER_WINDOW // len(data.base))
    window = min(len(data.queries), wanted)
    print(f"windows of {window} queries, {options.rounds} rounds")
    for bits in options.bits:
        set_threads(THREADS)
        searches, queries, groups = scans(data, bits, options.nbits)
        set_threads(1)
        nbits = options.nbits
        alone = look_ups_alone(groups, entries_scanned(1 << nbits), options.rounds)
        print(f"{bits} bits, M={bits // nbits}, {nbits=}; {KIND} look-ups alone {alone:7,.0f} QPS")
        for k in options.k:
            for mode, form in (("single", one_by_one), ("batch", lambda search: search)):
                formed = {name: form(search) for name, search in searches.items()}
                spent = measure(formed, queries, k, window, options.rounds, rng)
                line = f"  k={k:<4}{mode:7} ours {1 / np.median(spent[OURS]):7,.0f} QPS"
                for name in sorted(set(searches) - {OURS}):
                    line += f"   / {name} {ratio(spent[OURS], spent[name], rng)}"
                print(line, flush=True)
            print(f"        as float tables: {agreement(searches, queries, k)}", flush=True)


def agreement(searches: dict[str, Search], queries: np.ndarray, k: int) -> str:
    """Return the share of the ids that are among those of float tables."""
    expected = searches[FLOATS](queries, k)
    shares = {}
    for name in sorted(set(searches) - {FLOATS}):
        pairs = zip(searches[name](queries, k), expected, strict=True)
        shares[name] = np.mean([np.isin(ids, best).mean() for ids, best in pairs])
    return ", ".join(f"{name} {share:.3f}" for name, share in shares.items())


def main() -> None:
    """Measure and print."""
    options = parser(__doc__)
    options.set_defaults(dataset=None, queries=1000, rounds=100)
    options.add_argument("--bits", type=int, nargs="+", default=[50, 100, 200])
    options.add_argument("--nbits", type=int, choices=(4, 8), default=4)
    options.add_argument("--k", type=int, nargs="+", default=[10, 100])
    options = options.parse_args()
    names = [options.dataset]
    if options.dataset is None and options.base is None:
        is_here = cached_path(load_registry().dataset(LARGE)) is not None
        names = [BUNDLED, LARGE] if is_here else [BUNDLED]
    for name in names:
        options.dataset = name
        report(load(options), options)


if __name__ == "__main__":
    main()
