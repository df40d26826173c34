"""Outcomes of blocks as bytes: plain data and arrays without pickle, checked when read."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.results.point import BuildFacts, LoadShare
from harness.running.blocks import BlockOutcome, Measured, Probe, TaskFailure
from harness.text import Json, plain_json

_HEAD = "head"
_OF_LOAD = ("rates", "service", "outcomes")
_MOST_VALUES = 1 << 20


class DamagedOutcome(Exception):
    """What came back from a node is no outcome."""


def encoded(outcome: BlockOutcome) -> bytes:
    """Return an outcome as the bytes of an .npz file."""
    arrays: dict[str, NDArray[Any]] = {"reference": outcome.reference_times}
    finished: Json = {}
    for number, (key, one) in enumerate(outcome.finished.items()):
        tables = {
            f"{number}/d{i}": (table, column, np.asarray(values))
            for i, (table, column, values) in enumerate(
                (table, column, values)
                for table, columns in one.diagnostics.items()
                for column, values in columns.items()
            )
        }
        arrays |= {name: values for name, (_, _, values) in tables.items()}
        for name in ("times", "walls", "cycles", "neighbors"):
            arrays[f"{number}/{name}"] = getattr(one, name)
        if one.load is not None:
            arrays |= {f"{number}/{name}": getattr(one.load, name) for name in _OF_LOAD}
        finished[key] = {
            "number": number,
            "arrivals_sha256": None if one.load is None else one.load.arrivals_sha256,
            "facts": one.facts.to_json(),
            "diagnostics": [[name, table, column] for name, (table, column, _) in tables.items()],
        }
    head = {
        "id": outcome.id,
        "number": outcome.number,
        "order_seed": outcome.order_seed,
        "window": outcome.window,
        "seconds": outcome.seconds,
        "provenance": outcome.provenance,
        "finished": finished,
        "probes": {key: asdict(probe) for key, probe in outcome.probes.items()},
        "failed": {key: asdict(failure) for key, failure in outcome.failed.items()},
    }
    arrays[_HEAD] = np.frombuffer(json.dumps(head).encode(), np.uint8)
    out = io.BytesIO()
    np.savez(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def decoded(data: bytes) -> BlockOutcome:
    """Return the outcome that `encoded` wrote.

    Raises
    ------
    DamagedOutcome
        If it is none.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            head = plain_json(arrays[_HEAD].tobytes().decode(), values=_MOST_VALUES)
            return BlockOutcome(
                id=str(head["id"]),
                number=int(head["number"]),
                order_seed=int(head["order_seed"]),
                window=int(head["window"]),
                reference_times=arrays["reference"].astype(np.float64),
                finished={k: _measured(one, arrays) for k, one in head["finished"].items()},
                failed={k: TaskFailure(**one) for k, one in head["failed"].items()},
                probes={k: Probe(**one) for k, one in head["probes"].items()},
                seconds=float(head["seconds"]),
                provenance=head["provenance"],
            )
    except Exception as error:  # numpy and zipfile have many ways to refuse bytes
        raise DamagedOutcome(f"what the node sent is no outcome: {error}") from error


def _measured(one: Json, arrays: Mapping[str, NDArray[Any]]) -> Measured:
    number = int(one["number"])
    diagnostics: dict[str, dict[str, NDArray[Any]]] = {}
    for name, table, column in one["diagnostics"]:
        diagnostics.setdefault(table, {})[column] = arrays[name]
    return Measured(
        times=arrays[f"{number}/times"].astype(np.float64),
        walls=arrays[f"{number}/walls"].astype(np.float64),
        cycles=arrays[f"{number}/cycles"].astype(np.int16),
        neighbors=arrays[f"{number}/neighbors"],
        facts=BuildFacts.from_json(one["facts"]),
        diagnostics=diagnostics,
        load=_load(one["arrivals_sha256"], number, arrays),
    )


def _load(
    arrivals: str | None, number: int, arrays: Mapping[str, NDArray[Any]]
) -> LoadShare | None:
    if arrivals is None:
        return None
    rates, service, outcomes = (arrays[f"{number}/{name}"] for name in _OF_LOAD)
    return LoadShare(
        rates.astype(np.float64), arrivals, service.astype(np.float32), outcomes.astype(np.int8)
    )
