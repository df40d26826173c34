"""Shell completion of the names of algorithms, datasets and suites."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import typer

from harness.contracts import UserError
from harness.registry.registry import Registry, load_registry
from harness.registry.suites import suite_names

Offer = Callable[[typer.Context, str], list[str]]


def _offering(names_of: Callable[[Registry], Iterable[str]]) -> Offer:
    """Return a function that completes a word to the names that begin with it."""

    def offer(ctx: typer.Context, incomplete: str) -> list[str]:
        try:
            registry = load_registry(ctx.params.get("plugins") or ())
        except UserError:
            return []  # completion prints no errors
        return [name for name in names_of(registry) if name.startswith(incomplete)]

    return offer


algorithms = _offering(lambda registry: registry.algorithms)
datasets = _offering(lambda registry: registry.datasets)
suites = _offering(lambda registry: suite_names())
every_name = _offering(lambda registry: [*registry.algorithms, *registry.datasets, *suite_names()])
