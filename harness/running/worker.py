"""What happens inside the child process: build, then search under every setting, then report.

Every step is announced before it begins by a line in the job's events file, so that the process
that watches knows what was going on when this one dies. Finished settings are arrays in the job's
folder; the watcher reads them only when their event has been written.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import harness
from harness.contracts import Algorithm, Dataset
from harness.contracts.folders import JOB_FOLDER_VARIABLE
from harness.data.cached import open_cached
from harness.foreign import ForeignAlgorithm, load_foreign
from harness.measures.distances import distances_and_scales
from harness.running.answers import WrongAnswer, checked_ids
from harness.running.cpus import pin_all_threads
from harness.running.job import EVENTS_FILE, Job, SearchTask
from harness.running.job_folders import leaving_if_full
from harness.running.libraries import library_provenance
from harness.running.memory import trimmed_anonymous_bytes
from harness.running.threads import pools_limited
from harness.running.timing import Pass, PassFunction, keep_out_of_collections, pass_function
from harness.running.yardstick import Yardstick

Rows = NDArray[np.float32]

_REWARM_SECONDS = 0.02
_REWARM_ALONE_SECONDS = 0.002  # only the yardstick came between two passes


@dataclass
class _Search:
    """A search setting on its way through the repeats."""

    task: SearchTask
    ids: list[NDArray[np.int64]] = field(default_factory=list)
    passes: list[Pass] = field(default_factory=list)
    yardsticks: list[float] = field(default_factory=list)
    failed: bool = False

    @property
    def searched_seconds(self) -> float:
        return sum(one.wall for one in self.passes)


def run_job(job: Job) -> None:
    """Run a job to its end; failures of single settings are events, not exceptions."""
    events = Events(Path(job.folder) / EVENTS_FILE)
    worker = _Worker(job, events)
    with events.failing_all("start"):
        worker.start()
        worker.build()
    if not events.broken:
        worker.search()
        worker.finish()
    worker.close()
    events.write("done")


class Events:
    """The file of announcements; opened anew for each, whatever the adapter does to its files."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.broken = False

    def write(self, event: str, **details: Any) -> None:
        """Append one event, as one line."""
        line = json.dumps({"event": event, "time": time.time(), **details}) + "\n"
        with leaving_if_full(), self._path.open("a") as file:
            file.write(line)

    @contextmanager
    def failing_all(self, phase: str) -> Iterator[None]:
        """Turn an exception into the failure of all settings."""
        try:
            yield
        except Exception as error:
            self.broken = True
            self.write("failed", task=None, phase=phase, **described(error))


def described(error: Exception) -> dict[str, str]:
    """Return status and reason of an exception."""
    traceback.print_exc()
    if isinstance(error, WrongAnswer):
        return {"status": "wrong_answer", "reason": str(error)}
    reason = f"{type(error).__name__}: {error}".strip().removesuffix(":")
    status = "out_of_memory" if isinstance(error, MemoryError) else "error"
    return {"status": status, "reason": reason}


