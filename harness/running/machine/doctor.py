"""Is this machine fit to measure on? Findings with reasons and fixes, and a grade."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import psutil

from harness.running.machine.cpus import allotted_cpus
from harness.running.machine.facts import free_memory_bytes, machine_provenance, throttle_counts
from harness.running.worker.libraries import POOL_VARIABLES
from harness.text import Json

Level = Literal["good", "note", "warning", "unfit"]
_LEVELS: tuple[Level, ...] = ("good", "note", "warning", "unfit")
GRADES = {"good": "A", "note": "B", "warning": "C", "unfit": "D"}

_BUSY_SECONDS = 0.5
_BUSY_WARNING, _BUSY_UNFIT = 0.15, 0.5
_STEAL_WARNING = 0.02
_NOISE_WARNING, _NOISE_UNFIT = 0.05, 0.20
_NOISE_SAMPLES = 60
_FREE_MEMORY_WARNING = 2 << 30
_THROTTLE_FIXES = {
    "quota": "raise the container's quota above the suite's threads",
    "heat": "better cooling, or fewer processors at work",
}


@dataclass(frozen=True)
class Finding:
    """The result of one check of the machine: what was found, how bad it is, and the remedy."""

    topic: str
    level: Level
    found: str
    fix: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """All findings and the grade of the worst: A (good), B (notes), C (warnings), D (unfit)."""

    findings: tuple[Finding, ...]

    @property
    def grade(self) -> str:
        return GRADES[self.worst[0].level]

    @property
    def worst(self) -> list[Finding]:
        """The findings that the grade comes from."""
        level = max((finding.level for finding in self.findings), key=_LEVELS.index)
        return [finding for finding in self.findings if finding.level == level]

    @property
    def fit(self) -> bool:
        """Whether a run with `--strict` may begin."""
        return self.grade != "D"

    def warning(self) -> str | None:
        """Return the line that a run begins with on a machine of grade C or D, else None."""
        if self.grade not in ("C", "D"):
            return None
        found = "; ".join(f"{finding.topic}: {finding.found}" for finding in self.worst)
        unfit = "is unfit to measure on" if not self.fit else "disturbs what is measured"
        return (
            f"warning: this machine {unfit}, grade {self.grade} ({found}); "
            "annharness doctor says what to do"
        )

    def to_json(self) -> Json:
        """Return plain data, stored with every result of the run."""
        return {"grade": self.grade, "findings": [asdict(finding) for finding in self.findings]}


def unfitness() -> str | None:
    """Return why this machine is unfit to measure on; None if it is not."""
    found = diagnose()
    reasons = "; ".join(f"{finding.topic}: {finding.found}" for finding in found.worst)
    return None if found.fit else reasons


def diagnose() -> Diagnosis:
    """Check the machine; takes about two seconds."""
    facts = machine_provenance()
    throttled = throttle_counts()
    return Diagnosis(
        (
            *_load(),
            _noise(),
            *_frequency(facts),
            _smt(facts),
            *_throttling(throttled, throttle_counts()),
            _memory(),
            _thread_variables(),
        )
    )


def _load() -> Iterator[Finding]:
    """Processor time that other programs use, and that the hypervisor takes away."""
    before = psutil.cpu_times(percpu=False)
    own = time.process_time()
    busy = psutil.cpu_percent(interval=_BUSY_SECONDS, percpu=True)
    after = psutil.cpu_times(percpu=False)
    cpus = allotted_cpus()
    # A container may see its own processors alone, numbered from 0, or some may be switched off.
    shown = [busy[cpu] for cpu in cpus] if max(cpus) < len(busy) else busy
    our_share = (time.process_time() - own) / (_BUSY_SECONDS * len(shown))
    share = float(np.mean(shown)) / 100 - our_share
    level = _graded(share, _BUSY_WARNING, _BUSY_UNFIT)
    fix = "" if level == "good" else "stop what else runs here, or wait"
    yield Finding("load", level, f"processors {max(0, share):.0%} busy with other work", fix)
    total = sum(after) - sum(before)
    steal = (getattr(after, "steal", 0.0) - getattr(before, "steal", 0.0)) / max(total, 1e-9)
    if steal > _STEAL_WARNING:
        text = f"{steal:.0%} of the time is taken by other virtual machines"
        yield Finding("steal", "warning", text, "measure on a dedicated machine")


def _noise() -> Finding:
    """The spread of the times of a fixed kernel, which limits the precision of a measurement."""
    rows = np.random.default_rng(0).standard_normal((2000, 64)).astype(np.float32)
    query = rows[0].copy()
    seconds = np.empty(_NOISE_SAMPLES)
    for i in range(_NOISE_SAMPLES):
        began = time.perf_counter()
        for _ in range(50):
            np.argsort(rows @ query)
        seconds[i] = time.perf_counter() - began
    middle = np.median(seconds)
    spread = float((np.quantile(seconds, 0.9) - np.quantile(seconds, 0.1)) / middle)
    level = _graded(spread, _NOISE_WARNING, _NOISE_UNFIT)
    text = f"a fixed kernel of {middle * 1e3:.1f} ms varies by {spread:.0%} (10th to 90th centile)"
    fix = "" if level == "good" else "take more builds, compare only what ran side by side"
    return Finding("noise", level, text, fix)


def _frequency(facts: Json) -> Iterator[Finding]:
    governor = facts["governor"]
    if governor == "unknown":
        yield Finding("governor", "note", "the frequency governor cannot be read")
    elif governor == "performance":
        yield Finding("governor", "good", "performance")
    else:
        yield Finding("governor", "warning", governor, "cpupower frequency-set -g performance")
    if facts["boost"] == "1":
        fix = "cpufreq/boost 0, or intel_pstate/no_turbo 1, in /sys/devices/system/cpu"
        yield Finding("boost", "note", "the clock may rise above its base, and fall with heat", fix)


def _smt(facts: Json) -> Finding:
    threads = facts["threads_per_core"]
    if threads == "unknown":
        return Finding("SMT", "note", "the hardware threads of a core cannot be read")
    if threads > 1:
        text = f"{threads} hardware threads share a core"
        return Finding("SMT", "note", text, "echo off > /sys/devices/system/cpu/smt/control")
    return Finding("SMT", "good", "one hardware thread per core")


def _throttling(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[Finding]:
    """Whether a container's quota or the processor's heat throttles, now or earlier."""
    for cause, count in after.items():
        times = count - before.get(cause, 0)
        if times:
            text = f"held back by {cause} {times:,} times while we looked"
            yield Finding(cause, "warning", text, _THROTTLE_FIXES[cause])
        elif count:
            text = f"held back {count:,} times since it started, not while we looked"
            yield Finding(cause, "note", text, _THROTTLE_FIXES[cause])
        else:
            yield Finding(cause, "good", "never held back")


def _memory() -> Finding:
    free = free_memory_bytes()
    text = f"{free / 2**30:.1f} GiB free, {psutil.swap_memory().used / 2**30:.1f} GiB swapped"
    level: Level = "warning" if free < _FREE_MEMORY_WARNING else "good"
    return Finding("memory", level, text, "" if level == "good" else "free some memory")


def _thread_variables() -> Finding:
    present = sorted(name for name in POOL_VARIABLES if name in os.environ)
    if not present:
        return Finding("threads", "good", "no thread variable is set from outside")
    text = ", ".join(f"{name}={os.environ[name]}" for name in present)
    return Finding("threads", "note", f"{text}: the harness overrides them in its workers")


def _graded(value: float, warning: float, unfit: float) -> Level:
    if value >= unfit:
        return "unfit"
    return "warning" if value >= warning else "good"
