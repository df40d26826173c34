"""Values of the table as files hold them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import isfinite

import numpy as np
import pandas as pd

_PLAIN_TYPES = frozenset({str, int, bool})


def flat(value: object) -> object:
    """Return a value as a column of a file holds it: mappings are JSON, tuples words."""
    if type(value) is float or type(value) in _PLAIN_TYPES:
        return value
    if isinstance(value, np.ndarray):
        return plain_value(value)
    if isinstance(value, Mapping):
        return json.dumps(plain_value(value), ensure_ascii=False)
    return " ".join(map(str, value)) if isinstance(value, tuple) else value


def plain_value(value: object) -> object:
    """Return a value as JSON knows it; NaN and infinities become None."""
    if type(value) is float:
        return value if isfinite(value) else None
    if value is None or type(value) in _PLAIN_TYPES:  # most are: a table has millions of values
        return value
    if isinstance(value, Mapping):
        return {str(name): plain_value(item) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f" and np.isfinite(value).all():
            return value.tolist()
        return [plain_value(item) for item in value.tolist()]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain_value(item) for item in value]
    if isinstance(value, np.generic):
        return plain_value(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return None if value is pd.NA else value
