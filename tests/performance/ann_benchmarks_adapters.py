"""Runs adapter folders of ann-benchmarks as they stand, beside our own adapters of the libraries.

Usage: python tests/performance/ann_benchmarks_adapters.py CHECKOUT [NAME]...
       [--results DIR] [--dataset D] [--builds N]

CHECKOUT is a clone of ann-benchmarks; nothing in it is changed. Each adapter runs in an isolated
environment with the library that its own Dockerfile installs, in the version of ours where we have
an adapter. Printed are their recall@10 and ours for the same parameters, and whether the two differ
by more than the uncertainty of both over the queries and, where centroids are trained, over the
seeds. Exits 1 if one failed or differs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SKLEARN = "scikit-learn==1.9.1"
FAISS = "faiss-cpu==1.15.1"


@dataclass(frozen=True)
class Ours:
    """Our adapter of the same library, with the parameters that mean the same."""

    algorithm: str
    build: dict[str, Any] = field(default_factory=dict)
    search: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Theirs:
    """A folder of theirs, cut to a few of its settings, and our counterpart of each search."""

    folder: str
    requires: tuple[str, ...]
    algorithm: str | None = None
    build: dict[str, Any] = field(default_factory=dict)
    search: dict[str, Any] = field(default_factory=dict)
    ours: tuple[Ours, ...] = ()
    seed_spread: float = 0.0


K_MEANS_SPREAD = 0.009
"""Standard deviation of recall@10 over seeds of k-means, 64 lists on glove-50-10k (8 seeds)."""
HNSW = {"M": 16, "efConstruction": 500}
EF = [20, 80]

ADAPTERS = {
    "bruteforce": Theirs("bruteforce", (SKLEARN,), ours=(Ours("exact"),)),
    "balltree": Theirs(
        "balltree",
        (SKLEARN,),
        build={"leaf_size": 40},
        ours=(Ours("sklearn-ball-tree", {"leaf_size": 40}),),
    ),
    "kdtree": Theirs(
        "kdtree",
        (SKLEARN,),
        build={"leaf_size": 40},
        ours=(Ours("sklearn-kd-tree", {"leaf_size": 40}),),
    ),
    "ckdtree": Theirs("ckdtree", (SKLEARN,), build={"leaf_size": 40}),
    "annoy": Theirs(
        "annoy",
        ("annoy==1.17.3",),
        build={"n_trees": 50},
        search={"search_k": [400, 4000]},
        ours=tuple(Ours("annoy", {"trees": 50}, {"search_k": k}) for k in (400, 4000)),
    ),
    "faiss-ivf": Theirs(
        "faiss",
        (FAISS, SKLEARN),
        "faiss-ivf",
        {"n_list": 64},
        {"n_probe": [1, 8]},
        tuple(Ours("faiss-ivf", {"nlist": 64}, {"nprobe": p}) for p in (1, 8)),
        K_MEANS_SPREAD,
    ),
    "faiss-ivfpqfs": Theirs(
        "faiss",
        (FAISS, SKLEARN),
        "faiss-ivfpqfs",
        {"n_list": 64},
        {"n_probe": 8, "k_reorder": [4, 16]},
        tuple(
            Ours("faiss-ivf-pq-fs", {"nlist": 64, "width": 2}, {"nprobe": 8, "k_factor": f})
            for f in (4, 16)
        ),
        K_MEANS_SPREAD,
    ),
    "faiss_hnsw": Theirs(
        "faiss_hnsw",
        (FAISS, SKLEARN),
        build=HNSW,
        search={"ef": EF},
        ours=tuple(Ours("faiss-hnsw", HNSW, {"efSearch": ef}) for ef in EF),
    ),
    "hnswlib": Theirs(
        "hnswlib",
        ("hnswlib==0.8.0",),
        build=HNSW,
        search={"ef": EF},
        ours=tuple(Ours("hnswlib", HNSW, {"efSearch": ef}) for ef in EF),
    ),
    "scann": Theirs(
        "scann",
        ("scann==1.4.2",),
        build={"n_leaves": 100, "avq_threshold": 0.2, "dims_per_block": 2},
        search={"leaves_reorder": [[2, 100], [20, 100]]},
        ours=tuple(
            Ours("scann-tree", {"leaves": 100}, {"leaves_to_search": leaves, "rerank": 100})
            for leaves in (2, 20)
        ),
        seed_spread=K_MEANS_SPREAD,
    ),
    "pynndescent": Theirs(
        "pynndescent",
        ("pynndescent==0.7.0",),
        build={
            "n_neighbors": 40,
            "pruning_degree_multiplier": 1.5,
            "diversify_prob": 1.0,
            "leaf_size": 25,
        },
        search={"epsilon": [0.0, 0.15]},
        ours=tuple(
            Ours("pynndescent", {"n_neighbors": 40}, {"epsilon": epsilon}) for epsilon in (0, 0.15)
        ),
    ),
    "voyager": Theirs(
        "voyager",
        ("voyager==2.2.3",),
        build=HNSW,
        search={"ef": EF},
        ours=tuple(Ours("hnswlib", HNSW, {"efSearch": ef}) for ef in EF),  # the same graph
    ),
    "vsag": Theirs(
        "vsag",
        ("pyvsag==0.18.5",),
        build={"M": 16, "ef_construction": 300, "use_int8": 8, "rs": 1},
        search={"ef": EF},
    ),
    "nmslib": Theirs(
        "nmslib",
        ("nmslib==2.1.2", "scipy==1.17.1"),
        "hnsw(nmslib)",
        {**HNSW, "post": 0},
        {"ef": EF},
    ),
    "panng_ngt": Theirs(
        "panng_ngt",
        ("ngt==2.8.0.post1",),
        build={"pathadj": 0},  # pruning asks for the program `ngt`, which the package lacks
        search={"epsilon": [0.9, 1.05]},
    ),
}


def main() -> int:
    """Run them all in one suite and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("names", nargs="*", default=[], help=f"of {', '.join(ADAPTERS)}")
    parser.add_argument("--results", type=Path, default=Path("ann-benchmarks-adapters"))
    parser.add_argument("--dataset", default="glove-50-10k")
    parser.add_argument("--builds", type=int, default=2)
    options = parser.parse_args()
    chosen = {name: ADAPTERS[name] for name in options.names or ADAPTERS}
    results = options.results.absolute()
    results.mkdir(parents=True, exist_ok=True)
    plugins = write_plugins(options.checkout, chosen, results / "plugins")
    suite = write_suite(chosen, results / "theirs.yml", options.dataset, options.builds)
    command = [sys.executable, "-m", "harness", "run", suite, "--results", results]
    command += ["--retry", "failed"]
    subprocess.run([*command, "--plugins", plugins], check=False)
    return print_table(chosen, results)


