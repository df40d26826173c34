"""The commands, each imported when it is used; the overview of the help needs no import."""

from __future__ import annotations

import importlib
import inspect
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

SETTINGS: dict[str, Any] = {
    "pretty_exceptions_enable": False,
    "rich_markup_mode": "rich",
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


class Verb(NamedTuple):
    """The module and attribute of a command (or of a `typer.Typer`), and its summary."""

    module: str
    attribute: str
    summary: str


VERBS = {
    "list": Verb(
        "harness.cli.commands.list",
        "list_entries",
        "List algorithms, datasets and suites, one line each, with their metrics and state.",
    ),
    "show": Verb(
        "harness.cli.commands.show",
        "show",
        "Show one algorithm, dataset or suite: parameters, groups, grid, requirements, state.",
    ),
    "data": Verb(
        "harness.cli.commands.data",
        "app",
        "List, fetch, check and look at datasets.",
    ),
    "run": Verb(
        "harness.cli.commands.run",
        "run",
        "Run a suite: every point that is not stored yet, in blocks of builds measured "
        "side by side.",
    ),
    "tune": Verb(
        "harness.cli.commands.tune",
        "tune",
        "Find the parameters for a recall, and prove them on held-out queries.",
    ),
    "recommend": Verb(
        "harness.cli.commands.recommend",
        "recommend",
        "Print the fastest stored index at a recall; nothing is measured.",
    ),
    "plot": Verb(
        "harness.cli.commands.plot",
        "plot",
        "Draw recall against QPS with the Pareto frontier, recall 1@N, build costs, training loss.",
    ),
    "publish": Verb(
        "harness.cli.commands.publish",
        "publish",
        "Write a static site: recommendations, charts, comparisons, history, failures, methods.",
    ),
    "export": Verb(
        "harness.cli.commands.export",
        "export",
        "Write one row per point: parameters, recall, QPS and latency with intervals, "
        "sizes, status.",
    ),
    "import": Verb(
        "harness.cli.commands.importing",
        "import_",
        "Import results of ann-benchmarks; recall is recomputed from the stored neighbours.",
    ),
    "results": Verb(
        "harness.cli.commands.results",
        "app",
        "Share results: by a folder of several people (push, pull), or in packages that others "
        "check (pack, check, merge).",
    ),
    "compare": Verb(
        "harness.cli.commands.compare",
        "compare",
        "Compare the QPS of B with that of A at fixed recalls: ratio, interval, verdict.",
    ),
    "history": Verb(
        "harness.cli.commands.history",
        "history",
        "Show the speed of the same points over commits and library versions, and its steps.",
    ),
    "new": Verb(
        "harness.cli.commands.new",
        "new",
        "Write a plug-in folder that passes its checks, or a leaderboard, as a start for your own.",
    ),
    "check": Verb(
        "harness.cli.commands.check",
        "check",
        "Check an adapter against the contract, one line for each check.",
    ),
    "doctor": Verb(
        "harness.cli.commands.doctor",
        "doctor",
        "Grade this machine for measuring, with reasons and remedies.",
    ),
}
"""In the order of the work."""


class Verbs(TyperGroup):
    """A group that lists its commands by name and summary, and imports only the one used."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {name: TyperCommand(name, help=v.summary) for name, v in VERBS.items()}

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options, flags without a type: they take no value."""
        return _with_bare_flags(super().get_params(ctx))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the command that the arguments begin with, imported."""
        name, known, rest = super().resolve_command(ctx, args)
        command = known and loaded(str(known.name))
        for one in (command, *getattr(command, "commands", {}).values()):
            if one is not None:
                _with_bare_flags(one.get_params(ctx))
        return name, command, rest


def _with_bare_flags(options: list[Any]) -> list[Any]:
    """The options, changed so that the help shows no type beside flags, as if they took a value."""
    for option in options:
        if getattr(option, "is_flag", False):
            option.metavar = ""
    return options


def loaded(name: str) -> Any:
    """Import a command and return it."""
    verb = VERBS[name]
    found = getattr(importlib.import_module(verb.module), verb.attribute)
    if isinstance(found, typer.Typer):
        return _named(name, get_command(found))
    app = typer.Typer(add_completion=False, **SETTINGS)
    app.command(name)(found)
    return _named(name, get_command(app))


def _named(name: str, command: Any) -> Any:
    command.name = name
    _fill_paragraphs(command)
    return command


def _fill_paragraphs(command: Any) -> None:
    """Join the lines of each paragraph of the help: they are broken for the width of the code."""
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    command.help = "\n\n".join(
        text if text.startswith(" ") else text.replace("\n", " ") for text in paragraphs
    )
    for inner in getattr(command, "commands", {}).values():
        _fill_paragraphs(inner)
