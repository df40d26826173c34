"""A table with realistic figures, made without running anything."""

# ruff: noqa: C408 - rows of keywords read best as calls of dict

from __future__ import annotations

import copy
import functools

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from harness.measures.choosing import split_queries
from harness.measures.qps import qps_interval
from harness.measures.speed import typical_level
from harness.measures.verdicts import Speeds
from harness.report.plots.style import settings
from harness.results.table.columns import RECALL_KS, completed, frame_of
from harness.results.table.conditions import adjust_qps
from tests.report.filtered_rows import with_filters

FAMILIES = {
    "exact": dict(qps=3_000.0, recall=None, build=0.01, bytes_per_vector=200.0),
    "pq": dict(qps=22_000.0, recall=0.55, build=2.1, bytes_per_vector=13.0),
    "anisotropic-pq": dict(qps=21_500.0, recall=0.62, build=5.5, bytes_per_vector=13.0),
    "faiss-pq": dict(qps=24_000.0, recall=0.56, build=1.2, bytes_per_vector=13.1),
}


VERSIONS = {"numpy": "2.4.6", "faiss": "1.15.1", "cffi": "2.1.1"}
LIBRARIES = {"numpy": "2.4.6", "faiss-cpu": "1.15.1"}
COMMIT = "c0ffee" * 6 + "abcd"
PROVENANCE = {
    "machine": {
        "cpu": "AMD EPYC", "cores": 2, "cpus": [0, 1], "threads_per_core": 1,
        "flags": ["avx2", "fma"], "caches": {"L1 Data": "32K", "L3 Unified": "32768K"},
        "ram_bytes": 24 << 30, "memory_limit_bytes": 24 << 30, "cpu_quota": 1.5,
        "kernel": "6.1.0", "system": "Linux", "architecture": "x86_64",
        "governor": "performance", "smt": "0", "boost": "1",
    },
    "conditions": {
        "grade": "C",
        "findings": [
            {"topic": "noise", "level": "warning", "found": "varies by 7%", "fix": "wait"},
            {"topic": "SMT", "level": "good", "found": "one thread per core", "fix": ""},
        ],
    },
    "source": {"commit": COMMIT, "dirty": False},
    "suite": "demo",
    "command": ["annharness", "run", "demo", "--results", "/home/alice/results"],
    "libraries": {
        "python": "3.11.7", "versions": VERSIONS,
        "pools": [{"user_api": "blas", "internal_api": "openblas", "version": "0.3.30",
                   "num_threads": 2, "architecture": "Haswell"}],
    },
}  # fmt: skip


def _difficulty(nq):
    return np.random.default_rng(nq).normal(12, 3, nq)


def _split(query_recall):
    tuning, held_out = split_queries(len(query_recall))
    recall = query_recall[held_out].mean()
    half = 0.02 if recall < 1 else 0.0
    return dict(
        tuning_recall=query_recall[tuning].mean(), held_out_recall=recall,
        held_out_recall_low=recall - half, held_out_recall_high=min(recall + half, 1.0),
    )  # fmt: skip


def make_speeds(qps, blocks=None, *, noise=0.01, slow=None, seed=0, cycles=3):
    """Return speeds of builds, one for each block.

    `blocks` are ids, "" without a block and its reference; by default three that all points share.
    `slow` maps a block to how much slower everything is in it, as a logarithm.
    """
    generator = np.random.default_rng(seed)
    blocks = tuple(f"b{number}" for number in range(3)) if blocks is None else tuple(blocks)
    slowness = np.array([(slow or {}).get(block, 0.0) for block in blocks])
    unknown = np.array([not block for block in blocks], dtype=bool)
    shapes = [(0, 1) if none else (cycles, 2) for none in unknown]
    log_seconds = -np.log(qps) + slowness + noise * generator.standard_normal(len(blocks))
    return Speeds(
        blocks,
        log_seconds,
        np.where(unknown, np.nan, -7.0 + slowness),
        tuple(_levels(s, log_seconds[i], noise, generator) for i, s in enumerate(shapes)),
        tuple(_levels(s, slowness[i] - 7.0, 0.003, generator) for i, s in enumerate(shapes)),
    )


def _levels(shape, log_seconds, noise, generator):
    levels = noise * generator.standard_normal(shape)
    return levels - typical_level(levels) + log_seconds if len(levels) else levels


def speed_columns(speeds):
    """Return the columns that the results table makes of speeds."""
    interval = qps_interval(speeds)
    return dict(
        qps=interval.value, qps_low=interval.low, qps_high=interval.high,
        qps_scope=interval.scope, measured_qps=interval.value, builds=len(speeds.blocks),
        build_qps=np.exp(-speeds.log_seconds), block_ids=speeds.blocks,
        build_log_seconds=speeds.log_seconds, reference_log_seconds=speeds.reference,
        round_levels=speeds.levels, reference_levels=speeds.reference_levels,
    )  # fmt: skip


