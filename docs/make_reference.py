"""Write the reference of commands from their own help: `python docs/make_reference.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.cli.verbs import VERBS, loaded

TARGET = Path(__file__).parent / "commands.md"
HEAD = "# Commands\n\nWritten from the commands' own help by `make docs`; do not edit.\n"


def reference() -> str:
    """Return the whole page."""
    return HEAD + "".join(_section(name, command) for name, command in _verbs())


def _verbs() -> list[tuple[str, Any]]:
    found = []
    for name, command in ((name, loaded(name)) for name in VERBS):
        inner = getattr(command, "commands", None)
        found += [(f"{name} {k}", c) for k, c in inner.items()] if inner else [(name, command)]
    return found


def _section(name: str, command: Any) -> str:
    lines = [f"\n## annharness {name}\n", _dedented(command.help), ""]
    lines += [_parameter(parameter) for parameter in command.params if parameter.name != "help"]
    return "\n".join(lines).rstrip() + "\n"


def _dedented(text: str) -> str:
    """Paragraphs as they are; examples, which the help indents, as code."""
    lines = [line.strip() for line in text.strip().splitlines()]
    return "\n".join(f"    {line}" if line.startswith("annharness ") else line for line in lines)


def _parameter(parameter: Any) -> str:
    names = ", ".join(parameter.opts) if parameter.param_type_name == "option" else parameter.name
    return f"- `{names}`: {parameter.help}"


if __name__ == "__main__":
    TARGET.write_text(reference())
