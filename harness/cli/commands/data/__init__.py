"""The commands of `annharness data`, in the order in which its help lists them."""

from __future__ import annotations

import typer

from harness.cli.commands.data.cached import clean, fetch
from harness.cli.commands.data.looking import info, list_datasets, show, verify
from harness.cli.commands.data.own_files import add, convert_file
from harness.cli.verbs import SETTINGS

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="List, fetch, check and look at datasets.",
    **SETTINGS,
)
app.command("list")(list_datasets)
app.command("info")(info)
app.command("fetch")(fetch)
app.command("show")(show)
app.command("verify")(verify)
app.command("add")(add)
app.command("convert")(convert_file)
app.command("clean")(clean)
