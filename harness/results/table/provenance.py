"""Provenance of points: commit, machine, conditions and libraries of their builds."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.results.identity import LIBRARIES_IN_ALL_KEYS, NOT_INSTALLED
from harness.results.point import Build, sequence_of
from harness.results.store import Stored
from harness.results.table.columns import Row
from harness.text import Json, counted

_PARTS = ("machine", "conditions", "source", "suite", "tuned", "command", "libraries")


class Provenances:
    """Keeps equal parts of the provenance of many points only once."""

    def __init__(self) -> None:
        self._parts: Json = {}

    def once(self, part: object) -> object:
        """Return an equal part that was given before, otherwise this one."""
        return self._parts.setdefault(json.dumps(part, sort_keys=True), part)


def provenance_columns(stored: Stored) -> Row:
    """Return the provenance columns of one point; `commits` are in the order of the builds."""
    measured = stored.measured
    if measured is not None:
        found = [{**b.provenance, "libraries": b.facts.libraries} for b in measured.builds]
    else:
        found = [dict(stored.failure.provenance)] if stored.failure is not None else []
    newest: Json = max(found, key=sequence_of, default={})
    loaded = _versions(newest.get("libraries"))
    return {
        "commits": tuple(dict.fromkeys(filter(None, map(commit_of, found)))),
        "dirty": any(bool(_source(one).get("dirty")) for one in found),
        "finished_at": str(newest.get("finished_at", "")),
        "sequence": sequence_of(newest),
        "provenance": {part: newest.get(part) for part in _PARTS},
        "versions": loaded,
        "libraries": _libraries(stored, loaded),
        "tuned": _tuned_text(newest.get("tuned")),
    }


def _versions(libraries: object) -> dict[str, str]:
    """The versions of the loaded libraries; Python's own modules are left out."""
    found = libraries.get("versions") if isinstance(libraries, Mapping) else None
    versions = found if isinstance(found, Mapping) else {}
    return {name: str(v) for name, v in versions.items() if name not in sys.stdlib_module_names}


def _libraries(stored: Stored, loaded: Mapping[str, str]) -> dict[str, str]:
    """The versions of the libraries in a point's key, without those that it did not load.

    What the entry requires is in it whether or not it is imported under its own name.
    """
    known = stored.measured or stored.failure
    versions = known.header.identity.versions if known is not None else {}
    return {
        name: version
        for name, version in versions.items()
        if version != NOT_INSTALLED
        and (name not in LIBRARIES_IN_ALL_KEYS or LIBRARIES_IN_ALL_KEYS[name] in loaded)
    }


def _tuned_text(tuned: Json | None) -> str:
    """How parameters were found, such as "for recall 0.95, 12 trials in 600 s, seed 0".

    Trials on samples of the rows are named apart: "5 trials and 30 on samples".
    """
    if tuned is None:
        return ""
    count = sum(tuned.get("trials", {}).values())
    on_samples = sum(tuned.get("sample_trials", {}).values())
    more = f" and {on_samples} on samples" if on_samples else ""
    return (
        f"for recall {tuned.get('recall')}, {counted(count, 'trial')}{more} in "
        f"{tuned.get('spent_seconds')} s, seed {tuned.get('seed')}"
    )


def commit_of(provenance: Json) -> str:
    """Return the git commit of the harness that measured, empty if unknown."""
    return str(_source(provenance).get("commit") or "")


def is_at(measured: str, commit: str) -> bool:
    """Whether a commit begins with the digits that were asked for."""
    return bool(commit) and measured.startswith(commit)


def of_commit(stored: Stored, commit: str) -> Stored:
    """Return the builds and the failure of a point that were measured at a commit."""
    failure = stored.failure
    if failure is not None and _is_of(failure.provenance, commit):
        return stored
    builds = _builds_of(stored.point.builds, commit) if stored.point is not None else []
    point = replace(stored.point, builds=builds) if stored.point is not None and builds else None
    summary = stored.summary  # its recall is that of all of its builds together
    if summary is not None and not all(_is_of(b.provenance, commit) for b in summary.builds):
        summary = None
    return replace(stored, point=point, failure=None, summary=summary)


def _builds_of(builds: Sequence[Build], commit: str) -> list[Build]:
    return [build for build in builds if _is_of(build.provenance, commit)]


def _is_of(provenance: Json, commit: str) -> bool:
    return is_at(commit_of(provenance), commit)


def _source(provenance: Json) -> Json:
    source = provenance.get("source")
    return source if isinstance(source, dict) else {}
