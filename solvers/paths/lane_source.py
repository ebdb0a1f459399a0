"""The source of a lockstep kernel: many trajectories of one model side by side, masks for branches.

One sweep advances every lane by one event, in straight-line code that the compiler turns into
vector instructions: the state is one flat array of rows (`z[l + row]`), the generators another. A
lane that passes an output time, or that may not fire, is left alone and handled one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import sympy

from kinetix.compiler import CompiledModel
from kinetix.propensity import generated_names, scalar_source

from . import streams
from .laws import Law, laws_of

WIDTH = 64
"""Lanes: two hundred bytes of state each keep them in the first cache."""

GROUP = 16
"""Lanes are advanced in whole groups of so many."""

DEGREE = 11
"""Of the polynomial for the logarithm; it is right to 3e-11 of its value."""


def logarithm_coefficients() -> list[float]:
    """Q in -log(1 - v) = v*Q(v) on 0 <= v <= 1/2, lowest power first."""
    nodes = 0.25 + 0.25 * np.cos((np.arange(4 * DEGREE) + 0.5) * np.pi / (4 * DEGREE))
    fit = np.polynomial.Chebyshev.fit(nodes, -np.log1p(-nodes) / nodes, DEGREE, domain=[0.0, 0.5])
    return [float(c) for c in fit.convert(kind=np.polynomial.Polynomial).coef]


@dataclass(frozen=True)
class Plan:
    """What the writer knows of a model: laws in generated names and the rows of the state."""

    model: CompiledModel
    width: int = WIDTH

    @cached_property
    def laws(self) -> list[Law]:
        """The laws taken apart: R of them."""
        return laws_of(self.model.network)

    @cached_property
    def names(self) -> dict[sympy.Symbol, sympy.Symbol]:
        """From the model's symbols to x0.., p0.. and t."""
        return generated_names(self.model.network.species_names, self.model.network.theta_names)

    @cached_property
    def coefficients(self) -> list[sympy.Expr]:
        """The different coefficients that are not plain numbers, each a row of the state."""
        return list(dict.fromkeys(law.coefficient for law in self.laws if law.coefficient.free_symbols))

    @cached_property
    def rates(self) -> list[int]:
        """The entries of theta that laws need beside their coefficients, each a row of the state."""
        needed = {symbol for law in self.laws for symbol in law.rest.free_symbols}
        theta = self.model.network.theta_names
        return [j for j, name in enumerate(theta) if sympy.Symbol(name) in needed]

    def row(self, what: str, index: int = 0) -> int:
        """The offset of a row: counts x, coefficients k, rates p, then time, next output, following, choice, flag."""
        S = len(self.model.network.species)
        starts = {"x": 0, "k": S, "p": S + len(self.coefficients)}
        rest = S + len(self.coefficients) + len(self.rates)
        starts |= {name: rest + i for i, name in enumerate(("time", "next", "following", "choice", "flag", "careful"))}
        return (starts[what] + index) * self.width

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.row("careful") // self.width + 1

    @cached_property
    def expressions(self) -> tuple[list[tuple[str, str]], list[str]]:
        """Shared parts (name, source) and the source of every law in x, k, p and the shared parts."""
        rests = [law.rest.xreplace(self.names) for law in self.laws]
        shared, reduced = sympy.cse(rests, symbols=sympy.numbered_symbols("h"), order="none")
        parts = [(str(name), scalar_source(part, {})) for name, part in shared]
        return parts, [self._times(law, scalar_source(rest, {})) for law, rest in zip(self.laws, reduced, strict=True)]

    def _times(self, law: Law, rest: str) -> str:
        if law.coefficient.free_symbols:
            head = f"k{self.coefficients.index(law.coefficient)}"
        elif law.coefficient == 1:
            return f"float({rest})"
        else:
            head = scalar_source(law.coefficient, {})
        return head if law.rest == 1 else f"{head}*float({rest})"

    @cached_property
    def unproven(self) -> list[int]:
        """The reactions whose propensity may be negative though the coefficient is not."""
        return [r for r, law in enumerate(self.laws) if not law.sign_proven]

    @cached_property
    def endangered(self) -> list[int]:
        """The species that a reaction may take below zero: its law does not vanish in time."""
        change = self.model.change
        found = {
            int(s)
            for r, law in enumerate(self.laws)
            for s in np.nonzero(change[r] < 0)[0]
            if law.orders.get(int(s), 0) < -change[r, s]
        }
        return sorted(found)


