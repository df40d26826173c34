"""Files of one's own: an entry for one, and conversion to another format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import AS_PATH, Plugins
from harness.cli.progress import shown_progress
from harness.cli.terminal import say
from harness.contracts import METRICS, UserError
from harness.contracts.dataset import METRIC_OF_NAME, Metric
from harness.contracts.definitions import FilterFiles, QuerySplit
from harness.data.adding import OwnData, add_entry
from harness.data.converting import convert
from harness.data.formats import format_of
from harness.data.formats.attributes import columns_in_words
from harness.errors import did_you_mean
from harness.files.paths import identifier_of, user_path
from harness.files.space import megabytes
from harness.registry.plugins import user_plugin_folder
from harness.registry.registry import load_registry
from harness.registry.scaffolding import require_free
from harness.registry.schema.values import MOST_SEED, check_entry_name
from harness.text import first_of

_SHOWN_NAMES = 20

MetricName = Annotated[
    str | None,
    typer.Option("--metric", help="angular (cosine), euclidean (l2) or inner_product (ip, dot)."),
]
QueriesFile = Annotated[Path | None, typer.Option(**AS_PATH, help="A file with the queries.")]
Holdout = Annotated[int | None, typer.Option(help="Rows to draw as queries.", min=2)]
Seed = Annotated[int, typer.Option(help="Seed of the draw.", min=0, max=MOST_SEED)]


def add(
    name: Annotated[str, typer.Argument(help="Name of the dataset.")],
    file: Annotated[
        Path, typer.Argument(parser=user_path, metavar="FILE", help="The file with the vectors.")
    ],
    queries: QueriesFile = None,
    holdout: Holdout = None,
    seed: Seed = 0,
    metric: MetricName = None,
    format_name: Annotated[
        str | None, typer.Option("--format", help="Format of the file. Default: by its ending.")
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(help="The column, or the array, of the vectors; FIRST:LAST in CSV files."),
    ] = None,
    attributes: Annotated[
        Path | None,
        typer.Option(**AS_PATH, help="A file with attributes of all rows, for filtered search."),
    ] = None,
    filters: Annotated[
        Path | None,
        typer.Option(**AS_PATH, help="A file with filters of queries. Default: they are drawn."),
    ] = None,
    licence: Annotated[str, typer.Option(help="Licence of the data.")] = "unknown",
    plugins: Plugins = None,
) -> None:
    """Make a registry entry for a file of your own.

    Without --queries or --holdout, the queries of an HDF5 file are its own `test` rows; from any
    other file 1,000 rows are drawn.

    Example: annharness data add mine vectors.npy --holdout 1000 --seed 0 --metric angular

    With --attributes, NAME+filtered is a dataset of filtered queries.

    Example: annharness data add mine rows.parquet --metric angular --attributes rows.parquet
    """
    check_entry_name(name, "NAME")
    folder = user_plugin_folder() / "datasets"
    require_free(name, "datasets", folder / identifier_of(name), load_registry(plugins or ()))
    own = OwnData(
        name,
        file,
        _metric(metric, required=True) or "angular",
        _split(format_name or format_of(file), queries, holdout, seed),
        queries,
        format_name,
        licence,
        column,
        _filter_files(attributes, filters),
    )
    with shown_progress() as progress:
        made = add_entry(own, folder, progress)
    lines = [f"{name} is a dataset now: {made.config}", f"look at it: annharness data info {name}"]
    if made.filters is not None:
        lines.append(f"attributes: {first_of(made.filters.attributes, _SHOWN_NAMES)}")
        if made.filters.left_out:
            lines.append(f"left out: {columns_in_words(made.filters.left_out)}")
        lines.append(f"filtered search: annharness run filtered-demo -d {name}")
    say("\n".join(lines))


def _filter_files(attributes: Path | None, filters: Path | None) -> FilterFiles | None:
    if attributes is not None:
        return FilterFiles(str(attributes), None if filters is None else str(filters))
    if filters is not None:
        raise UserError("--filters needs --attributes", hint="give the file with the attributes")
    return None


def _metric(text: str | None, *, required: bool = False) -> Metric | None:
    if text is None and not required:
        return None
    metric = METRIC_OF_NAME.get((text or "").lower())
    if metric is not None:
        return metric
    raise UserError(
        "the metric is needed" if text is None else "unknown metric",
        where="--metric",
        expected="one of " + ", ".join(METRICS),
        got=text,
        hint=did_you_mean(text, METRIC_OF_NAME) if text else None,
    )


def _split(
    format_name: str | None, queries: Path | None, holdout: int | None, seed: int
) -> QuerySplit:
    _require_one_way(queries, holdout)
    if queries is not None or (format_name == "hdf5" and holdout is None):
        return QuerySplit("file")
    return QuerySplit("random", count=holdout or 1000, seed=seed)


def _require_one_way(queries: Path | None, holdout: int | None) -> None:
    if queries is not None and holdout is not None:
        raise UserError("--queries and --holdout exclude each other", hint="give one of them")


def convert_file(
    source: Annotated[
        Path, typer.Argument(parser=user_path, metavar="IN", help="The file to read.")
    ],
    target: Annotated[
        Path, typer.Argument(parser=user_path, metavar="OUT", help="The file to write.")
    ],
    from_format: Annotated[
        str | None, typer.Option("--from", help="Format of IN. Default: by its ending.")
    ] = None,
    to_format: Annotated[
        str | None, typer.Option("--to", help="Format of OUT. Default: by its ending.")
    ] = None,
    part: Annotated[str, typer.Option(help="base or queries, if OUT holds one table.")] = "base",
    queries: QueriesFile = None,
    holdout: Holdout = None,
    seed: Seed = 0,
    metric: MetricName = None,
) -> None:
    """Convert a file of vectors; the endings of the names are the formats.

    An HDF5 file gets base, queries and the true 100 nearest neighbours, for other tools to use.

    Example: annharness data convert base.fvecs base.npy

    Example: annharness data convert glove.6B.50d.txt.gz glove.hdf5 --holdout 1000 --metric angular
    """
    if part not in ("base", "queries"):
        raise UserError("unknown part", where="--part", expected="base or queries", got=part)
    _require_one_way(queries, holdout)
    how = None if holdout is None else QuerySplit("random", count=holdout, seed=seed)
    with shown_progress():
        convert(
            source,
            target,
            from_format=from_format,
            to_format=to_format,
            part=part,
            how=how,
            queries=queries,
            metric=_metric(metric),
        )
    say(f"wrote {target} ({megabytes(target.stat().st_size)})")
