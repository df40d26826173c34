"""The program of the child process: runs trials one by one and announces each before it begins."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable

from harness.checks.bench import Bench
from harness.checks.catalog import check_function, rule_of
from harness.checks.trials import CheckSpec, Failed, Skipped, Trial
from harness.running.messages import Channel, Done, Phase, ProtocolError, Report, Start
from harness.running.worker.answers import WrongAnswer
from harness.running.worker.libraries import pools_limited
from harness.text import Json, clean, told

_GOT_CHARACTERS = 300


def main(channel: Channel) -> None:
    """Run the trials; exceptions of an adapter become verdicts."""
    start = channel.wait()
    if not isinstance(start, Start):
        raise ProtocolError(f"{type(start).__name__} before Start")
    spec = CheckSpec.from_json(start.spec)
    bench = Bench(spec)
    for trial in spec.trials:
        channel.send(Phase(trial.title, trial.title))
        bench.note = _noting(channel, trial)
        began = time.perf_counter()
        found = _verdict(bench, trial)
        found["seconds"] = time.perf_counter() - began
        channel.send(Report(trial.title, found))
        channel.send(Phase("between", None))
        if trial.check == "builds" and found["status"] == "fail":
            break
    channel.send(Done())


def _noting(channel: Channel, trial: Trial) -> Callable[[str], None]:
    def note(text: str) -> None:
        channel.send(Phase(f"{trial.title} ({text})", trial.title))

    return note


def _verdict(bench: Bench, trial: Trial) -> Json:
    check = check_function(trial.check)
    try:
        with pools_limited(1):
            extra = check(bench, trial)
    except Skipped as skipped:
        return {"status": "skip", "why": str(skipped)}
    except Failed as failed:
        return {"status": "fail", "expected": failed.expected, "got": failed.got}
    except WrongAnswer as wrong:
        return {"status": "fail", "expected": rule_of(check), "got": str(wrong)}
    except Exception as error:
        traceback.print_exc()
        got = clean(" ".join(told(error).split()), _GOT_CHARACTERS)
        return {"status": "fail", "expected": rule_of(check), "got": got}
    return {"status": "pass", **(extra or {})}