def write_plugins(checkout: Path, chosen: dict[str, Theirs], root: Path) -> Path:
    """Write one registry file that names their folders."""
    folder = root / "algorithms" / "theirs"
    folder.mkdir(parents=True, exist_ok=True)
    entries = {label(name): entry(checkout.absolute(), one) for name, one in chosen.items()}
    (folder / "config.yml").write_text(json.dumps(entries, indent=1))  # JSON is YAML
    return root


def entry(checkout: Path, one: Theirs) -> dict[str, Any]:
    found = {
        "from": "ann-benchmarks",
        "path": str(checkout / "ann_benchmarks" / "algorithms" / one.folder),
        "requires": list(one.requires),
        "environment": "isolated",
        "build": one.build,
        "search": one.search,
    }
    return found | ({"algorithm": one.algorithm} if one.algorithm else {})


def write_suite(chosen: dict[str, Theirs], path: Path, dataset: str, builds: int) -> Path:
    """Write a suite of theirs and, beside each, our counterpart."""
    algorithms: dict[str, Any] = {label(name): {} for name in chosen}
    for one in chosen.values():
        for ours in one.ours:
            variants = algorithms.setdefault(ours.algorithm, [])
            variants.append({"build": ours.build, "search": ours.search})
    suite = {"k": 10, "datasets": dataset, "builds": builds, "repeats": 2, "timeout": 600}
    path.write_text(json.dumps({**suite, "algorithms": algorithms}, indent=1))
    return path


def label(name: str) -> str:
    return "theirs-" + name.replace("_", "-")


def print_table(chosen: dict[str, Theirs], results: Path) -> int:
    import harness

    frame = harness.load_results(results)
    frame = frame[~frame["stale"]]
    print("| adapter there | library | parameters | recall@10 | ours | recall@10 | difference |")
    print("|---|---|---|---:|---|---:|---|")
    bad = 0
    for name, one in chosen.items():
        rows = frame[frame["algorithm"] == label(name)].to_dict("records")
        rows.sort(key=lambda row: row["recall@10"])
        counterparts = sorted(
            (found for ours in one.ours for found in matching(frame, ours)),
            key=lambda row: row["recall@10"],
        )
        for i, row in enumerate(rows):
            match = counterparts[i] if i < len(counterparts) else None
            line, differs = table_row(one, row, match)
            bad += differs
            print(line)
    return int(bad > 0)


def matching(frame: Any, ours: Ours) -> list[dict[str, Any]]:
    def fits(row: dict[str, Any]) -> bool:
        return (ours.build.items() | ours.search.items()) <= {
            *freeze(row["build"]),
            *freeze(row["search"]),
        }

    rows = frame[frame["algorithm"] == ours.algorithm].to_dict("records")
    return [row for row in rows if fits(row) and row["status"] == "ok"]


def freeze(values: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in values.items() if not isinstance(value, (list, dict))]


def table_row(one: Theirs, row: dict[str, Any], match: dict[str, Any] | None) -> tuple[str, bool]:
    start = f"| `{one.folder}` | {', '.join(one.requires)} | {in_cell(row['name'])} "
    if row["status"] != "ok":
        return start + f"| {row['status']}: {row['reason']} | | | |", True
    recall, error = row["recall@10"], half_width(row)
    start += f"| {recall:.3f} ± {error:.3f} "
    if match is None:
        return start + "| | | |", False
    own, own_error = match["recall@10"], half_width(match)
    seeds = 1.96 * 2**0.5 * one.seed_spread
    noise = (error**2 + own_error**2 + seeds**2) ** 0.5
    differs = abs(recall - own) > max(noise, 1e-3)
    verdict = f"{recall - own:+.3f}, " + ("**differs**" if differs else "within noise")
    shown = f"`{match['algorithm']}` {in_cell(match['name'])}"
    return start + f"| {shown} | {own:.3f} ± {own_error:.3f} | {verdict} |", differs


def in_cell(name: str) -> str:
    return name.replace(" | ", ", ")


def half_width(row: dict[str, Any]) -> float:
    return float(row["recall@10_high"] - row["recall@10_low"]) / 2


if __name__ == "__main__":
    sys.exit(main())
