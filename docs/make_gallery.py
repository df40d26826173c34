"""Draw every figure of the demo's results: `python docs/make_gallery.py [RESULTS]`."""

from __future__ import annotations

import sys
from pathlib import Path

import harness
from harness.report.plots.all_figures import draw_figures

HERE = Path(__file__).parent / "results"
PICTURES = HERE / "gallery"
HEAD = """# Gallery of figures

Every figure of `annharness run demo` on the bundled GloVe sample;
[filtered](../how-to/filtered-search.md) and [load](../how-to/load.md) need other suites.
`make gallery` draws them again. Each is available as PNG, SVG or PDF, in three sizes
(`--style screen|paper|slide`). An algorithm has the same colour, marker and dash in all of them,
and algorithms that appear together have different ones.

All at once:

<!-- run: slow -->
```console
$ annharness plot demo --figure all
```
"""
CAPTIONS = {
    "qps-recall": "Queries per second against recall, log scale, with the Pareto frontier of each "
    "algorithm and 95 % intervals. Settings off the frontier are drawn faintly. The recall axis "
    "shows the error if most recalls are above 0.9. The dotted line is the QPS of the no-op "
    "adapter: the overhead of the harness.",
    "recall-1-at-n": "Is the true nearest neighbour among the first N ids? One curve for each "
    "algorithm at one size of codes, with its interval over queries; other settings are grey.",
    "build-costs": "Seconds to build and bytes per vector, for each build. An index that re-ranks "
    "keeps the vectors and is larger.",
    "training-loss": "Training loss per iteration, in each algorithm's own units.",
    "at-recall": "What a recall costs: QPS read off the frontier; build time, size and memory "
    "of the fastest point that reaches it.",
    "recall-bytes": "Recall against the bytes per vector of the whole index.",
    "recall-distortion": "Recall against the quantizer's mean squared error, as a share of the "
    "vectors' mean square. Less distortion is not always more recall.",
    "latency": "The share of queries answered within a time, at one recall.",
    "difficulty": "Recall from the easiest to the hardest tenth of the queries, by the local "
    "intrinsic dimensionality around each query, estimated from its true neighbours.",
}


def gallery(results: Path) -> str:
    """Draw the pictures and return the page."""
    table = harness.load_results(results, overhead=True)
    table = table[table["dataset"] == "glove-50-10k"]
    table = table[table["k"] == 10]  # a folder may hold results of older demos, too
    sections = [_section(name, table) for name in CAPTIONS]
    return HEAD + "".join(sections)


def _section(name: str, table: object) -> str:
    (path,) = draw_figures(table, [name]).save(PICTURES, ["png"])  # type: ignore[arg-type]
    picture = path.replace(PICTURES / f"{name}.png")
    return (
        f"\n## {name}\n\n{CAPTIONS[name]}\n\n![{name}]({picture.relative_to(HERE)})\n\n"
        "<!-- not run: the command above draws it -->\n"
        f"```console\n$ annharness plot demo --figure {name}\n```\n"
    )


if __name__ == "__main__":
    found = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("results")
    (HERE / "gallery.md").write_text(gallery(found))
    print(HERE / "gallery.md")
