"""Rate laws taken apart: a coefficient of rates times factors of counts, and what is proven of them.

What the compiled engines need to know of a law before they write or fill anything: which part can
be computed once a trajectory, whether it is never negative at whole counts, and of which species it
is zero as soon as too few molecules are left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import sympy

from kinetix.expressions import TIME, symbol
from kinetix.network import ReactionNetwork


@dataclass(frozen=True)
class Factor:
    """`offset` + `slope` times the count of one species, by its position."""

    species: int
    offset: float
    slope: float


@dataclass(frozen=True)
class Law:
    """A propensity = `coefficient` (of theta only) times `rest` (of counts, perhaps of theta too).

    `factors` multiply to `rest`, or are None where `rest` is not a product of affine functions of
    one count each. `orders` {species: m}: `rest` is zero below m molecules. `sign_proven`: `rest`
    is never negative at whole counts >= 0.
    """

    coefficient: sympy.Expr
    rest: sympy.Expr
    factors: tuple[Factor, ...] | None
    orders: Mapping[int, int] = field(default_factory=dict)
    sign_proven: bool = False


def laws_of(network: ReactionNetwork) -> list[Law]:
    """Every propensity of the network, taken apart: R of them."""
    counted = {symbol(name): s for s, name in enumerate(network.species_names)}
    return [take_apart(law, counted) for law in network.propensities]


def take_apart(law: sympy.Expr, counted: Mapping[sympy.Symbol, int]) -> Law:
    """One law; `counted` maps the symbol of every species to its position."""
    constant: list[sympy.Expr] = []
    moving: list[sympy.Expr] = []
    for factor in sympy.Mul.make_args(law):
        free = factor.free_symbols
        (moving if TIME in free or any(s in counted for s in free) else constant).append(factor)
    coefficient, rest = sympy.Mul(*constant), sympy.Mul(*moving)
    factors: list[Factor] = []
    for part in moving:
        found = _affine(part, counted)
        if found is None:
            return Law(coefficient, rest, None)
        factors += found
    orders, proven = _orders(factors)
    return Law(coefficient, rest, tuple(factors), orders, proven)


def _affine(part: sympy.Expr, counted: Mapping[sympy.Symbol, int]) -> list[Factor] | None:
    """The factors of a whole power of `a + b*x`, with numbers a and b; None for anything else."""
    base, exponent = part.as_base_exp()
    if not (exponent.is_Integer and 1 <= int(exponent) <= 4) or len(base.free_symbols) != 1:
        return None
    (species,) = base.free_symbols
    if species not in counted or (not base.is_Add and base != species):
        return None
    offset, slope = sympy.Integer(0), sympy.Integer(0)
    for term in sympy.Add.make_args(base):
        number, power = term.as_independent(species, as_Add=False)
        if not number.is_number or power not in (species, 1):
            return None
        if power == 1:
            offset += number
        else:
            slope += number
    return [Factor(counted[species], float(offset), float(slope))] * int(exponent)


def _orders(factors: list[Factor]) -> tuple[dict[int, int], bool]:
    """Falling factorials among the factors: {species: order}, and whether nothing else is there."""
    orders: dict[int, int] = {}
    proven = True
    for species in dict.fromkeys(f.species for f in factors):
        mine = [f for f in factors if f.species == species]
        roots = [-f.offset for f in mine if f.slope == 1.0]
        order = 0
        while float(order) in roots:
            order += 1
        if order:
            orders[species] = order
        proven = proven and len(roots) == len(mine) and all(0 <= r < order and r == int(r) for r in roots)
    return orders, proven
