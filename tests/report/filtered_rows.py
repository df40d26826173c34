"""A table whose queries have filters: at low selectivity the exact scan is fast, others miss."""

from __future__ import annotations

SELECTIVITIES = (0.001, 0.01, 0.1, 0.5)


def with_filters(table):
    """Return the table with figures by filter; of its points, `exact` alone finds everything."""
    return table.assign(
        by_filter=[
            _figures(row["algorithm"] == "exact") if row["status"] == "ok" else {}
            for row in table.to_dict("records")
        ]
    )


def _figures(is_exact):
    figures = {}
    for number, selectivity in enumerate(SELECTIVITIES):
        for correlation, shift in (("positive", 0.05), ("none", 0.0), ("negative", -0.1)):
            recall = 1.0 if is_exact else min(1.0, 0.5 + 0.16 * number + shift)
            speed = 20 / (1 + 60 * selectivity) if is_exact else 1.0
            figures[f"{selectivity:g} {correlation}"] = {
                "queries": 40,
                "below_k": 0,
                "recall": [recall, recall - 0.02, min(1.0, recall + 0.02)],
                "relative_speed": [speed, speed / 1.1, speed * 1.1],
            }
    figures["0 none"] = {"queries": 5, "below_k": 5, "recall": [1.0] * 3,
                         "relative_speed": [9.0] * 3}  # fmt: skip
    return figures
