"""Rate laws as the general model reads them: sums of terms, each of mass action and perhaps one saturating factor.

A term is a coefficient, at most two counts as factors, and perhaps x^h / (K^h + x^h) of one species, which rises with
its count, or K^h / (K^h + x^h), which falls: activation and repression (A. V. Hill, J. Physiol. 40 (1910) iv) and,
where h = 1 and the species is what the reaction takes, an enzyme's rate (L. Michaelis, M. L. Menten, Biochem. Z. 49
(1913) 333). Their values are 1 / (1 + (K / x)^h), with h < 0 where they fall.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

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
    a saturating factor that `rises` or falls with its count.

    `level` K^h, `half` K (or -K) and `power` h are of theta; whether level and power are > 0 is left to numbers.
    """

    coefficient: sympy.Expr
    factors: tuple[Factor, ...]
    regulator: int | None = None
    rises: bool = False
    level: sympy.Expr = sympy.S.One
    half: sympy.Expr = sympy.S.One
    power: sympy.Expr = sympy.S.Zero


def saturation(counts: ArrayLike, halves: ArrayLike, powers: ArrayLike) -> NDArray[np.float64]:
    """1 / (1 + (half / count)^power), from 0 to 1, at counts >= 0."""
    with np.errstate(divide="ignore", over="ignore"):
        return np.asarray(1.0 / (1.0 + np.divide(halves, counts) ** np.asarray(powers)))


def terms_of(law: sympy.Expr, counted: Counted) -> list[Term] | None:
    """A law as a sum of terms, or None where it is no such sum."""
    parts = list(islice(_addends(law, counted), MOST + 1))
    if any(part.could_extract_minus_sign() for part in parts):
        parts = list(islice(_addends(sympy.together(law), counted), MOST + 1))
    found = [_term(part, counted) for part in parts] if len(parts) <= MOST else [None]
    return None if None in found else [term for term in found if term is not None]


def _addends(law: sympy.Expr, counted: Counted) -> Iterator[sympy.Expr]:
    """The law as a sum: sums are multiplied out, but for x - b and a - x of one species."""
    for part in sympy.Mul.make_args(law):
        if part.is_Add and not part.free_symbols.isdisjoint(counted) and _is_sum(part, counted):
            rest = law / part
            for addend in part.args:
                yield from _addends(rest * addend, counted)
            return
    yield law


def _is_sum(part: sympy.Expr, counted: Counted) -> bool:
    factors = take_apart(part, counted).factors
    return factors is None or any(f.offset > 0 and f.slope > 0 for f in factors)


def _term(addend: sympy.Expr, counted: Counted) -> Term | None:
    parts = sympy.Mul.make_args(addend)
    below = [p for p in parts if (1 / p).is_Add and not p.free_symbols.isdisjoint(counted)]
    if not below:
        return _plain(addend, counted)
    saturated = _denominator(1 / below[0], counted)
    if len(below) > 1 or saturated is None:
        return None
    constant, factor, species, power = saturated
    level = constant / factor
    half = _root(level, power)
    if half is None:
        return None
    others = [p for p in parts if p is not below[0]]
    for k, part in enumerate(others):
        above = _monomial(part, counted)
        if above is not None and above[1] == species and sympy.simplify(above[2] - power) == 0:
            rising = _plain(sympy.Mul(*others[:k], *others[k + 1 :]) * above[0] / factor, counted)
            if rising is not None and all(f.species != species for f in rising.factors):
                return replace(rising, regulator=species, rises=True, level=level, half=half, power=power)
    falling = _plain(sympy.Mul(*others) / constant, counted)
    return None if falling is None else replace(falling, regulator=species, level=level, half=half, power=power)


def _plain(part: sympy.Expr, counted: Counted) -> Term | None:
    """A term without a saturating factor; 2 - 2 x is 2 (1 - x)."""
    law = take_apart(part, counted)
    if law.factors is None:
        return None
    sizes = [abs(f.slope) for f in law.factors]
    factors = [Factor(f.species, f.offset / size, f.slope / size) for f, size in zip(law.factors, sizes, strict=True)]
    return Term(law.coefficient * sympy.Mul(*(size for size in sizes if size != 1)), tuple(factors))


def _denominator(total: sympy.Expr, counted: Counted) -> tuple[sympy.Expr, sympy.Expr, int, sympy.Expr] | None:
    """A, B, the species and h of A + B x^h, with B and h > 0 as far as can be seen."""
    moving = [a for a in total.args if not a.free_symbols.isdisjoint({*counted, TIME})]
    found = _monomial(moving[0], counted) if len(moving) == 1 else None
    if found is None or any(part.as_coeff_Mul()[0] <= 0 for part in (found[0], found[2])):
        return None
    return total - moving[0], *found


def _root(product: sympy.Expr, power: sympy.Expr) -> sympy.Expr | None:
    """product^(1/power), of which factors that are powers are taken one by one: (K^h)^(1/h) = K; None if not real."""
    found = sympy.Integer(1)
    for factor in sympy.Mul.make_args(product):
        if factor.is_number and not factor.is_positive:
            return None
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
