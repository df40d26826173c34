"""Texts about the machines that measured: a section for every machine."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePath

import pandas as pd

from harness.report.analysis.points import rows_of
from harness.results.table.columns import Row
from harness.text import Json

Origin = Json
_COLUMNS = ["provenance", "commits", "dirty"]
_UNKNOWN = "not recorded"
_DISTURBING = ("warning", "unfit")
_MOST = 12  # different values of one fact; a machine has few


def machines_of(prepared: pd.DataFrame) -> list[Json]:
    """Return each machine's name, facts as `(name, values)`, and findings of the doctor.

    A fact lists its different values, with the number of points of each if there are several.
    """
    if prepared.empty:
        return []
    return [
        _machine(str(name), list(map(_origin, rows_of(rows[_COLUMNS]))))
        for name, rows in prepared.groupby(prepared["machine"].fillna(_UNKNOWN), sort=True)
    ]


def disturbed(prepared: pd.DataFrame) -> list[Json]:
    """Return each machine that `annharness doctor` graded C or D when it measured.

    Each with its worst grade, the number of points of such a grade, and the reasons: the most
    frequent one of each topic, and the number of `others`. As in the page's other counts, `no-op`
    is no point.
    """
    rows = rows_of(prepared[["in_answers", *_COLUMNS]])
    bad = prepared[[bool(row["in_answers"] and grade_of(row)) for row in rows]]
    return [
        {
            "name": str(name),
            "grade": max(map(grade_of, rows_of(rows[_COLUMNS]))),
            "points": len(rows),
            **_disturbances(list(map(_origin, rows_of(rows[_COLUMNS])))),
        }
        for name, rows in bad.groupby(bad["machine"].fillna(_UNKNOWN), sort=True)
    ]


def grade_of(row: Row) -> str:
    """Return "C" or "D" if a point was measured on a machine of such a grade, otherwise ""."""
    grade = _part(_origin(row), "conditions").get("grade")
    return grade if grade in ("C", "D") else ""


def _disturbances(origins: list[Origin]) -> Json:
    found = Counter(
        (_text(one.get("topic")), _text(one.get("found")))
        for origin in origins
        for one in _findings(origin)
        if one.get("level") in _DISTURBING
    )
    of_topics: dict[str, str] = {}
    for (topic, words), _ in found.most_common():
        of_topics.setdefault(topic, f"{topic}: {words}")
    lines = list(of_topics.values())[:_MOST]
    return {"findings": lines, "others": len(found) - len(lines)}


def _origin(row: Row) -> Origin:
    return {
        **{part: value for part, value in row["provenance"].items() if value is not None},
        "commits": row["commits"],
        "dirty": row["dirty"],
    }


def _machine(name: str, origins: list[Origin]) -> Json:
    alike = _alike(origins)
    facts = [(title, _values(words, alike)) for title, words in _FACTS.items()]
    findings: Counter[str] = Counter()
    for origin, count in alike:
        for one in _findings(origin):
            words = [_text(one.get(key)) for key in ("topic", "found", "level")]
            findings["{}: {} ({})".format(*words)] += count
    return {
        "name": name,
        "points": len(origins),
        "facts": [(title, values) for title, values in facts if values],
        "findings": _counted(findings, len(origins)),
    }


def _alike(origins: Iterable[Origin]) -> list[tuple[Origin, int]]:
    """The different origins, each with the number of its points: of thousands, few differ."""
    found: dict[str, tuple[Origin, int]] = {}
    for origin in origins:
        key = json.dumps(origin, sort_keys=True, default=str)
        found[key] = origin, found.get(key, (origin, 0))[1] + 1
    return list(found.values())


def _values(words: Callable[[Origin], str], alike: Sequence[tuple[Origin, int]]) -> list[str]:
    found: Counter[str] = Counter()
    for origin, count in alike:
        found[words(origin)] += count
    known = Counter({value: count for value, count in found.items() if value})
    return _counted(known, found.total())


def _counted(found: Counter[str], total: int) -> list[str]:
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    lines = [v if count == total else f"{v} ({count} points)" for v, count in ordered[:_MOST]]
    return [*lines, *([f"and {len(ordered) - _MOST} more"] if len(ordered) > _MOST else [])]


def _of(part: str, name: str) -> Callable[[Origin], str]:
    return lambda origin: _text(_part(origin, part).get(name))


def _part(origin: Origin, part: str) -> Json:
    found = origin.get(part)
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str:
    """Any recorded value in one line, empty if unknown."""
    if value is None or value in ("", "unknown"):
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return " ".join(map(_text, value))
    return str(value)


def _bytes(name: str) -> Callable[[Origin], str]:
    def words(origin: Origin) -> str:
        value = _part(origin, "machine").get(name)
        return f"{value / 2**30:.1f} GiB" if isinstance(value, (int, float)) else ""

    return words


def _quota(origin: Origin) -> str:
    machine = _part(origin, "machine")
    quota = machine.get("cpu_quota")
    if "cpu_quota" not in machine or not quota:
        return "none" if "cpu_quota" in machine else ""
    return f"{quota:g} cores" if isinstance(quota, (int, float)) else _text(quota)


def _switch(name: str) -> Callable[[Origin], str]:
    return lambda origin: {"1": "on", "0": "off"}.get(_of("machine", name)(origin), "")


def _pools(origin: Origin) -> str:
    """BLAS and OpenMP libraries; the same one loaded twice is named once."""
    pools = _part(origin, "libraries").get("pools")
    names = [
        " ".join(_text(pool.get(key)) for key in ("internal_api", "version", "architecture"))
        for pool in (pools if isinstance(pools, list) else [])
        if isinstance(pool, Mapping)
    ]
    return ", ".join(sorted({" ".join(name.split()) for name in names}))


def _commit(origin: Origin) -> str:
    changed = " with uncommitted changes" if origin["dirty"] else ""
    commits = ", ".join(map(str, origin["commits"]))
    return f"{commits}{changed}" if commits else ""


def _command(origin: Origin) -> str:
    """The command line, with only the last part of paths, since they may name a person."""
    words = origin.get("command")
    parts = words if isinstance(words, list) else []
    return " ".join(PurePath(str(part)).name if "/" in str(part) else str(part) for part in parts)


def _findings(origin: Origin) -> list[Mapping[str, object]]:
    """The findings of the doctor."""
    found = _part(origin, "conditions").get("findings")
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


_FACTS: dict[str, Callable[[Origin], str]] = {
    "processor": _of("machine", "cpu"),
    "cores that may be used": _of("machine", "cores"),
    "hardware threads of a core": _of("machine", "threads_per_core"),
    "SMT": _switch("smt"),
    "frequency governor": _of("machine", "governor"),
    "boost": _switch("boost"),
    "caches": _of("machine", "caches"),
    "memory": _bytes("ram_bytes"),
    "memory limit": _bytes("memory_limit_bytes"),
    "limit of the container": _quota,
    "kernel": _of("machine", "kernel"),
    "system": lambda o: " ".join(_of("machine", n)(o) for n in ("system", "architecture")).strip(),
    "processor flags": _of("machine", "flags"),
    "Python": _of("libraries", "python"),
    "BLAS and OpenMP": _pools,
    "libraries": _of("libraries", "versions"),
    "commit of the harness": _commit,
    "suite": lambda origin: _text(origin.get("suite")),
    "command": _command,
    "grade by annharness doctor": _of("conditions", "grade"),
}
