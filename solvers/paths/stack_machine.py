"""The stack machine that runs postfix programs (see `programs`), in numba."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .pointers import called, get, put
from .programs import (
    ABS,
    ACOS,
    ACOSH,
    ADD,
    AND,
    ASIN,
    ASINH,
    ATAN,
    ATANH,
    CEILING,
    CONSTANT,
    COS,
    COSH,
    COUNT,
    EQUAL,
    EXP,
    FLOOR,
    GAMMA,
    GREATER,
    GREATER_EQUAL,
    LESS,
    LESS_EQUAL,
    LOG,
    MAX,
    MIN,
    MOD,
    MULTIPLY,
    NOT,
    OR,
    POWER,
    RATE,
    SELECT,
    SIN,
    SINH,
    SQUARE,
    TAN,
    TANH,
    UNEQUAL,
    XOR,
)

INFINITY = np.inf


@called
def unary(op: Any, v: Any) -> Any:
    """One operation of one argument."""
    if op == SQUARE:
        return v * v
    if op == EXP:
        return math.exp(v)
    if op == LOG:
        return math.log(v) if v > 0.0 else (-INFINITY if v == 0.0 else np.nan)
    if op == ABS:
        return abs(v)
    if op == NOT:
        return 1.0 if v == 0.0 else 0.0
    if op == FLOOR:
        return np.floor(v)
    if op == CEILING:
        return np.ceil(v)
    if op == GAMMA:
        return math.gamma(v)
    if op == SIN:
        return math.sin(v)
    if op == COS:
        return math.cos(v)
    if op == TAN:
        return math.tan(v)
    if op == ASIN:
        return np.arcsin(v)
    if op == ACOS:
        return np.arccos(v)
    if op == ATAN:
        return math.atan(v)
    if op == SINH:
        return math.sinh(v)
    if op == COSH:
        return math.cosh(v)
    if op == TANH:
        return math.tanh(v)
    if op == ASINH:
        return np.arcsinh(v)
    if op == ACOSH:
        return np.arccosh(v)
    if op == ATANH:
        return np.arctanh(v)
    return np.nan


@called
def binary(op: Any, v: Any, w: Any) -> Any:
    """One operation of two arguments, NaN where one is not a number (as the comparisons are false)."""
    if op == POWER:
        return v**w
    if op == MIN:
        return min(v, w)
    if op == MAX:
        return max(v, w)
    if op == MOD:
        return v - w * np.floor(v / w)
    if op == LESS:
        return 1.0 if v < w else 0.0
    if op == LESS_EQUAL:
        return 1.0 if v <= w else 0.0
    if op == GREATER:
        return 1.0 if v > w else 0.0
    if op == GREATER_EQUAL:
        return 1.0 if v >= w else 0.0
    if op == EQUAL:
        return 1.0 if v == w else 0.0
    if op == UNEQUAL:
        return 1.0 if v != w else 0.0
    if op == AND:
        return 1.0 if v != 0.0 and w != 0.0 else 0.0
    if op == OR:
        return 1.0 if v != 0.0 or w != 0.0 else 0.0
    if op == XOR:
        return 1.0 if (v != 0.0) != (w != 0.0) else 0.0
    return np.nan


@called
def evaluate(program: Any, begin_at: Any, end: Any, x: Any, p: Any, stack: Any) -> Any:
    """The value of the rows begin_at .. end - 1 of a postfix program at counts x and theta p."""
    top = -1
    for i in range(begin_at, end):
        op, argument = int(get(program, 2 * i)), get(program, 2 * i + 1)
        if op <= RATE:
            top += 1
            put(stack, top, argument if op == CONSTANT else get(x if op == COUNT else p, int(argument)))
        elif op == MULTIPLY:
            top -= 1
            put(stack, top, get(stack, top) * get(stack, top + 1))
        elif op == ADD:
            top -= 1
            put(stack, top, get(stack, top) + get(stack, top + 1))
        elif op == SELECT:
            top -= 2
            put(stack, top, get(stack, top) if get(stack, top + 1) != 0.0 else get(stack, top + 2))
        elif op >= POWER:
            top -= 1
            put(stack, top, binary(op, get(stack, top), get(stack, top + 1)))
        else:
            put(stack, top, unary(op, get(stack, top)))
    return get(stack, 0)