def sweep_lines(plan: Plan) -> list[str]:
    """The body of the loop over lanes: draw, weigh, choose, and keep the new state where nothing is in the way."""
    S, W = plan.model.change.shape[1], plan.width
    lines = [f"s{i} = g[l + {i * W}]" for i in range(4)]
    lines += _word("word") + _word("other") + [f"g[l + {i * W}] = s{i}" for i in range(4)]
    lines += [f"x{s} = z[l + {plan.row('x', s)}]" for s in range(S)]
    lines += _loads(plan)
    lines += _propensities(plan)
    lines += _waiting_time()
    lines += [
        f"following = z[l + {plan.row('time')}] + wait / total",
        f"target = float(np.int64(other >> np.uint64(11))) * {streams.UNIT!r} * total",
    ]
    lines += _changes(plan)
    conditions = [f"(following < z[l + {plan.row('next')}])", "(total < INFINITY)"]
    conditions += [f"(a{r} >= 0.0)" for r in plan.unproven] + [f"(y{s} >= 0.0)" for s in plan.endangered]
    lines.append("fine = " + " & ".join(conditions))
    lines += [f"z[l + {plan.row('x', s)}] = y{s} if fine else x{s}" for s in _moved(plan)]
    lines += [
        f"z[l + {plan.row('following')}] = following",
        f"z[l + {plan.row('choice')}] = target",
        f"z[l + {plan.row('time')}] = following if fine else z[l + {plan.row('time')}]",
        f"z[l + {plan.row('flag')}] = 0.0 if fine else 1.0",
        "stopped += 0 if fine else 1",
    ]
    return lines


def law_lines(plan: Plan) -> list[str]:
    """The propensities of lane l into `a` [R]: for the lanes that are handled one by one."""
    S = plan.model.change.shape[1]
    lines = [f"x{s} = z[l + {plan.row('x', s)}]" for s in range(S)] + _loads(plan)
    parts, laws = plan.expressions
    lines += [f"{name} = {part}" for name, part in parts]
    return lines + [f"a[{r}] = {law}" for r, law in enumerate(laws)]


def fill_lines(plan: Plan) -> list[str]:
    """A new trajectory in lane l: its stream, counts, and what its theta makes of the coefficients."""
    W, P = plan.width, len(plan.model.theta)
    lines = [f"g[l + {i * W}] = begin(low, high, number, np.uint64({lane}))" for i, lane in enumerate(streams.LANES)]
    lines += [f"z[l + {plan.row('x', s)}] = float(start[{s}])" for s in range(plan.model.change.shape[1])]
    lines += [f"p{j} = theta[{j}]" for j in range(P)] + ["careful = 0.0"]
    for i, coefficient in enumerate(plan.coefficients):
        lines += [f"k{i} = float({scalar_source(coefficient, plan.names)})", f"z[l + {plan.row('k', i)}] = k{i}"]
        lines += [f"if not (k{i} >= 0.0):", "    careful = 1.0"]
    if any(not law.coefficient.free_symbols and law.coefficient < 0 for law in plan.laws):
        lines.append("careful = 1.0")
    lines += [f"z[l + {plan.row('p', i)}] = p{j}" for i, j in enumerate(plan.rates)]
    return [*lines, f"z[l + {plan.row('careful')}] = careful", f"z[l + {plan.row('time')}] = 0.0"]


def _loads(plan: Plan) -> list[str]:
    lines = [f"k{i} = z[l + {plan.row('k', i)}]" for i in range(len(plan.coefficients))]
    return lines + [f"p{j} = z[l + {plan.row('p', i)}]" for i, j in enumerate(plan.rates)]


def _word(name: str) -> list[str]:
    """The next word of xoshiro256++ (see `streams`)."""
    return [
        f"{name} = s0 + s3",
        f"{name} = (({name} << np.uint64(23)) | ({name} >> np.uint64(41))) + s0",
        "shifted = s1 << np.uint64(17)",
        *("s2 ^= s0", "s3 ^= s1", "s1 ^= s2", "s0 ^= s3", "s2 ^= shifted"),
        "s3 = (s3 << np.uint64(45)) | (s3 >> np.uint64(19))",
    ]


def _waiting_time() -> list[str]:
    """-log(u) for u in (0, 1] from `word`: the exponent, and a polynomial in what is missing to the next power of 2."""
    powers = logarithm_coefficients()
    horner = f"{powers[-1]!r}"
    for c in powers[-2::-1]:
        horner = f"({horner} * v + {c!r})"
    return [
        "number = bits_of(float(np.int64(word >> np.uint64(11)) + 1))",
        "exponent = float((number >> 52) - (1023 + 52))",
        "v = 1.0 - 0.5 * real_of((number & 0xFFFFFFFFFFFFF) | 0x3FF0000000000000)",
        f"wait = v * {horner} - exponent * {float(np.log(2.0))!r}",
    ]


def _propensities(plan: Plan) -> list[str]:
    parts, laws = plan.expressions
    lines = [f"{name} = {part}" for name, part in parts] + [f"a{r} = {law}" for r, law in enumerate(laws)]
    lines += [f"c{r} = a{r}" if r == 0 else f"c{r} = c{r - 1} + a{r}" for r in range(len(laws))]
    return [*lines, f"total = c{len(laws) - 1}" if laws else "total = 0.0"]


def _moved(plan: Plan) -> list[int]:
    return [int(s) for s in np.nonzero(plan.model.change.any(axis=0))[0]]


def _changes(plan: Plan) -> list[str]:
    """The new count of every species: the change of the reaction whose running sum is the first above the target."""
    change = plan.model.change
    lines: list[str] = []
    for s in _moved(plan):
        lines.append(f"d = {float(change[0, s])!r}")
        moves = [r for r in range(1, len(change)) if change[r, s] != change[r - 1, s]]
        lines += [f"d = {float(change[r, s])!r} if target >= c{r - 1} else d" for r in moves]
        lines.append(f"y{s} = x{s} + d")
    return lines
