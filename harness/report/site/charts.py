"""The library that draws the charts of the pages."""

from __future__ import annotations

import re

# At its end, Plotly's bundle sets up and registers some fifty trace types, such as maps and 3D.
# "scatter", the only type that our pages draw, is in its core.
_REGISTERING = re.compile(r"(\.register\(\[)(?:[\w$]+\(\),?)+(\]\))")


def chart_library() -> str:
    """Return Plotly's script without the set-up of trace types that no page of ours draws.

    Their set-up takes a browser as long as our own chart. A bundle of an unknown form is returned
    unchanged, and works as well.
    """
    from plotly.offline import get_plotlyjs

    return _REGISTERING.sub(r"\1\2", get_plotlyjs(), count=1)
