"""Expressions as postfix programs: rows (operation, argument) for a small stack machine.

The table-driven kernel runs them (`table_kernel.evaluate`). Conditions are numbers, 1 where true;
every branch of a Piecewise is computed, and the one that holds is selected.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import sympy
from numpy.typing import NDArray

from kinetix.errors import UnsupportedFeature

Program = list[tuple[int, float]]

(CONSTANT, COUNT, RATE, MULTIPLY, ADD, SELECT) = range(6)
(SQUARE, EXP, LOG, ABS, NOT, FLOOR, CEILING, GAMMA) = range(6, 14)
(SIN, COS, TAN, ASIN, ACOS, ATAN, SINH, COSH, TANH, ASINH, ACOSH, ATANH) = range(14, 26)
(POWER, MIN, MAX, MOD, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL, EQUAL, UNEQUAL, AND, OR, XOR) = range(26, 39)

_UNARY = {
    sympy.exp: EXP,
    sympy.log: LOG,
    sympy.Abs: ABS,
    sympy.Not: NOT,
    sympy.floor: FLOOR,
    sympy.ceiling: CEILING,
    sympy.sin: SIN,
    sympy.cos: COS,
    sympy.tan: TAN,
    sympy.asin: ASIN,
    sympy.acos: ACOS,
    sympy.atan: ATAN,
    sympy.sinh: SINH,
    sympy.cosh: COSH,
    sympy.tanh: TANH,
    sympy.asinh: ASINH,
    sympy.acosh: ACOSH,
    sympy.atanh: ATANH,
}
_RECIPROCAL = {  # one over a function, or a function of one over its argument
    sympy.sec: sympy.cos,
    sympy.csc: sympy.sin,
    sympy.cot: sympy.tan,
    sympy.sech: sympy.cosh,
    sympy.csch: sympy.sinh,
    sympy.coth: sympy.tanh,
}
_OF_RECIPROCAL = {
    sympy.asec: sympy.acos,
    sympy.acsc: sympy.asin,
    sympy.acot: sympy.atan,
    sympy.asech: sympy.acosh,
    sympy.acsch: sympy.asinh,
    sympy.acoth: sympy.atanh,
}
_BINARY = {
    sympy.Mul: MULTIPLY,
    sympy.Add: ADD,
    sympy.Min: MIN,
    sympy.Max: MAX,
    sympy.Mod: MOD,
    sympy.And: AND,
    sympy.Or: OR,
    sympy.Xor: XOR,
    sympy.Eq: EQUAL,
    sympy.Ne: UNEQUAL,
    sympy.StrictLessThan: LESS,
    sympy.LessThan: LESS_EQUAL,
    sympy.StrictGreaterThan: GREATER,
    sympy.GreaterThan: GREATER_EQUAL,
}


def program(expression: sympy.Basic, places: Mapping[sympy.Symbol, tuple[int, int]]) -> Program:
    """The program of an expression; `places` says of every symbol whether it is a COUNT or a RATE, and which."""
    if expression.is_Symbol:
        if expression not in places:
            raise UnsupportedFeature(f"no program for the symbol {expression}")
        operation, index = places[expression]
        return [(operation, float(index))]
    if expression in (sympy.true, sympy.false):
        return [(CONSTANT, 1.0 if expression == sympy.true else 0.0)]
    if not expression.free_symbols and isinstance(expression, sympy.Expr):
        return [(CONSTANT, _real(expression))]
    kind, args = expression.func, expression.args
    if kind in _BINARY:
        return _chain([program(arg, places) for arg in args], _BINARY[kind])
    if kind in _UNARY and len(args) == 1:
        return [*program(args[0], places), (_UNARY[kind], 0.0)]
    if kind is sympy.Pow:
        return _power(args[0], args[1], places)
    if kind is sympy.factorial:
        return [*program(args[0] + 1, places), (GAMMA, 0.0)]
    if kind in (sympy.Piecewise, sympy.ITE):
        return _choice(expression, places)
    if kind in _RECIPROCAL:
        return [*program(_RECIPROCAL[kind](*args), places), (CONSTANT, -1.0), (POWER, 0.0)]
    if kind in _OF_RECIPROCAL:
        return program(_OF_RECIPROCAL[kind](1 / args[0]), places)
    raise UnsupportedFeature(f"no program for the operation {kind.__name__!r}")


def depth(rows: Program) -> int:
    """The most values that stand on the stack."""
    height = most = 0
    for operation, _ in rows:
        height += 1 if operation <= RATE else -2 if operation == SELECT else 0
        height -= operation in (MULTIPLY, ADD) or operation >= POWER
        most = max(most, height)
    return most


def table(rows: Program) -> NDArray[np.float64]:
    """A program as an array [n, 2]."""
    return np.array(rows, dtype=np.float64).reshape(-1, 2)


def run(rows: NDArray[np.float64], theta: NDArray[np.float64]) -> float:
    """The value of a program of rates only, as coefficients are: sums, products and powers."""
    stack: list[float] = []
    with np.errstate(all="ignore"):
        for operation, argument in rows:
            if operation <= RATE:
                stack.append(float(theta[int(argument)]) if operation == RATE else float(argument))
            elif operation == SQUARE:
                stack.append(stack.pop() ** 2)
            elif operation in (MULTIPLY, ADD, POWER):
                w, v = stack.pop(), stack.pop()
                stack.append(v * w if operation == MULTIPLY else v + w if operation == ADD else float(np.power(v, w)))
            else:
                return float("nan")
    return stack[-1]


def _real(expression: sympy.Expr) -> float:
    value = complex(expression)
    if value.imag:
        raise UnsupportedFeature(f"{expression} is not a real number")
    return value.real


def _chain(parts: list[Program], operation: int) -> Program:
    rows = list(parts[0])
    for part in parts[1:]:
        rows += [*part, (operation, 0.0)]
    return rows


def _power(base: sympy.Expr, exponent: sympy.Expr, places: Mapping[sympy.Symbol, tuple[int, int]]) -> Program:
    rows = program(base, places)
    if base == sympy.E:
        return [*program(exponent, places), (EXP, 0.0)]
    if exponent == 2:
        return [*rows, (SQUARE, 0.0)]
    return [*rows, *program(exponent, places), (POWER, 0.0)]


def _choice(expression: sympy.Basic, places: Mapping[sympy.Symbol, tuple[int, int]]) -> Program:
    """Value, condition, otherwise, select: from the last branch inwards."""
    if isinstance(expression, sympy.ITE):
        condition, value, other = expression.args
        pairs = [(value, condition), (other, sympy.true)]
    else:
        pairs = [(value, condition) for value, condition in expression.args]
    rows: Program = [(CONSTANT, float("nan"))]
    for value, condition in reversed(pairs):
        if condition == sympy.true:
            rows = program(value, places)
        else:
            rows = [*program(value, places), *program(condition, places), *rows, (SELECT, 0.0)]
    return rows
