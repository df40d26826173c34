"""The compiled part of reading lines of numbers; importing it imports numba."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

GOOD, BROKEN, SLOW = 0, 1, 2

_MOST_DIGITS = 1 << 53
_MOST_PLACES = 22
_PLACES = np.array([10.0**power for power in range(_MOST_PLACES + 1)])
_compiled = numba.njit(nogil=True, cache=True)


@_compiled
def is_blank(byte: int) -> bool:
    return byte in (32, 9, 13)


@_compiled
def read_digits(data: Any, at: int, end: int) -> tuple[Any, int, int, int]:
    """Digits with a point somewhere: their value, how many, how many after the point, the end."""
    digits = np.uint64(0)
    count = 0
    after_point = 0
    seen_point = False
    while at < end:
        byte = data[at]
        if 48 <= byte <= 57:
            digits = digits * np.uint64(10) + np.uint64(byte - 48)
            count += 1
            after_point += seen_point
        elif byte == 46 and not seen_point:
            seen_point = True
        else:
            break
        at += 1
    return digits, count, after_point, at


@_compiled
def read_exponent(data: Any, at: int, end: int) -> tuple[int, int]:
    """The power of ten after an `e` and where it ends; -1 unless it has a few digits."""
    negative = at < end and data[at] == 45
    if at < end and data[at] in (45, 43):
        at += 1
    power = 0
    first = at
    while at < end and 48 <= data[at] <= 57 and at - first < 5:
        power = power * 10 + (data[at] - 48)
        at += 1
    if at == first:
        return 0, -1
    return (-power if negative else power), at


@_compiled
def read_number(data: Any, at: int, end: int) -> tuple[float, int]:
    """The number at `at` and where it ends; -1 if Python's `float` has to read it."""
    negative = data[at] == 45
    if data[at] in (45, 43):
        at += 1
    digits, count, after_point, at = read_digits(data, at, end)
    scale = -after_point
    if at < end and data[at] in (101, 69):
        power, at = read_exponent(data, at + 1, end)
        scale += power
    slow = at < 0 or (at < end and not is_blank(data[at]))
    if slow or not 1 <= count <= 18 or digits > _MOST_DIGITS or abs(scale) > _MOST_PLACES:
        return 0.0, -1
    value = np.float64(digits)
    value = value * _PLACES[scale] if scale >= 0 else value / _PLACES[-scale]
    return (-value if negative else value), at


@_compiled
def numbers_start(data: Any, start: int, end: int, wanted: int) -> int:
    """Where the last `wanted` fields of the line begin; -1 if it has fewer."""
    at = end
    for _ in range(wanted):
        while at > start and is_blank(data[at - 1]):
            at -= 1
        if at == start:
            return -1
        while at > start and not is_blank(data[at - 1]):
            at -= 1
    return at


@_compiled
def looks_like_value(data: Any, start: int, end: int) -> bool:
    """Whether the last field before the numbers is a decimal fraction, after a first field."""
    at = end
    digits = 0
    points = 0
    while at > start and not is_blank(data[at - 1]):
        at -= 1
        byte = data[at]
        if 48 <= byte <= 57:
            digits += 1
        elif byte == 46:
            points += 1
        elif byte not in (45, 43):
            return False
    return at > start and digits > 0 and points == 1


@_compiled
def read_line(data: Any, start: int, end: int, row: Any, span: Any) -> int:
    while end > start and is_blank(data[end - 1]):
        end -= 1
    at = numbers_start(data, start, end, len(row))
    if at < 0 or at == start:
        return BROKEN
    name_end = at
    while name_end > start and is_blank(data[name_end - 1]):
        name_end -= 1
    if looks_like_value(data, start, name_end):
        return BROKEN
    span[0], span[1], span[2] = start, name_end, end
    for column in range(len(row)):
        while is_blank(data[at]):
            at += 1
        value, at = read_number(data, at, end)
        if at < 0:
            return SLOW
        row[column] = value
    return GOOD


@_compiled
def read_lines(data: Any, rows: Any, spans: Any, states: Any) -> int:
    line = 0
    start = 0
    while start < len(data):
        end = start
        while end < len(data) and data[end] != 10:
            end += 1
        empty = True
        for at in range(start, end):
            if not is_blank(data[at]):
                empty = False
                break
        if not empty:
            states[line] = read_line(data, start, end, rows[line], spans[line])
            line += 1
        start = end + 1
    return line
