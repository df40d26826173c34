"""Where points come from: commit, machine, conditions and libraries of their builds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.results.point import Build
from harness.results.store import Stored

_PARTS = ("machine", "conditions", "source", "suite", "command", "libraries")


class Provenances:
    """Provenance columns of points; equal parts of many points are kept once."""

    def __init__(self) -> None:
        self._parts: dict[str, Any] = {}

    def columns(self, stored: Stored) -> dict[str, Any]:
        """Return the columns of one point.

        `commits` are distinct, in the order of the builds; `dirty` says that one of them had
        changes that were not committed; `provenance` is of the newest build.
        """
        if stored.point is not None:
            builds = stored.point.builds
            found = [{**b.provenance, "libraries": b.facts.get("libraries")} for b in builds]
        else:
            found = [dict(stored.failure.provenance)] if stored.failure is not None else []
        newest = max(found, key=lambda one: str(one.get("finished_at", "")), default={})
        return {
            "commits": tuple(dict.fromkeys(filter(None, map(commit_of, found)))),
            "dirty": any(bool(_source(one).get("dirty")) for one in found),
            "provenance": {part: self._once(newest.get(part)) for part in _PARTS},
        }

    def _once(self, part: Any) -> Any:
        return self._parts.setdefault(json.dumps(part, sort_keys=True), part)


def commit_of(provenance: Mapping[str, Any]) -> str:
    """Return the git commit of the harness that measured, empty if unknown."""
    return str(_source(provenance).get("commit") or "")


def of_commit(found: Iterable[Stored], commit: str) -> Iterator[Stored]:
    """Yield what was measured at a commit: points with those of their builds alone, failures."""
    for one in found:
        if one.failure is not None and _is_of(one.failure.provenance, commit):
            yield one
        elif one.point is not None and (builds := _builds_of(one.point.builds, commit)):
            yield replace(one, point=replace(one.point, builds=builds), failure=None)


def _builds_of(builds: Sequence[Build], commit: str) -> list[Build]:
    return [build for build in builds if _is_of(build.provenance, commit)]


def _is_of(provenance: Mapping[str, Any], commit: str) -> bool:
    return bool(commit) and commit_of(provenance).startswith(commit)


def _source(provenance: Mapping[str, Any]) -> Mapping[str, Any]:
    source = provenance.get("source")
    return source if isinstance(source, Mapping) else {}
