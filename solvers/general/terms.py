"""Rate laws as the general model reads them: sums of terms, each of mass action and perhaps one saturating factor.

A term is a coefficient, at most two counts as factors, and perhaps x^h / (K^h + x^h) of one species, which rises with
its count, or K^h / (K^h + x^h), which falls: activation and repression (A. V. Hill, J. Physiol. 40 (1910) iv) and,
where h = 1 and the species is what the reaction takes, an enzyme's rate (L. Michaelis, M. L. Menten, Biochem. Z. 49
(1913) 333). Both are one formula in a signed h, 1 / (1 + (K / x)^h).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import sympy
from numpy.typing import ArrayLike, NDArray

from kinetix.expressions import TIME
from kinetix.solvers.paths.laws import Factor, take_apart

Counted = Mapping[sympy.Symbol, int]
"""The position of every species, by its symbol."""

MOST = 10
"""Terms of one law beyond which nobody looks."""


@dataclass(frozen=True)
class Term:
    """`coefficient` (of theta) times affine `factors` of one count each and, where there is a `regulator` (a species),
    1 / (1 + (half / count)^power): `half`, `power` of theta.
    """

    coefficient: sympy.Expr
    factors: tuple[Factor, ...]
    regulator: int | None = None
    half: sympy.Expr = sympy.S.One
    power: sympy.Expr = sympy.S.Zero

    @property
    def rises(self) -> bool:
        """Whether the saturating factor is 0 where no molecule is."""
        return self.regulator is not None and not self.power.could_extract_minus_sign()


def saturation(counts: ArrayLike, halves: ArrayLike, powers: ArrayLike) -> NDArray[np.float64]:
    """1 / (1 + (half / count)^power), from 0 to 1, at counts >= 0."""
    with np.errstate(divide="ignore", over="ignore"):
        return np.asarray(1.0 / (1.0 + np.divide(halves, counts) ** np.asarray(powers)))


def terms_of(law: sympy.Expr, counted: Counted) -> list[Term] | None:
    """A law as a sum of terms, or None where it is no such sum."""
    parts = _addends(law, counted)
    if any(part.could_extract_minus_sign() for part in parts):
        parts = _addends(sympy.together(law), counted)
    found = [_term(part, counted) for part in parts] if len(parts) <= MOST else [None]
    return None if None in found else [term for term in found if term is not None]


def _addends(law: sympy.Expr, counted: Counted) -> list[sympy.Expr]:
    """The law as a sum: sums are multiplied out, but for a + b x of one species."""
    for part in sympy.Mul.make_args(law):
        if part.is_Add and not part.free_symbols.isdisjoint(counted) and take_apart(part, counted).factors is None:
            rest = law / part
            return [one for addend in part.args for one in _addends(rest * addend, counted)]
    return [law]


def _term(addend: sympy.Expr, counted: Counted) -> Term | None:
    parts = sympy.Mul.make_args(addend)
    below = [p for p in parts if (1 / p).is_Add and not p.free_symbols.isdisjoint(counted)]
    if not below:
        return _plain(addend, counted)
    saturated = _denominator(1 / below[0], counted)
    if len(below) > 1 or saturated is None:
        return None
    constant, factor, species, power = saturated
    half = _root(constant / factor, power)
    others = [p for p in parts if p is not below[0]]
    for k, part in enumerate(others):
        above = _monomial(part, counted)
        if above is not None and above[1] == species and sympy.simplify(above[2] - power) == 0:
            rising = _plain(sympy.Mul(*others[:k], *others[k + 1 :]) * above[0] / factor, counted)
            if rising is not None and all(f.species != species for f in rising.factors):
                return Term(rising.coefficient, rising.factors, species, half, power)
    falling = _plain(sympy.Mul(*others) / constant, counted)
    return None if falling is None else Term(falling.coefficient, falling.factors, species, half, -power)


def _plain(part: sympy.Expr, counted: Counted) -> Term | None:
    law = take_apart(part, counted)
    return None if law.factors is None else Term(law.coefficient, law.factors)


def _denominator(total: sympy.Expr, counted: Counted) -> tuple[sympy.Expr, sympy.Expr, int, sympy.Expr] | None:
    """A, B, the species and h of A + B x^h, with h > 0 as far as can be seen."""
    moving = [a for a in total.args if not a.free_symbols.isdisjoint({*counted, TIME})]
    found = _monomial(moving[0], counted) if len(moving) == 1 else None
    if found is None or found[2].is_nonpositive or found[2].could_extract_minus_sign():
        return None
    return total - moving[0], *found


def _root(product: sympy.Expr, power: sympy.Expr) -> sympy.Expr:
    """product^(1/power) of positive factors, of which those that are powers are taken one by one: (K^h)^(1/h) = K."""
    found = sympy.Integer(1)
    for factor in sympy.Mul.make_args(product):
        base, exponent = factor.as_base_exp()
        share = sympy.simplify(exponent / power)
        found *= base**share if share.is_number else factor ** (1 / power)
    return found


def _monomial(part: sympy.Expr, counted: Counted) -> tuple[sympy.Expr, int, sympy.Expr] | None:
    """b, the species and h of b x^h; (x / K)^h is one too."""
    coefficient, found = sympy.Integer(1), None
    for factor in sympy.Mul.make_args(part):
        if TIME in factor.free_symbols:
            return None
        if factor.free_symbols.isdisjoint(counted):
            coefficient *= factor
            continue
        base, power = factor.as_base_exp()
        outside, count = base.as_independent(*counted, as_Add=False)
        if count not in counted or found is not None or not power.free_symbols.isdisjoint(counted):
            return None
        coefficient *= outside**power
        found = counted[count], power
    return None if found is None else (coefficient, *found)
