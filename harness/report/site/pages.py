"""The pages of the site, and the site as files: a folder, or one file that can be mailed."""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import gettempdir

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.contracts import UserError
from harness.files.replacing import write_text
from harness.files.temporary import temporary_folder
from harness.measures.verdicts import LEAST_BUILDS
from harness.report.analysis.points import rows_of
from harness.report.analysis.recommendations import optimism, optimism_text
from harness.report.comparing.history import PointHistory
from harness.report.export.exporting import export
from harness.report.site.about import algorithm_values, dataset_values
from harness.report.site.changes import feed_values, history_values
from harness.report.site.content import USUAL, Content, Page, SiteChoices, content_of
from harness.report.site.machines import machines_of
from harness.report.site.overview import across_payload, across_values, front_values
from harness.report.site.payload import (
    MOST_COMPARED,
    chart_library,
    comparisons_payload,
    dataset_payload,
    script_safe,
)
from harness.report.site.two_states import states_payload
from harness.text import Json

_HERE = Path(__file__).parent
_SCRIPTS = ("ranking.js", "comparing.js", "states.js", "parts.js", "site.js")
"""In the order in which the pages load them."""
_OWN_ASSETS = (*_SCRIPTS, "site.css")
_FORMATS = ("csv", "parquet", "json")
_OWN_FILE = re.compile(r"(?:(?:dataset|algorithm)-|data/dataset-)[A-Za-z0-9.-]+")
_MOST_FAILURES = 2000


def write_site(
    table: pd.DataFrame,
    out: Path,
    *,
    single_file: bool = False,
    choices: SiteChoices = USUAL,
    history: Sequence[PointHistory] = (),
) -> list[Path]:
    """Write the site and return the files; equal tables give equal files.

    Parameters
    ----------
    table
        As from `harness.load_results`.
    out
        A folder, made if missing; with `single_file` the HTML file, or a folder for `index.html`.
    choices
        Recalls, curves to highlight and a title, where the usual ones do not suit.
    history
        What the page of the history and its feed show.

    Raises
    ------
    UserError
        If there is no point to publish, or `out` cannot be written.
    """
    content = content_of(table, choices, history)
    if content.table.empty:
        raise UserError("there are no results to publish", hint="annharness run demo")
    return _write_single(content, out) if single_file else _write_folder(content, out)


def _write_folder(content: Content, out: Path) -> list[Path]:
    if out.exists() and not out.is_dir():
        raise UserError(
            "the site is a folder, this is a file",
            where=str(out),
            hint="name a folder, or write a single file (single_file)",
        )
    files = {f"assets/{name}": text for name, text in _assets().items()}
    for dataset, name in content.dataset_pages.items():
        payload = script_safe(_payload(content, dataset))
        files[f"data/{name}.js"] = f"window.annharness.data[{script_safe(name)}]={payload};\n"
    files["data/across.js"] = f"window.annharness.across={script_safe(across_payload(content))};\n"
    files["data/compare.js"] = f"window.annharness.compare={script_safe(_compared(content))};\n"
    states = script_safe(states_payload(content.history))
    files["data/history.js"] = f"window.annharness.history={states};\n"
    files["feed.xml"] = _environment().get_template("feed.xml.j2").render(feed_values(content))
    for page in pages_of(content):
        files[f"{page.name}.html"] = _render(page, content, single=False)
    for file, text in files.items():
        write_text(out / file, text)
    written = [*(out / name for name in files), *_downloads(content, out / "data")]
    return [*written, _remove_former(out, written)]


def _remove_former(out: Path, written: Sequence[Path]) -> Path:
    """Remove what an earlier site had here and this one lacks; return the list for the next one.

    Else what is no longer published would stay open to readers who know its address.
    """
    names = [path.relative_to(out).as_posix() for path in written]
    listing = out / "data" / "files.txt"
    former = listing.read_text("utf-8", "replace").splitlines() if listing.is_file() else []
    for name in set(former).difference(names):
        if _OWN_FILE.fullmatch(name) and (out / name).is_file():
            (out / name).unlink()
    write_text(listing, "".join(f"{name}\n" for name in names))
    return listing


def _write_single(content: Content, out: Path) -> list[Path]:
    path = out if out.suffix in (".html", ".htm") else out / "index.html"
    assets = {name: _inline(text) for name, text in _assets().items()}
    bodies = [
        {"name": page.name, "title": page.title, "body": Markup(_body(page, content, single=True))}
        for page in pages_of(content)
    ]
    data = {page: _payload(content, name) for name, page in content.dataset_pages.items()}
    text = _environment().get_template("single.html.j2").render(
        pages=bodies,
        assets={name: Markup(body) for name, body in assets.items()},
        data=Markup(script_safe(data)),
        across=Markup(script_safe(across_payload(content))),
        compare=Markup(script_safe(_compared(content))),
        history=Markup(script_safe(states_payload(content.history))),
        files=Markup(script_safe(_packed_downloads(content))),
        **_shared(content, single=True),
    )  # fmt: skip
    write_text(path, text)
    return [path]


