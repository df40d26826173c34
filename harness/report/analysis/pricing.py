"""What queries cost on a machine of a known price."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from harness.contracts import UserError

COST = "cost_per_million_queries"

_SECONDS_PER_HOUR = 3600.0

Prices = Mapping[str, float]
"""Price per hour by machine: by a part of its name, or by "" for every machine."""


def prices_of(given: Sequence[str]) -> dict[str, float]:
    """Return the prices given as texts: `0.34`, or `MACHINE=0.34` with a part of a machine's name.

    Raises
    ------
    UserError
        If a price is none, or two are for the same machines.
    """
    prices: dict[str, float] = {}
    for text in given:
        machine, _, price = text.rpartition("=")
        try:
            value = float(price)
        except ValueError:
            value = math.nan
        if not 0 <= value < math.inf or machine in prices:
            raise UserError(
                "not a price per hour" if machine not in prices else "two prices of one machine",
                where="--price",
                expected="0.34, or MACHINE=0.34 with a part of the machine's name",
                got=repr(text),
            )
        prices[machine] = value
    return prices


def priced(table: pd.DataFrame, prices: Prices) -> pd.DataFrame:
    """Return the table with what a million queries cost, and its 95 % interval.

    The price of the whole machine for the time that a million queries take when they are asked as
    they were measured: one after another, by several clients, or in a batch. The longest name that
    is part of the machine's decides; where none is, the cost is unknown.

    Raises
    ------
    UserError
        If a name is part of no machine's in the table.
    """
    if not prices:
        return table
    machines = sorted(set(map(str, table["machine"])))
    for name in prices:
        if not any(name in machine for machine in machines):
            raise UserError(
                "no machine in these results has such a name",
                where="--price",
                expected="a part of " + " or ".join(map(repr, machines)),
                got=repr(name),
            )
    price_of = {machine: _price(machine, prices) for machine in machines}
    per_hour = table["machine"].map(price_of).astype("float64")
    seconds = {"": table["qps"], "_low": table["qps_high"], "_high": table["qps_low"]}
    costs = {
        f"{COST}{end}": per_hour / _SECONDS_PER_HOUR * 1e6 / qps for end, qps in seconds.items()
    }
    return table.assign(**costs)


def _price(machine: str, prices: Prices) -> float:
    names = [name for name in prices if name in machine]
    return prices[max(names, key=len)] if names else math.nan