class _Worker:
    def __init__(self, job: Job, events: Events) -> None:
        self.job = job
        self.events = events
        self.facts: dict[str, Any] = {}
        self.algorithm: Algorithm
        self.dataset: Dataset

    def start(self) -> None:
        """Load the dataset and the adapter; none of it is timed."""
        job = self.job
        self.events.write("phase", phase="load")
        self.dataset = open_cached(Path(job.dataset))
        self.base = self.dataset.search_base
        self.queries = np.ascontiguousarray(self.dataset.search_queries)
        self.queries.flags.writeable = False
        adapter = load_adapter(job)
        build, seed = with_seed(adapter, job)
        self.facts["seed"] = seed
        self.algorithm = adapter(job.metric, **build)
        self.given_base, self.given_queries = rows_for(self.algorithm, self.dataset)

    def build(self) -> None:
        """Time `fit`, with memory before and after."""
        job = self.job
        with pools_limited(job.build_threads):
            self.events.write("phase", phase="prepare")
            began = time.perf_counter()
            self.algorithm.prepare(self.base.shape)
            self.facts["prepare_seconds"] = time.perf_counter() - began
            before = trimmed_anonymous_bytes()
            self.events.write("phase", phase="build")
            began = time.perf_counter()
            self.algorithm.fit(self.given_base)
            self.facts["build_seconds"] = time.perf_counter() - began
        self.facts["measured_index_bytes"] = max(0, trimmed_anonymous_bytes() - before)
        self.events.write("phase", phase="search")

    def search(self) -> None:
        """Warm every setting up, then time them in turn, so that drift hits all alike."""
        pin_all_threads(self.job.search_cpus)
        searches = [_Search(task) for task in self.job.tasks]
        self.yardstick = Yardstick()
        self.facts["began_at"] = time.time()
        pool = self.job.threads if self.job.mode == "batch" else 1
        with pools_limited(pool):
            for search in searches:
                self._attempt(search, "warm-up", self._warm_up)
            keep_out_of_collections()
            for _ in range(max(task.repeats for task in self.job.tasks)):
                for search in searches:
                    if self._wants_more(search):
                        self._attempt(search, "search", self._repeat)
        self.searches = searches

    def finish(self) -> None:
        """Hand over what was measured, setting by setting."""
        with self.events.failing_all("finish"):
            diagnostics = checked_tables(self.algorithm.diagnostics())
            self.facts["libraries"] = library_provenance()
        if self.events.broken:
            return
        for search in self.searches:
            if not search.failed:
                self._attempt(search, "finish", lambda s: self._hand_over(s, diagnostics))

    def close(self) -> None:
        """Let an adapter of another harness stop what it has started; everything is stored."""
        algorithm = getattr(self, "algorithm", None)
        if isinstance(algorithm, ForeignAlgorithm):
            try:
                algorithm.close()
            except Exception:
                traceback.print_exc()

    def _attempt(self, search: _Search, phase: str, step: Callable[[_Search], None]) -> None:
        if search.failed:
            return
        self.events.write("phase", phase=phase, task=search.task.key)
        try:
            step(search)
        except Exception as error:
            search.failed = True
            self.events.write("failed", task=search.task.key, phase=phase, **described(error))
        self.events.write("phase", phase="between")

    def _warm_up(self, search: _Search) -> None:
        self.algorithm.set_search(**search.task.search)
        self.algorithm.warm_up(self.given_queries, search.task.k)
        self._check(self._pass_function(search)().answers, search)
        search.ids.clear()

    def _repeat(self, search: _Search) -> None:
        self.algorithm.set_search(**search.task.search)
        before = self.yardstick.seconds()
        self._rewarm(search)
        with pools_limited(self.job.threads if self.job.mode == "batch" else 1):
            one = self._pass_function(search)()
        after = self.yardstick.seconds()
        self._check(one.answers, search)
        search.passes.append(one._replace(answers=None))
        search.yardsticks.append((before * after) ** 0.5)

    def _rewarm(self, search: _Search) -> None:
        """Bring a setting's data back into the caches after the others had their turn."""
        if self.job.mode == "batch":
            return
        alone = len(self.job.tasks) == 1
        deadline = time.perf_counter() + (_REWARM_ALONE_SECONDS if alone else _REWARM_SECONDS)
        for query in self.given_queries:
            self.algorithm.query(query, search.task.k)
            if time.perf_counter() > deadline:
                return

    def _check(self, answers: Any, search: _Search) -> None:
        ids = checked_ids(answers, len(self.queries), search.task.k, len(self.base))
        search.ids.append(ids)

    def _pass_function(self, search: _Search) -> PassFunction:
        job = self.job
        k = search.task.k
        return pass_function(self.algorithm, self.given_queries, k, job.mode, job.threads)

    def _wants_more(self, search: _Search) -> bool:
        if search.failed or len(search.passes) >= search.task.repeats:
            return False
        return not search.passes or search.searched_seconds < self.job.search_seconds

    def _hand_over(self, search: _Search, diagnostics: dict[str, NDArray[Any]]) -> None:
        self.algorithm.set_search(**search.task.search)
        index_bytes = int(self.algorithm.index_bytes())
        ids = np.stack(search.ids)
        if (ids == ids[0]).all():
            ids = ids[:1]
        pairs = [
            distances_and_scales(self.job.metric, self.base, self.queries, answer) for answer in ids
        ]
        facts = {
            **self.facts,
            "index_bytes": index_bytes,
            "repeats_asked": search.task.repeats,
            "warnings": _mischief(self.job),
        }
        path = Path(self.job.folder) / f"{search.task.key}.npz"
        with leaving_if_full():
            np.savez(
                path,
                times=np.stack([one.seconds for one in search.passes]),
                walls=np.array([one.wall for one in search.passes]),
                yardsticks=np.array(search.yardsticks),
                neighbors=ids,
                distances=np.stack([distances for distances, _ in pairs]),
                scales=np.stack([scales for _, scales in pairs]),
                facts=np.array(json.dumps(facts)),
                **diagnostics,  # type: ignore[arg-type]
            )
        self.events.write("finished", task=search.task.key, file=path.name)


