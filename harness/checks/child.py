"""The program of the child process: one trial after the other, each announced before it begins."""

from __future__ import annotations

import importlib
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.checks.bench import Bench
from harness.checks.trials import Trial
from harness.checks.verdicts import Failed, Skipped
from harness.running.answers import WrongAnswer
from harness.running.job import EVENTS_FILE, Job
from harness.running.threads import pools_limited
from harness.running.worker import Events

Check = Callable[[Bench, Trial], Any]


def run_checks(job: Job) -> None:
    """Run the trials of a job; whatever an adapter raises is a verdict, not an exception."""
    events = Events(Path(job.folder) / EVENTS_FILE)
    bench = Bench(job)
    for trial in map(Trial.from_json, job.details["trials"]):
        events.write("phase", phase=trial.title, task=trial.title)
        bench.note = _noting(events, trial)
        began = time.perf_counter()
        found = _verdict(bench, trial)
        found["seconds"] = time.perf_counter() - began
        events.write("report", task=trial.title, found=found)
        events.write("phase", phase="between")
        if trial.check == "builds" and found["status"] == "fail":
            break
    events.write("done")


def _noting(events: Events, trial: Trial) -> Callable[[str], None]:
    def note(text: str) -> None:
        events.write("phase", phase=f"{trial.title} ({text})", task=trial.title)

    return note


def _verdict(bench: Bench, trial: Trial) -> dict[str, Any]:
    check = check_function(trial.check)
    try:
        with pools_limited(1):
            extra = check(bench, trial)
    except Skipped as skipped:
        return {"status": "skip", "why": str(skipped)}
    except Failed as failed:
        return {"status": "fail", "expected": failed.expected, "got": failed.got}
    except WrongAnswer as wrong:
        return {"status": "fail", "expected": promise_of(check), "got": str(wrong)}
    except Exception as error:
        traceback.print_exc()
        return {"status": "fail", "expected": promise_of(check), "got": told(error)}
    return {"status": "pass", **(extra or {})}


def check_function(name: str) -> Check:
    """Return the function of a check: `check` in the file of its name."""
    module = importlib.import_module(f"harness.checks.promises.{name.replace('-', '_')}")
    function: Check = module.check
    return function


def promise_of(check: Check) -> str:
    """Return the first sentence of a check's docstring: what the adapter promises."""
    return (check.__doc__ or "").strip().splitlines()[0].rstrip(".")


def told(error: Exception) -> str:
    """Return kind and message of an exception, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")[:300]
