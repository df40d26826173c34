"""The small language of `where` and `require`: arithmetic and comparison over named values.

It is parsed by Python's own parser into a tree, of which only the kinds of node listed here are
accepted; nothing is ever compiled or evaluated by the interpreter.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from harness.contracts import UserError
from harness.contracts.definitions import Parameters
from harness.errors import did_you_mean

_MAX_LENGTH = 500
_MAX_DEPTH = 40

_Operation = Callable[..., Any]

_BINARY: dict[type[ast.operator], _Operation] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_UNARY: dict[type[ast.unaryop], _Operation] = {
    ast.Not: operator.not_,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_COMPARE: dict[type[ast.cmpop], _Operation] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, items: item in items,
    ast.NotIn: lambda item, items: item not in items,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}
_CONSTANT_NAMES = {"true": True, "false": False, "null": None}
_EXAMPLE = "numbers, names, + - * / // % **, comparisons, and, or, not, in [..]"


class NotComputable(UserError):
    """An expression does not take the values it was given."""


@dataclass(frozen=True)
class Expression:
    """A checked expression. `origin` is the `file:line` where it is written."""

    text: str
    origin: str
    tree: ast.expr

    @property
    def names(self) -> frozenset[str]:
        """The names that it needs values for."""
        found = {node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name)}
        return frozenset(found - _CONSTANT_NAMES.keys())

    def require_names(self, known: Iterable[str]) -> None:
        """Raise a `UserError` if the expression uses a name that is not known."""
        allowed = set(known)
        for name in sorted(self.names - allowed):
            raise UserError(
                f"unknown name {name!r} in the expression {self.text!r}",
                where=self.origin,
                expected="one of " + ", ".join(sorted(allowed)),
                hint=did_you_mean(name, allowed),
            )

    def holds(self, values: Parameters) -> bool:
        """Return whether the expression is true for these values.

        Raises
        ------
        NotComputable
            If it cannot be computed (a division by zero, a text compared with a number).
        """
        try:
            return bool(_evaluate(self.tree, values))
        except (TypeError, ValueError, ArithmeticError) as error:
            used = ", ".join(f"{name}={values.get(name)!r}" for name in sorted(self.names))
            raise NotComputable(
                f"the expression {self.text!r} cannot be computed: {error}",
                where=self.origin,
                got=used,
            ) from error


def parse_expression(text: str, origin: str) -> Expression:
    """Check an expression and keep its tree.

    Raises
    ------
    UserError
        If it is no expression of the small language.
    """
    if len(text) > _MAX_LENGTH:
        raise UserError("expression too long", where=origin, expected=f"{_MAX_LENGTH} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UserError(
            f"not an expression: {text!r}", where=origin, expected=_EXAMPLE, got=str(error)
        ) from error
    _check(tree, text, origin, depth=0)
    return Expression(text, origin, tree)


def _check(node: ast.expr, text: str, origin: str, depth: int) -> None:
    if depth > _MAX_DEPTH or not _allowed(node):
        what = "nested too deeply" if depth > _MAX_DEPTH else type(node).__name__
        raise UserError(
            f"not allowed in an expression: {what}",
            where=origin,
            expected=_EXAMPLE,
            got=text,
        )
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            _check(child, text, origin, depth + 1)


def _allowed(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return type(node.op) in _BINARY or isinstance(node.op, ast.Pow)
    if isinstance(node, ast.UnaryOp):
        return type(node.op) in _UNARY
    if isinstance(node, ast.Compare):
        return all(type(op) in _COMPARE for op in node.ops)
    if isinstance(node, ast.Constant):
        return node.value is None or isinstance(node.value, bool | int | float | str)
    return isinstance(node, ast.BoolOp | ast.Name | ast.List | ast.Tuple)


def _evaluate(node: ast.expr, values: Parameters) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return _CONSTANT_NAMES[name] if name in _CONSTANT_NAMES else values[name]
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_evaluate(item, values) for item in items]
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(_evaluate(part, values) for part in parts)
        case ast.BoolOp(values=parts):
            return any(_evaluate(part, values) for part in parts)
        case ast.UnaryOp(op=unary, operand=operand):
            return _UNARY[type(unary)](_evaluate(operand, values))
        case ast.BinOp(left=left, op=binary, right=right):
            return _arithmetic(binary, _evaluate(left, values), _evaluate(right, values))
        case ast.Compare():
            return _compare(node, values)
    raise TypeError(f"unexpected {type(node).__name__}")


def _arithmetic(op: ast.operator, left: Any, right: Any) -> Any:
    for value in (left, right):
        if not isinstance(value, bool | int | float):
            raise TypeError(f"{value!r} is no number")
    if isinstance(op, ast.Pow):
        # Bounded by going through floats: an integer power could fill the memory.
        return math.pow(left, right)
    return _BINARY[type(op)](left, right)


def _compare(node: ast.Compare, values: Parameters) -> bool:
    left = _evaluate(node.left, values)
    for op, right_node in zip(node.ops, node.comparators, strict=True):
        right = _evaluate(right_node, values)
        if not _COMPARE[type(op)](left, right):
            return False
        left = right
    return True
