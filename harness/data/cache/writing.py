"""Writing the cached form: one pass that checks and fingerprints, one pass that writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from harness.contracts.dataset import Metric
from harness.data.cache import layout
from harness.data.cache.cached import file_state
from harness.data.parts import Part, Parts
from harness.data.rows import Fingerprint, all_unit, unit
from harness.data.words import Words
from harness.files.progress import Progress, silent
from harness.files.replacing import written_hdf5


@dataclass(frozen=True)
class Inspection:
    """Findings of the checking pass. `unit_rows`: every row has norm 1 or 0 already."""

    fingerprint: str
    unit_rows: bool


def inspect(parts: Parts, metric: Metric, progress: Progress = silent) -> Inspection:
    """Check every value and return the fingerprint.

    Raises
    ------
    UserError
        If a value is not finite.
    """
    base_shape = (len(parts.base), parts.base.dimension)
    digest = Fingerprint(metric, base_shape, len(parts.queries))
    unit_rows = True
    total = len(parts.base) + len(parts.queries)
    done = 0
    for part in (parts.base, parts.queries):
        for _, rows in part.blocks():
            digest.add(rows)
            unit_rows = unit_rows and metric == "angular" and all_unit(rows)
            done += len(rows)
            progress("checking", done, total)
    return Inspection(digest.hexdigest(), unit_rows)


@dataclass(frozen=True)
class Identity:
    """The identity that a cached file records. `made_from` shows if it is out of date."""

    name: str
    metric: Metric
    fingerprint: str
    made_from: str = ""


def write_cached(
    path: Path,
    parts: Parts,
    identity: Identity,
    *,
    unit_rows: bool,
    rows_file: Path | None = None,
    progress: Progress = silent,
) -> None:
    """Write the cached form, whole or not at all.

    Parameters
    ----------
    unit_rows
        Whether the rows are unit-norm as they are, so that no second copy is needed.
    rows_file
        A file of the user's whose `train` and `test` can be mapped as they are: it is pointed to
        and the rows are not copied.
    """
    with written_hdf5(path) as file:
        _describe(file, parts, identity)
        if rows_file is None:
            _write_rows(file, parts, progress)
        else:
            _point_to(file, rows_file)
        if identity.metric == "angular" and not unit_rows:
            _write_unit_rows(file, parts, progress)
        if parts.labels is not None:
            _write_words(file, layout.LABELS_BASE, parts.labels.base)
            _write_words(file, layout.LABELS_QUERIES, parts.labels.queries)


def _describe(file: h5py.File, parts: Parts, identity: Identity) -> None:
    file.attrs["type"] = "dense"
    file.attrs["distance"] = layout.DISTANCE_OF_METRIC[identity.metric]
    file.attrs["dimension"] = parts.base.dimension
    file.attrs["point_type"] = "float"
    own = file.create_group("annharness").attrs
    own["name"] = identity.name
    own["metric"] = identity.metric
    own["fingerprint"] = identity.fingerprint
    own["made_from"] = identity.made_from


def _point_to(file: h5py.File, rows_file: Path) -> None:
    own = file["annharness"].attrs
    own["rows_file"] = str(rows_file.resolve())
    own["rows_file_state"] = file_state(rows_file)


def _write_rows(file: h5py.File, parts: Parts, progress: Progress) -> None:
    for name, part in ((layout.BASE, parts.base), (layout.QUERIES, parts.queries)):
        _write_part(file, name, part, as_unit=False, progress=progress)


def _write_unit_rows(file: h5py.File, parts: Parts, progress: Progress) -> None:
    for name, part in ((layout.UNIT_BASE, parts.base), (layout.UNIT_QUERIES, parts.queries)):
        _write_part(file, name, part, as_unit=True, progress=progress)


def _write_part(
    file: h5py.File, name: str, part: Part, *, as_unit: bool, progress: Progress
) -> None:
    target = file.create_dataset(name, (len(part), part.dimension), dtype="<f4")
    what = f"writing {name.rpartition('/')[2]}"
    for block, rows in part.blocks():
        target[block] = unit(rows) if as_unit else rows
        progress(what, block.stop, len(part))


def _write_words(file: h5py.File, name: str, words: Sequence[str]) -> None:
    text, ends = Words.pack(words).arrays
    file.create_dataset(f"{name}/text", data=text)
    file.create_dataset(f"{name}/ends", data=np.asarray(ends, dtype="<i8"))
