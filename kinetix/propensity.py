"""Rate-law trees to array functions: numpy, torch and numba source, under generated names only.

No user's name reaches generated code: species become x0, x1, ..., parameters p0, p1, ..., the
time t. numpy and torch functions come from `sympy.lambdify` on those symbols.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, reduce
from typing import Any

import sympy
from sympy.printing.numpy import NumPyPrinter
from sympy.printing.pycode import PythonCodePrinter

from .errors import UnsupportedFeature
from .expressions import TIME, symbol

ArrayFunction = Callable[..., Any]


class _NumPyPrinter(NumPyPrinter):  # type: ignore[misc] # sympy is untyped
    """numpy functions whose conditions broadcast: sympy stacks them, which fails on numbers beside arrays."""

    def _print_And(self, expr: sympy.And) -> str:  # noqa: N802 - sympy's naming
        return str(reduce("logical_and({}, {})".format, map(self._print, expr.args)))

    def _print_Or(self, expr: sympy.Or) -> str:  # noqa: N802
        return str(reduce("logical_or({}, {})".format, map(self._print, expr.args)))


class _NumbaPrinter(PythonCodePrinter):  # type: ignore[misc] # sympy is untyped
    """Scalar Python that numba compiles: small whole powers as products, `math.` functions."""

    def __init__(self) -> None:
        super().__init__({"fully_qualified_modules": True, "allow_unknown_functions": False})

    def _print_Pow(self, expr: sympy.Pow, rational: bool = False) -> str:  # noqa: N802 - sympy's naming
        base, exponent = expr.as_base_exp()
        if exponent.is_Integer and 2 <= int(exponent) <= 4:
            return "(" + "*".join([f"({self._print(base)})"] * int(exponent)) + ")"
        if exponent.is_Integer and int(exponent) == -1:
            return f"(1.0/({self._print(base)}))"
        return str(super()._print_Pow(expr, rational=rational))

    def _print_Integer(self, expr: sympy.Integer) -> str:  # noqa: N802
        return f"{float(int(expr))!r}"

    def _print_Rational(self, expr: sympy.Rational) -> str:  # noqa: N802
        return f"({float(expr.p)!r}/{float(expr.q)!r})"

    def _print_Float(self, expr: sympy.Float) -> str:  # noqa: N802
        return repr(float(expr))


def generated_names(species: Sequence[str], theta: Sequence[str]) -> dict[sympy.Symbol, sympy.Symbol]:
    """The map from model symbols to generated ones: x0.. for species, p0.. for theta, t for time."""
    names = {symbol(name): sympy.Symbol(f"x{i}") for i, name in enumerate(species)}
    names |= {symbol(name): sympy.Symbol(f"p{i}") for i, name in enumerate(theta)}
    return {**names, TIME: sympy.Symbol("t")}


def array_function(
    expressions: Sequence[sympy.Expr], species: Sequence[str], theta: Sequence[str], *, backend: str = "numpy"
) -> ArrayFunction:
    """A function f(x0, ..., p0, ..., t) -> list of arrays for the expressions; `backend` numpy or torch.

    The arguments broadcast against one another; a constant expression gives a scalar.
    """
    laws = tuple(sympy.sympify(e, strict=True) for e in expressions)
    return _made(laws, tuple(species), tuple(theta), backend)


@lru_cache(maxsize=512)
def _made(
    laws: tuple[sympy.Expr, ...], species: tuple[str, ...], theta: tuple[str, ...], backend: str
) -> ArrayFunction:
    """The function; a network that is compiled again finds it made."""
    names = generated_names(species, theta)
    arguments = list(names.values())
    renamed = [law.xreplace(names) for law in laws]  # all at once, and hundreds of times faster than subs
    if backend == "torch":
        return sympy.lambdify(arguments, renamed, modules="torch", cse=True)  # type: ignore[no-any-return]
    printer = _NumPyPrinter({"fully_qualified_modules": False, "inline": True, "allow_unknown_functions": False})
    return sympy.lambdify(arguments, renamed, modules=["numpy", "scipy"], printer=printer, cse=True)  # type: ignore[no-any-return]


def scalar_source(expression: sympy.Expr, names: Mapping[sympy.Symbol, sympy.Symbol]) -> str:
    """One scalar Python expression (for numba), with symbols replaced by `names` (see `generated_names`)."""
    try:
        return str(_NumbaPrinter().doprint(expression.xreplace(dict(names))))
    except (TypeError, ValueError, NotImplementedError) as problem:
        raise UnsupportedFeature(f"no compiled form of the law {expression}: {problem}") from problem
