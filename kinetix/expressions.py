"""Rate laws as trees: the symbols, the operations that are allowed, and an exact text-free form.

An expression is built by an importer or in Python and never parsed from text here. `to_tree` and
`from_tree` carry it through JSON; the tree is canonical, so it also serves the fingerprint.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias

import sympy
from sympy.logic.boolalg import Boolean

from .errors import ModelError, UnsupportedFeature

Tree: TypeAlias = "str | int | list[Tree]"

TIME = sympy.Symbol("time", extended_nonnegative=True)
"""The time since the start. Unequal to a species or parameter that is called `time`."""

OPERATIONS: dict[str, Any] = {
    operation.__name__: operation
    for operation in (
        *(sympy.Add, sympy.Mul, sympy.Pow, sympy.exp, sympy.log, sympy.Abs, sympy.floor, sympy.ceiling),
        *(sympy.sin, sympy.cos, sympy.tan, sympy.asin, sympy.acos, sympy.atan),
        *(sympy.sec, sympy.csc, sympy.cot, sympy.asec, sympy.acsc, sympy.acot),
        *(sympy.sinh, sympy.cosh, sympy.tanh, sympy.asinh, sympy.acosh, sympy.atanh),
        *(sympy.sech, sympy.csch, sympy.coth, sympy.asech, sympy.acsch, sympy.acoth),
        *(sympy.Min, sympy.Max, sympy.factorial, sympy.Piecewise, sympy.Mod),
        *(sympy.And, sympy.Or, sympy.Not, sympy.Xor, sympy.ITE),
        *(sympy.Eq, sympy.Ne, sympy.StrictGreaterThan, sympy.GreaterThan, sympy.StrictLessThan, sympy.LessThan),
    )
}
"""Every operation a law may contain, by its class name."""

_UNORDERED = {"Add", "Mul", "Min", "Max", "And", "Or", "Xor"}
_CONSTANTS = {"pi": sympy.pi, "E": sympy.E, "true": sympy.true, "false": sympy.false}


@cache
def symbol(name: str) -> sympy.Symbol:
    """The symbol of a model element: the one place where a name becomes mathematics."""
    return sympy.Symbol(name)


def names_in(expression: sympy.Expr | Boolean) -> set[str]:
    """The names of the model elements in an expression (TIME is not one)."""
    return {s.name for s in expression.free_symbols if s != TIME}


def to_tree(expression: sympy.Basic) -> Tree:
    """The canonical tree of an expression; equal expressions give equal trees."""
    if isinstance(expression, sympy.Symbol):
        return ["time"] if expression == TIME else ["name", expression.name]
    if isinstance(expression, sympy.Integer):
        return ["integer", str(int(expression))]
    if isinstance(expression, sympy.Rational):
        return ["rational", str(expression.p), str(expression.q)]
    if isinstance(expression, sympy.Float):
        return ["float", float(expression).hex()]
    for name, constant in _CONSTANTS.items():
        if expression == constant:
            return ["constant", name]
    if isinstance(expression, sympy.Piecewise):
        return ["Piecewise", *([to_tree(value), to_tree(condition)] for value, condition in expression.args)]
    name = type(expression).__name__
    if name not in OPERATIONS:
        raise UnsupportedFeature(f"the operation {name!r} is not one that a rate law can use")
    arguments = [to_tree(argument) for argument in expression.args]
    return [name, *(sorted(arguments, key=repr) if name in _UNORDERED else arguments)]


def from_tree(tree: Tree) -> Any:
    """The expression of a tree made by `to_tree`; refuses whatever that function cannot make."""
    if not isinstance(tree, list) or not tree or not isinstance(tree[0], str):
        raise ModelError("a stored rate law is damaged")
    head, rest = tree[0], tree[1:]
    match head:
        case "time":
            return TIME
        case "name":
            return symbol(str(rest[0]))
        case "integer":
            return sympy.Integer(int(str(rest[0])))
        case "rational":
            return sympy.Rational(int(str(rest[0])), int(str(rest[1])))
        case "float":
            return sympy.Float(float.fromhex(str(rest[0])))
        case "constant" if rest[0] in _CONSTANTS:
            return _CONSTANTS[str(rest[0])]
        case "Piecewise":
            return sympy.Piecewise(
                *((from_tree(pair[0]), from_tree(pair[1])) for pair in rest if isinstance(pair, list))
            )
        case _ if head in OPERATIONS:
            return OPERATIONS[head](*(from_tree(argument) for argument in rest))
    raise ModelError(f"a stored rate law uses the unknown operation {head!r}")


def number(value: float) -> sympy.Number:
    """A number as written in a model: whole ones exactly, others as the double they are."""
    if float(value).is_integer() and abs(value) < 2**53:
        return sympy.Integer(int(value))
    return sympy.Float(float(value))


def tidy(expression: Any) -> Any:
    """The expression with whole-numbered floats (2.0) made integers, as `number` would read them."""
    whole = {f: number(float(f)) for f in expression.atoms(sympy.Float) if float(f).is_integer()}
    return expression.xreplace(whole) if whole else expression
