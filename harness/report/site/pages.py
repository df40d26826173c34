"""The site as files: a folder of pages, or one file that can be mailed."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import gettempdir

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.contracts import UserError
from harness.files.replacing import write_text
from harness.files.temporary import temporary_folder
from harness.report.analysis.history import PointHistory
from harness.report.export.exporting import export
from harness.report.site.changes import feed_values
from harness.report.site.content import USUAL, Content, Page, SiteChoices, content_of
from harness.report.site.every_page import pages_of
from harness.report.site.payload import (
    chart_library,
    comparisons_payload,
    dataset_payload,
    script_safe,
)
from harness.text import Json

_HERE = Path(__file__).parent
_SCRIPTS = ("ranking.js", "comparing.js", "parts.js", "site.js")
"""In the order in which the pages load them."""
_OWN_ASSETS = (*_SCRIPTS, "site.css")
_FORMATS = ("csv", "parquet", "json")


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
    files["data/compare.js"] = f"window.annharness.compare={script_safe(_compared(content))};\n"
    files["feed.xml"] = _environment().get_template("feed.xml.j2").render(feed_values(content))
    for page in pages_of(content):
        files[f"{page.name}.html"] = _render(page, content, single=False)
    for file, text in files.items():
        write_text(out / file, text)
    return [*(out / name for name in files), *_downloads(content, out / "data")]


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
        compare=Markup(script_safe(_compared(content))),
        files=Markup(script_safe(_packed_downloads(content))),
        **_shared(content, single=True),
    )  # fmt: skip
    write_text(path, text)
    return [path]


def _payload(content: Content, dataset: str) -> Json:
    return dataset_payload(
        dataset,
        content.by_dataset[dataset],
        content.styles,
        content.families,
        content.choices.levels,
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
