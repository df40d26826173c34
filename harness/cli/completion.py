"""Shell completion of the names of algorithms, datasets and suites."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import typer

from harness.contracts import UserError
from harness.registry.registry import Registry, load_registry
from harness.registry.suites import suite_names

Offer = Callable[[typer.Context, str], list[str]]


def _offering(
    of_registry: Callable[[Registry], Iterable[str]] | None,
    others: Callable[[], Iterable[str]] = tuple,
) -> Offer:
    """Return a function that offers the names that go on as the word begins."""

    def offer(ctx: typer.Context, incomplete: str) -> list[str]:
        names = [*others()]
        if of_registry is not None:
            names = [*_named_in_registry(ctx, of_registry), *names]
        return [name for name in names if name.startswith(incomplete)]

    return offer


def _named_in_registry(
    ctx: typer.Context, names_of: Callable[[Registry], Iterable[str]]
) -> Iterable[str]:
    try:
        return names_of(load_registry(ctx.params.get("plugins") or ()))
    except UserError:
        return ()  # whoever presses TAB is told of no mistake


algorithms = _offering(lambda registry: registry.algorithms)
datasets = _offering(lambda registry: registry.datasets)
suites = _offering(None, suite_names)
every_name = _offering(lambda registry: [*registry.algorithms, *registry.datasets], suite_names)
