"""`annharness doctor`: grade this machine for measuring."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.terminal import Terminal
from harness.running.machine.doctor import Diagnosis, diagnose

_STYLES = {"good": "green", "note": "cyan", "warning": "yellow", "unfit": "red"}
_UNFIT = 1


def doctor() -> None:
    """Grade this machine for measuring, with reasons and remedies.

    The exit status is 1 for grade D (unfit), on which `run --strict` refuses to measure.

    Example: annharness doctor
    """
    found = diagnose()
    print_diagnosis(Terminal(), found)
    if not found.fit:
        raise typer.Exit(_UNFIT)


def print_diagnosis(console: Console, diagnosis: Diagnosis) -> None:
    """Print the findings as a table, and the grade."""
    table = Table("topic", "found", "what to do", box=None, padding=(0, 2))
    for finding in diagnosis.findings:
        style = _STYLES[finding.level]
        table.add_row(Text(finding.topic, style=style), Text(finding.found), Text(finding.fix))
    console.print(table)
    console.print(f"grade {diagnosis.grade} (A good, B notes, C warnings, D unfit to measure on)")