def _payload(content: Content, dataset: str) -> Json:
    return dataset_payload(
        dataset,
        content.judged[dataset],
        content.styles,
        content.families,
    )


def _compared(content: Content) -> list[Json]:
    groups = [group for found in content.by_dataset.values() for group in found]
    return comparisons_payload(groups, content.choices.levels)


def _downloads(content: Content, folder: Path) -> list[Path]:
    """Write the points of each dataset in every format, and return the files."""
    written = []
    for dataset, page in content.dataset_pages.items():
        points = content.table[content.table["dataset"] == dataset]
        for kind in _FORMATS:
            written.append(folder / f"{page}.{kind}")
            export(points, written[-1])
    return written


def _packed_downloads(content: Content) -> dict[str, str]:
    """The same files by name, compressed, in base64: a single file has no other place for them."""
    with temporary_folder(Path(gettempdir()), "downloads") as folder:
        return {
            path.name: base64.b64encode(gzip.compress(path.read_bytes(), 6, mtime=0)).decode(
                "ascii"
            )
            for path in _downloads(content, folder)
        }


def _render(page: Page, content: Content, *, single: bool) -> str:
    template = _environment().get_template("page.html.j2")
    body = Markup(_body(page, content, single=single))
    kind = page.template.partition(".")[0]
    return template.render(page=page, body=body, kind=kind, **_shared(content, single=single))


def _body(page: Page, content: Content, *, single: bool) -> str:
    template = _environment().get_template(page.template)
    return template.render(page=page, **page.values, **_shared(content, single=single))


def _shared(content: Content, *, single: bool) -> Json:
    return {
        "link": (lambda name: f"#/{name}") if single else (lambda name: f"{name}.html"),
        "single": single,
        "scripts": _SCRIPTS,
        "dataset_pages": content.dataset_pages,
        "algorithm_pages": content.algorithm_pages,
    }


def _inline(text: str) -> str:
    """A script or style that is safe inside its element."""
    return text.replace("</script", "<\\/script").replace("</style", "<\\/style")


@lru_cache(maxsize=1)
def _assets() -> dict[str, str]:
    own = {name: (_HERE / "assets" / name).read_text("utf-8") for name in _OWN_ASSETS}
    return {**own, "plotly.min.js": chart_library()}


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def pages_of(content: Content) -> Iterator[Page]:
    """Yield every page, the index first."""
    yield Page("index", content.choices.title, "index.html.j2", front_values(content))
    yield Page("across", "Across datasets", "across.html.j2", across_values(content))
    yield Page("compare", "Compare algorithms", "compare.html.j2", {"most": MOST_COMPARED})
    for dataset, name in content.dataset_pages.items():
        yield Page(name, dataset, "dataset.html.j2", dataset_values(content, dataset))
    for algorithm, name in content.algorithm_pages.items():
        yield Page(name, algorithm, "algorithm.html.j2", algorithm_values(content, algorithm))
    yield Page("history", "History", "history.html.j2", history_values(content))
    yield Page("failures", "Failures", "failures.html.j2", _failures(content))
    yield Page("methods", "Methods and machines", "methods.html.j2", _methods(content))


def _failures(content: Content) -> Json:
    failed = content.table[content.table["status"] != "ok"]
    rows = [
        {
            "dataset": row["dataset"], "k": row["k"], "curve": row["curve"],
            "parameters": row["parameters"], "status": row["status"],
            "reason": row["reason"], "log": row["log_tail"],
        }
        for row in rows_of(failed.head(_MOST_FAILURES))
    ]  # fmt: skip
    return {"rows": rows, "left_out": max(len(failed) - _MOST_FAILURES, 0)}


def _methods(content: Content) -> Json:
    gap = optimism([one for judged in content.every_judged for one in judged.found.values()])
    return {
        "machines": machines_of(content.table),
        "optimism": None if pd.isna(gap) else optimism_text(gap),
        "points": len(content.table),
        "stated": int(((content.table["status"] == "ok") & ~content.table["has_answers"]).sum()),
        "least_builds": LEAST_BUILDS,
        "has_filters": any(one.group.is_filtered for one in content.every_judged),
        "has_loads": any(content.under_load.values()),
    }