def load_adapter(job: Job) -> Callable[..., Algorithm]:
    """Import the adapter's class; its plug-in folder becomes importable first."""
    if job.foreign is not None:
        return load_foreign(job.foreign)
    harness.__path__.extend(r for r in job.plugin_roots if r not in harness.__path__)
    adapter: type[Algorithm] = getattr(importlib.import_module(job.module), job.class_name)
    return adapter


def rows_for(algorithm: Algorithm, dataset: Dataset) -> tuple[Rows, Rows]:
    """Return base and queries as the adapter is to get them: ours read-only, others their own copy.

    Adapters of other harnesses expect rows as in the source, normalise them, and write in place.
    """
    if isinstance(algorithm, ForeignAlgorithm):
        if algorithm.wants_unit_rows:
            return np.array(dataset.search_base), np.array(dataset.search_queries)
        return np.array(dataset.base), np.array(dataset.queries)
    queries = np.ascontiguousarray(dataset.search_queries)
    queries.flags.writeable = False
    return dataset.search_base, queries


def with_seed(adapter: Callable[..., Algorithm], job: Job) -> tuple[dict[str, Any], int | None]:
    """Return the build parameters and the seed: each build gets its own, if the adapter has one."""
    build = dict(job.build)
    parameters = inspect.signature(adapter).parameters
    if "seed" not in parameters and "seed" not in build:
        return build, None
    build["seed"] = int(build.get("seed", 0)) + job.build_number
    return build, build["seed"]


def checked_tables(tables: Any) -> dict[str, NDArray[Any]]:
    """Flatten `{table: {column: values}}` to `diagnostics/table/column`."""
    flat: dict[str, NDArray[Any]] = {}
    for table, columns in tables.items():
        lengths = set()
        for column, values in columns.items():
            array = np.asarray(values)
            if array.ndim != 1 or array.dtype.kind not in "biufU":
                raise ValueError(
                    f"diagnostics table {table!r}, column {column!r}: one-dimensional numbers or "
                    f"text are expected, got {array.dtype} {array.shape}"
                )
            lengths.add(len(array))
            flat[f"diagnostics/{table}/{column}"] = array
        if len(lengths) > 1:
            raise ValueError(f"diagnostics table {table!r} has columns of lengths {lengths}")
    return flat


def _mischief(job: Job) -> list[str]:
    """What an adapter did that is contained but worth a warning."""
    warnings = []
    if Path.cwd() != Path(job.folder):
        warnings.append("the adapter changed the working folder")
    if sys.stdout is None or sys.stdout.closed:
        warnings.append("the adapter closed the standard output")
    if os.environ.get(JOB_FOLDER_VARIABLE) != job.folder:
        warnings.append("the adapter changed the environment")
    return warnings