def with_speeds(table, speeds_of):
    """Return the table with other speeds: `speeds_of` gives those of a row."""
    rows = [
        {**row, **speed_columns(speeds_of(row))} if row["status"] == "ok" else row
        for row in table.to_dict("records")
    ]
    adjust_qps(rows)
    return frame_of(rows)


def _point(algorithm, family, *, dataset, k, build, search, recall, qps, builds, nq, seed):
    generator = np.random.default_rng(seed)
    query_recall = np.clip(recall + 0.2 * generator.standard_normal(nq), 0, 1)
    if recall == 1.0:
        query_recall = np.ones(nq)
    curve = np.clip(recall + 0.02 * np.linspace(1, 0, k), 0, 1)
    first = 1 - (1 - recall) ** np.linspace(1, 6, k)
    half = 0.02 * np.ones(k) if recall < 1 else np.zeros(k)
    slow = {f"b{number}": 0.1 * number for number in range(builds)}
    speeds = make_speeds(qps, slow, noise=0.02, slow=slow, seed=seed)
    iterations = np.arange(8)
    diagnostics = {}
    if family["recall"] is not None:
        loss = (1 + np.exp(-iterations)) * (4 if algorithm == "anisotropic-pq" else 1)
        diagnostics["training"] = {"iteration": iterations, "loss": loss}
        error = 0.3 * (1 - family["recall"]) * 25 / build["M"]
        diagnostics["distortion"] = {"mean_squared_error": np.array([error])}
    words = {"build": build, "search": search}
    text = " | ".join(" ".join(f"{n}={v}" for n, v in part.items()) for part in words.values())
    nq_seconds = np.exp(0.1 * generator.standard_normal(nq)) / qps
    recalls = {f"recall@{at}": curve[at - 1] for at in RECALL_KS if at <= k}
    first_recalls = {f"recall1@{at}": first[at - 1] for at in RECALL_KS if at <= k}
    return make_row(
        dataset=dataset, algorithm=algorithm, label=algorithm, build=build, search=search, k=k,
        **speed_columns(speeds), **recalls, **first_recalls,
        mean_ms=1e3 / qps, p50_ms=0.95e3 / qps, p95_ms=1.3e3 / qps, p99_ms=1.6e3 / qps,
        p999_ms=3e3 / qps, build_seconds=family["build"] * build.get("M", 25) / 25,
        build_seconds_low=family["build"] * 0.9 * build.get("M", 25) / 25,
        build_seconds_high=family["build"] * 1.1 * build.get("M", 25) / 25,
        index_bytes=family["bytes_per_vector"] * 10_000 * build.get("M", 25) / 25,
        bytes_per_vector=family["bytes_per_vector"] * build.get("M", 25) / 25,
        size_scope="computed", peak_rss_bytes=3e8, nq=nq, name=text,
        key=f"{seed:08x}", path=f"results/{seed}.hdf5",
        recall_curve=curve, recall_low_curve=np.clip(curve - half, 0, 1),
        recall_high_curve=np.clip(curve + half, 0, 1), first_recall_curve=first,
        first_recall_low_curve=np.clip(first - half, 0, 1),
        first_recall_high_curve=np.clip(first + half, 0, 1), query_seconds=nq_seconds,
        query_recall=query_recall, diagnostics=diagnostics,
        in_answers=algorithm != "no-op", query_difficulty=_difficulty(nq),
        **{"recall@10_low": curve[-1] - 0.02, "recall@10_high": curve[-1] + 0.02},
        **_split(query_recall),
    )  # fmt: skip


def make_row(*, per_query=False, **values):
    """Return a row with the declared columns; those that every point has are given here."""
    every = dict(
        dataset="glove-50-10k", algorithm="pq", label="pq", name="", build={}, search={}, k=10,
        mode="single", threads=1, build_threads=2, builds=3, repeats=3, status="ok", reason="",
        metric="angular", n=10_000, d=50, nq=200, machine="AMD EPYC, 2 cores", in_answers=True,
        fingerprint="f" * 64, sequence=1, log_tail="", provenance=PROVENANCE, has_answers=True,
        versions=VERSIONS, libraries=LIBRARIES, commits=(COMMIT,),
    )  # fmt: skip
    return completed({**every, **values}, per_query=per_query)


def _failed(row, status, reason):
    kept = ("dataset", "algorithm", "label", "name", "build", "search", "k", "nq", "key", "path")
    return make_row(
        **{name: row[name] for name in kept}, builds=0, repeats=0, status=status, reason=reason
    )


