"""How Sphinx builds the documentation site: `make docs`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # for autodoc and the version

import harness

project = "annharness"
author = "The annharness authors"
release = harness.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
myst_heading_anchors = 4
smartquotes = False  # it would turn --option into a dash and a word
default_role = "literal"  # docstrings write `names` in single backticks
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
copybutton_prompt_text = "$ "

html_theme = "furo"
html_title = f"annharness {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_search_summary = False  # it would fetch pages, which a browser refuses from disk
html_copy_source = False
html_show_sphinx = False

# The pages link to Markdown files of the repository's root, which works where the repository is
# read; the site shows these files as the pages of `project/`.
ROOT_FILE = re.compile(r"\]\((?:\.\./)+(?=(?:CONTRIBUTING|CHANGELOG|RELEASING)\.md)")


# Packages of points alone, which are small enough for the repository, or others.
PACKAGES = os.environ.get("ANNHARNESS_PACKAGES") or str(Path(__file__).parent / "results/packages")
PUBLISHED = '<p><a href="../published/index.html">Open the published results</a></p>'
exclude_patterns = ["results/packages"]  # its README is for those who look at the folder


def fill_in(app: Any, name: str, source: list[str]) -> None:
    """Turn links to files of the root into links to the pages; link what is published."""
    source[0] = ROOT_FILE.sub("](/project/", source[0])
    source[0] = source[0].replace("<!-- published -->", PUBLISHED)


def publish_packages(app: Any, error: Exception | None) -> None:
    """Check packages of results, and publish them as a site beside the pages.

    Points whose adapter has changed since are kept: the site names the commit that measured.
    """
    if error is not None or app.builder.format != "html":
        return
    with tempfile.TemporaryDirectory() as results:
        stored = ["--results", results]
        for verb in (
            ["results", "merge", PACKAGES, *stored],
            [
                "publish",
                Path(app.outdir) / "published",
                "--title",
                "Published results",
                "--stale",
                *stored,
            ],
        ):
            subprocess.run([sys.executable, "-m", "harness", *verb], check=True)


def setup(app: Any) -> None:
    """Register what Sphinx calls."""
    app.connect("source-read", fill_in)
    app.connect("build-finished", publish_packages)
