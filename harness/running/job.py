"""A job: one build of one index and the settings it is searched under, as plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.metric import Metric

EVENTS_FILE = "events.jsonl"
JOB_FILE = "job.json"
MEASURE = "harness.running.worker:run_job"
"""The program of a job that builds, searches and times."""


@dataclass(frozen=True)
class SearchTask:
    """One search setting of a job, for k neighbours; `key` is that of its point."""

    key: str
    search: Mapping[str, Any]
    k: int
    repeats: int


@dataclass(frozen=True)
class Job:
    """What a worker needs to know; it travels as JSON, to this machine or to another.

    `folder` is the worker's own empty folder: its working directory and where its events and
    answers go. `timeout` and `search_seconds` are seconds, `memory_bytes` bytes. `program` is the
    function, `module:name`, that the child calls with the job; `details` is what only it needs.
    `python` is the interpreter of an isolated environment; None stands for the harness's own.
    `foreign` says how to call an adapter of another harness, instead of `module:class_name`.
    """

    title: str
    module: str
    class_name: str
    plugin_roots: tuple[str, ...]
    metric: Metric
    build: Mapping[str, Any]
    build_number: int
    dataset: str
    mode: str
    threads: int
    build_threads: int
    search_seconds: float
    timeout: float
    memory_bytes: int
    tasks: tuple[SearchTask, ...]
    folder: str
    cpus: tuple[int, ...] | None = None
    search_cpus: tuple[int, ...] | None = None
    program: str = MEASURE
    details: Mapping[str, Any] = field(default_factory=dict)
    python: str | None = None
    foreign: Mapping[str, Any] | None = None

    def write(self) -> Path:
        """Write the job into its folder and return the file."""
        path = Path(self.folder) / JOB_FILE
        path.write_text(json.dumps(asdict(self)))
        return path

    @classmethod
    def read(cls, path: Path) -> Job:
        """Return the job that `write` wrote."""
        data = json.loads(path.read_text())
        data["tasks"] = tuple(SearchTask(**task) for task in data["tasks"])
        data["plugin_roots"] = tuple(data["plugin_roots"])
        for name in ("cpus", "search_cpus"):
            data[name] = tuple(data[name]) if data[name] is not None else None
        return cls(**data)