def make_table(*, extra=(), **different):
    """Return a table like `load_results`'s, of these rows."""
    return frame_of(copy.deepcopy(_rows(extra=tuple(extra), **different)))


@functools.cache
def _rows(*, k=10, dataset="glove-50-10k", builds=3, nq=200, failures=True, extra=()):
    """Return the rows of a table; `extra` names further algorithms."""
    rows, seed = [], 0
    families = dict(FAMILIES)
    for number, name in enumerate(extra):
        families[name] = dict(
            qps=8_000.0 * 1.3**number, recall=0.5 + 0.02 * (number % 10), build=3.0,
            bytes_per_vector=20.0,
        )  # fmt: skip
    common = dict(dataset=dataset, k=k, builds=builds, nq=nq)
    for name, family in families.items():
        for m in (25,) if name == "exact" else (10, 25):
            for rerank in (0,) if name == "exact" else (0, 50, 100, 400):
                seed += 1
                recall = 1.0
                if family["recall"] is not None:
                    recall = 1 - (1 - family["recall"] * (m / 25) ** 0.5) / (1 + rerank / 20)
                qps = family["qps"] / (1 + rerank / 60) * (25 / m) ** 0.3
                build = {} if name == "exact" else {"M": m, "nbits": 4}
                search = {} if name == "exact" else {"rerank": rerank}
                rows.append(
                    _point(name, family, build=build, search=search, recall=recall, qps=qps,
                           seed=seed, **common)
                )  # fmt: skip
    noop = _point("no-op", FAMILIES["exact"], build={}, search={}, recall=0.0, qps=1.2e6, seed=999,
                  **common)  # fmt: skip
    rows.append(noop)
    if failures:
        rows.append(_failed(rows[3], "timeout", "no answer within 3600 s"))
        rows.append(_failed(rows[9], "out_of_memory", "peak of 8.1 GiB, the limit is 8 GiB"))
    adjust_qps(rows)
    return rows


@pytest.fixture(scope="session")
def speeds_maker():
    return make_speeds


@pytest.fixture(scope="session")
def row_maker():
    return make_row


@pytest.fixture(scope="session")
def respeeded():
    return with_speeds


@pytest.fixture
def screen_style():
    """Set matplotlib's settings to those of figures for a screen."""
    with mpl.rc_context():
        mpl.rcParams.update(settings("screen"))
        yield


@pytest.fixture
def table():
    return make_table()


@pytest.fixture(scope="session")
def table_maker():
    return make_table


@pytest.fixture
def opened(browser):
    """Open pages that fail the test if anything complains or leaves the disk."""
    contexts, complaints = [], []

    def open_page(width=1280, theme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
        contexts.append(context)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        local = ("file:", "data:", "blob:")
        page.on("console", lambda m: complaints.append(m.text) if m.type != "log" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda r: None if r.url.startswith(local) else complaints.append(r.url))
        return page

    yield open_page
    assert complaints == []
    for context in contexts:
        context.close()


def as_under_load(table):
    """The points at four rates each, with p99 up to the pole of a queue, and a bound."""
    capacity = table["qps"].fillna(1e3)
    rows = [
        table.assign(
            mode="load", parameters="", offered_qps=share * capacity,
            p99_ms=4.6e3 / (capacity * (1 - share)), p95_ms=3e3 / (capacity * (1 - share)),
            p50_ms=0.7e3 / (capacity * (1 - share)), achieved_qps=0.99 * share * capacity,
            dropped_share=0.01, late_generator=share > 0.9,
        )
        for share in (0.3, 0.6, 0.8, 0.95)
    ]  # fmt: skip
    low, high = 0.65 * capacity, 0.75 * capacity
    bound = table.assign(
        mode="load", p99_bound_ms=1.5, max_rate_qps=0.7 * capacity, max_rate_qps_low=low,
        max_rate_qps_high=high, late_generator=False,
    )  # fmt: skip
    return pd.concat([*rows, bound], ignore_index=True)


@pytest.fixture(scope="session")
def under_load():
    """Give the function that turns a table into one of points under load."""
    return as_under_load


def make_mixed_table():
    """Return points of all tracks: plain, filtered and under load, and a dataset of the last."""

    def made(dataset, *algorithms):
        table = make_table(dataset=dataset)
        return table[table["algorithm"].isin([*algorithms, "no-op"])]

    names = ("glove-50-10k", "only-loaded")
    parts = [
        made("glove-50-10k", "exact", "pq"),
        with_filters(made("glove-50-10k+filtered", "exact", "pq", "faiss-pq")),
        *(as_under_load(made(name, "exact", "pq")) for name in names),
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="session")
def mixed_table():
    """Give a function that returns a table of all tracks."""
    return make_mixed_table
