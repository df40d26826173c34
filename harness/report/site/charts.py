"""The library that draws the charts of the pages."""

from __future__ import annotations

import re

# The last thing that Plotly's bundle does: it sets up some fifty kinds of traces, maps and 3D
# scenes among them, and registers them. "scatter", which alone our pages draw, is in its core.
_REGISTERING = re.compile(r"(\.register\(\[)(?:[\w$]+\(\),?)+(\]\))")


def chart_library() -> str:
    """Return Plotly's script without the set-up of kinds of traces that no page of ours draws.

    Their set-up takes a browser as long as our own chart. A bundle that is built otherwise than
    those known is returned as it is, and works as well.
    """
    from plotly.offline import get_plotlyjs

    return _REGISTERING.sub(r"\1\2", get_plotlyjs(), count=1)
