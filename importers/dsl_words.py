"""The words of the reaction language, and the functions and constants that its formulas may use.

Functions mean what they mean in Antimony: `ln(x)` and `log(x)` are the natural logarithm, `log10(x)`
that to base 10 and `log(b, x)` that to base b. One name is added,
`mod(a, b)` = a - b*floor(a/b), and none is evaluated as text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sympy

WORDS = (
    *("model", "module", "function", "end", "species", "compartment"),
    *("const", "var", "substanceOnly", "in", "at", "after", "time"),
)
"""The words of the language: no element can be called so."""

MASS_ACTION = "mass_action"
PIECEWISE = "piecewise"

CONSTANTS: Mapping[str, tuple[Any, float | bool]] = {
    "pi": (sympy.pi, math.pi),
    "exponentiale": (sympy.E, math.e),
    "true": (sympy.true, True),
    "false": (sympy.false, False),
}
"""Names with a meaning of their own, unless the model declares them: expression and value."""


@dataclass(frozen=True, slots=True)
class Function:
    """How a call becomes an expression (`build`) and, of constants, a number (`value`)."""

    name: str
    build: Callable[..., Any]
    value: Callable[..., Any]
    fewest: int = 1
    most: int = 1
    condition: bool = False


def _log(first: Any, second: Any = None) -> Any:
    return sympy.log(first) if second is None else sympy.log(second) / sympy.log(first)


def _log_value(first: float, second: float | None = None) -> float:
    return math.log(first) if second is None else math.log(second) / math.log(first)


def _root(degree: Any, argument: Any) -> Any:
    return sympy.Pow(argument, sympy.Pow(degree, -1))


def _factorial(value: float) -> float:
    if value < 0 or value != int(value):
        raise ValueError("factorial of a fraction")
    return math.gamma(value + 1)


def _plain() -> Iterator[Function]:
    yield Function("exp", sympy.exp, math.exp)
    yield Function("ln", sympy.log, math.log)
    yield Function("log", _log, _log_value, 1, 2)
    yield Function("log10", lambda x: _log(sympy.Integer(10), x), math.log10)
    yield Function("sqrt", sympy.sqrt, math.sqrt)
    yield Function("sqr", lambda x: sympy.Pow(x, 2), lambda x: x * x)
    yield Function("root", _root, lambda n, x: math.pow(x, 1 / n), 2, 2)
    yield Function("pow", sympy.Pow, math.pow, 2, 2)
    yield Function("abs", sympy.Abs, abs)
    yield Function("floor", sympy.floor, lambda x: float(math.floor(x)))
    yield Function("ceil", sympy.ceiling, lambda x: float(math.ceil(x)))
    yield Function("factorial", sympy.factorial, _factorial)
    yield Function("min", sympy.Min, lambda *v: min(v), 1, 32)
    yield Function("max", sympy.Max, lambda *v: max(v), 1, 32)
    yield Function("mod", sympy.Mod, lambda a, b: a - b * math.floor(a / b), 2, 2)
    yield Function("and", sympy.And, lambda *v: all(v), 1, 100, condition=True)
    yield Function("or", sympy.Or, lambda *v: any(v), 1, 100, condition=True)
    yield Function("xor", sympy.Xor, lambda *v: sum(v) % 2 == 1, 1, 10, condition=True)
    yield Function("not", sympy.Not, lambda v: not v, condition=True)


def _trigonometric() -> Iterator[Function]:
    """Sin ... acsch: the reciprocal ones by way of the six that `math` has."""
    for ending in ("", "h"):
        for name, reciprocal in (("sin", "csc"), ("cos", "sec"), ("tan", "cot")):
            plain, inverse = getattr(math, name + ending), getattr(math, f"a{name}{ending}")
            yield Function(name + ending, getattr(sympy, name + ending), plain)
            yield Function(f"a{name}{ending}", getattr(sympy, f"a{name}{ending}"), inverse)
            yield Function(reciprocal + ending, getattr(sympy, reciprocal + ending), lambda x, f=plain: 1 / f(x))
            yield Function(
                f"a{reciprocal}{ending}", getattr(sympy, f"a{reciprocal}{ending}"), lambda x, f=inverse: f(1 / x)
            )


_ALL = {function.name: function for function in (*_plain(), *_trigonometric())}
_ALIASES = {"ceiling": "ceil", "power": "pow"} | {
    f"arc{name[1:]}": name for name in _ALL if name.startswith("a") and name not in ("abs", "and")
}

FUNCTIONS: Mapping[str, Function] = {**_ALL, **{alias: _ALL[name] for alias, name in _ALIASES.items()}}
"""Every function of the language by name, aliases included."""
