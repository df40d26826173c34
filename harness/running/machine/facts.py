"""The machine that measures: the facts in keys, and the facts stored as provenance."""

from __future__ import annotations

import getpass
import json
import platform
import re
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import psutil

from harness.results.identity import Machine
from harness.running.machine.cpus import allotted_cpus, siblings
from harness.text import Json

_CGROUP = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")
_CPU = Path("/sys/devices/system/cpu")
_GIB = 2**30
_USABLE_SHARE = 0.8


@lru_cache(maxsize=1)
def this_machine() -> Machine:
    """Return the facts of this machine that are part of keys."""
    return Machine(cpu=cpu_model(), cores=allotted_cores(), memory_bytes=memory_limit_bytes())


def allotted_cores() -> int:
    """Return the number of usable cores: the affinity mask, limited by a container's quota."""
    cores = len(allotted_cpus())
    quota = _cpu_quota()
    return max(1, min(cores, int(quota))) if quota else cores


def cpu_model() -> str:
    """Return the processor's name as the kernel gives it."""
    for line in _lines(Path("/proc/cpuinfo")):
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split())
    return platform.processor() or platform.machine()


def memory_limit_bytes() -> int:
    """Return the usable memory: the machine's, or a container's limit, in whole GiB."""
    total = psutil.virtual_memory().total
    limit = _first_line(_CGROUP / "memory.max")
    if limit.isdigit():
        total = min(total, int(limit))
    return round(total / _GIB) * _GIB


def free_memory_bytes() -> int:
    """Return the memory that a child can use now: without swapping, within a container or job."""
    return max(0, min([int(psutil.virtual_memory().available), *_left_by_groups()]))


def _left_by_groups() -> Iterator[int]:
    """The memory that each control group with a limit leaves: a container's, a scheduled job's."""
    own = [line.partition("::")[2] for line in _lines(_OWN_CGROUP) if line.startswith("0::")]
    folder = _CGROUP / "".join(own).lstrip("/")
    for group in (folder, *folder.parents):
        limit, used = (_first_line(group / f"memory.{name}") for name in ("max", "current"))
        if limit.isdigit() and used.isdigit():
            # Pages of files count as used, but the kernel drops them when memory is asked for.
            lines = (line.split() for line in _lines(group / "memory.stat"))
            files = (int(n) for name, n in lines if name in ("active_file", "inactive_file"))
            yield int(limit) - int(used) + sum(files)


def usable_memory_bytes() -> int:
    """Return the memory that the children of the harness may use together by default."""
    return int(free_memory_bytes() * _USABLE_SHARE)


def storable_bytes() -> int:
    """Return the bytes that this machine can hold at all, in memory and on its root disk."""
    return psutil.virtual_memory().total + psutil.disk_usage("/").total


@lru_cache(maxsize=1)
def machine_provenance() -> Json:
    """Return all known facts of the machine, without names of users or hosts."""
    return {
        "cpu": cpu_model(),
        "cores": allotted_cores(),
        "cpus": list(allotted_cpus()),
        "threads_per_core": len(siblings(allotted_cpus()[0])) or "unknown",
        "flags": _cpu_flags(),
        "caches": _caches(),
        "ram_bytes": psutil.virtual_memory().total,
        "memory_limit_bytes": memory_limit_bytes(),
        "cpu_quota": _cpu_quota(),
        "kernel": platform.release(),
        "system": platform.system(),
        "architecture": platform.machine(),
        "governor": _governors() or "unknown",
        "smt": _first_line(_CPU / "smt/active") or "unknown",
        "boost": _boost() or "unknown",
    }


def throttle_counts() -> dict[str, int]:
    """Return how often quota and heat have throttled since the system or container started.

    A cause that cannot be read is left out. The heat is that of our most throttled processor.
    """
    found = {}
    for line in _lines(_CGROUP / "cpu.stat"):
        name, _, value = line.partition(" ")
        if name == "nr_throttled" and value.isdigit():
            found["quota"] = int(value)
    counts = [
        _first_line(_CPU / f"cpu{cpu}/thermal_throttle/{part}_throttle_count")
        for cpu in allotted_cpus()
        for part in ("core", "package")
    ]
    known = [int(count) for count in counts if count.isdigit()]
    return {**found, "heat": max(known)} if known else found


@lru_cache(maxsize=1)
def source_provenance() -> Json:
    """Return the git commit of the clone that the harness runs from, and whether it is changed."""
    folder = Path(__file__).resolve().parents[3]
    if not (folder / ".git").exists():
        return {"commit": None, "dirty": None}
    commit = _git(folder, "rev-parse", "HEAD")
    dirty = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if dirty is None else bool(dirty)}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _governors() -> str:
    """The governor of our processors; where they have several, all of them."""
    files = (_CPU / f"cpu{cpu}/cpufreq/scaling_governor" for cpu in allotted_cpus())
    return ", ".join(sorted({governor for file in files if (governor := _first_line(file))}))


def _boost() -> str:
    """Whether the clock may rise above its base: 1 or 0, or nothing if that cannot be read."""
    turned_off = _first_line(_CPU / "intel_pstate/no_turbo")
    return _first_line(_CPU / "cpufreq/boost") or {"0": "1", "1": "0"}.get(turned_off, "")


def _cpu_quota() -> float | None:
    quota, _, period = _first_line(_CGROUP / "cpu.max").partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def _cpu_flags() -> list[str]:
    for line in _lines(Path("/proc/cpuinfo")):
        if line.startswith(("flags", "Features")):
            return sorted(line.partition(":")[2].split())
    return []


def _caches() -> dict[str, str]:
    found = {}
    for index in sorted((_CPU / "cpu0/cache").glob("index*")):
        name = f"L{_first_line(index / 'level')} {_first_line(index / 'type')}"
        found[name] = _first_line(index / "size")
    return found


def _first_line(path: Path) -> str:
    lines = _lines(path)
    return lines[0].strip() if lines else ""


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


HOME, USER, HOST = "~", "USER", "HOST"
_LEAST_CHARACTERS = 3


def impersonal(text: str) -> str:
    """Return a text with home folder, user's folders and host name replaced."""
    home, user, host = _home(), _user(), platform.node()
    if len(home) > 1:
        text = re.sub(rf"{re.escape(home)}(?![\w.-])", HOME, text)
    if len(user) >= _LEAST_CHARACTERS:
        text = re.sub(rf"(?<=/){re.escape(user)}(?![\w.-])", USER, text)
    if len(host) >= _LEAST_CHARACTERS:
        text = re.sub(rf"(?<![\w.-]){re.escape(host)}(?![\w-])", HOST, text)
    return text


def impersonal_data(data: Json) -> Json:
    """Return plain data with every text in it made impersonal."""
    cleaned: Json = json.loads(json.dumps(data), object_hook=_cleaned)
    return cleaned


def signature() -> dict[str, str]:
    """Return user and host name, for those who sign their results."""
    return {"user": _user(), "host": platform.node()}


def _cleaned(one: Json) -> Json:
    return {impersonal(name): _without_names(value) for name, value in one.items()}


def _without_names(value: object) -> object:
    if isinstance(value, str):
        return impersonal(value)
    return [_without_names(one) for one in value] if isinstance(value, list) else value


def _home() -> str:
    try:
        return str(Path.home())
    except RuntimeError:
        return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
