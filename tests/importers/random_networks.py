"""Random reaction networks for round trips: every operation, awkward names, numbers to the last bit."""

from __future__ import annotations

from collections.abc import Sequence

import sympy
from hypothesis import assume
from hypothesis import strategies as st

from kinetix.errors import ModelError
from kinetix.events import Event
from kinetix.expressions import TIME, number, symbol
from kinetix.network import Parameter, Reaction, ReactionNetwork, Species

WORDS = (
    *("lambda", "None", "import", "class", "from", "True", "def", "self"),
    *("e", "E", "I", "S", "N", "Q", "O", "oo", "zoo", "nan", "pi", "beta", "gamma", "zeta", "Symbol", "sympify"),
    *(
        "time",
        "at",
        "in",
        "end",
        "model",
        "module",
        "species",
        "compartment",
        "function",
        "const",
        "var",
        "substanceOnly",
    ),
    *("exp", "ln", "log", "sin", "piecewise", "mass_action", "true", "false", "exponentiale", "avogadro", "and", "not"),
    *(
        "x",
        "x_",
        "X",
        "_1",
        "a1",
        "kon",
        "k_off",
        "default",
        "INF",
        "infinity",
        "NaN",
        "notanumber",
        "delay",
        "sqrt",
        "mod",
    ),
)
"""Names that are words of Python, of sympy, of the reaction language or of MathML, and plain ones."""

TITLES = ("zoo", "model", "my_model", "end", "M 1", "2nd")

PLAIN = ("x", "x_", "X", "_1", "a1", "kon", "k_off", "lambda", "None", "class", "from", "beta", "Q", "S", "e1", "zeta")
"""Names that no simulator's language has for itself."""

_FUNCTIONS = (
    *(sympy.exp, sympy.log, sympy.Abs, sympy.floor, sympy.ceiling, sympy.factorial),
    *(
        sympy.sin,
        sympy.cos,
        sympy.tan,
        sympy.sinh,
        sympy.cosh,
        sympy.tanh,
        sympy.atan,
        sympy.asinh,
        sympy.acot,
        sympy.sech,
    ),
)

doubles = st.floats(1e-9, 1e9) | st.sampled_from([0.1, 1 / 3, 1e-4, 2.5, 1e-30, 123456789.123])
numbers = (
    doubles.map(number)
    | st.integers(-20, 20).map(sympy.Integer)
    | st.builds(sympy.Rational, st.integers(-9, 9), st.integers(1, 9))
)


def _conditions(values: st.SearchStrategy[sympy.Expr]) -> st.SearchStrategy[sympy.Basic]:
    relation = st.sampled_from([sympy.Gt, sympy.Ge, sympy.Lt, sympy.Le, sympy.Eq, sympy.Ne])
    simple = st.tuples(relation, values, values).map(lambda t: t[0](t[1], t[2]))
    return (
        simple
        | st.builds(lambda o, a, b: o(a, b), st.sampled_from([sympy.And, sympy.Or, sympy.Xor]), simple, simple)
        | simple.map(sympy.Not)
    )


def expressions(names: list[str], *, most: int = 12) -> st.SearchStrategy[sympy.Expr]:
    """Laws over the names; one that sympy turns into no real number is not among them."""
    leaves = st.sampled_from([*map(symbol, names), TIME]) | numbers | st.sampled_from([sympy.pi, sympy.E])

    def larger(inner: st.SearchStrategy[sympy.Expr]) -> st.SearchStrategy[sympy.Expr]:
        return (
            st.builds(sympy.Add, inner, inner)
            | st.builds(sympy.Mul, inner, inner)
            | st.builds(lambda a, b: sympy.Add(a, -b), inner, inner)
            | st.builds(lambda a, b: a / b if b != 0 else a, inner, inner)
            | st.builds(sympy.Pow, inner, st.integers(-3, 4))
            | st.builds(sympy.Pow, st.sampled_from([*map(symbol, names)]), st.sampled_from([*map(symbol, names)]))
            | st.builds(lambda f, a: f(a), st.sampled_from(_FUNCTIONS), inner.filter(lambda a: not a.is_number))
            | st.builds(lambda f, a, b: f(a, b), st.sampled_from([sympy.Min, sympy.Max]), inner, inner)
            | st.builds(sympy.Mod, st.sampled_from([*map(symbol, names)]), st.integers(2, 5))
            | st.builds(lambda a, b, c: sympy.Piecewise((a, c), (b, True)), inner, inner, _conditions(leaves))
        )

    return st.recursive(leaves, larger, max_leaves=most)


AMOUNTS = st.sampled_from([0.5, 1.5, 1 / 3, 0.1, 2.25, 1e-3])


@st.composite
def networks(draw: st.DrawFn, *, varying: bool = False, words: Sequence[str] = WORDS) -> ReactionNetwork:
    """A network with up to three species, constants of each kind, rules and reactions.

    `varying` ones may also have events, rate rules, species in compartments that vary, and amounts
    that are no whole numbers. Names are among the `words`.
    """
    names = draw(st.lists(st.sampled_from(words), min_size=7, max_size=12, unique_by=lambda n: n.rstrip("_")))
    species, (k, q), rest = names[:3], names[3:5], names[5:]
    home, boundary, rule = (rest.pop() if rest and draw(st.booleans()) else None for _ in range(3))
    constants = [Parameter(home, draw(doubles), "compartment")] if home else []
    constants += [Parameter(boundary, float(draw(st.integers(0, 50))), "boundary")] if boundary else []
    parameters = [Parameter(k, draw(doubles)), Parameter(q, -draw(doubles))]
    usable = [*species, k, q, *(c.name for c in constants)]
    changes = draw(_changes(usable, species, [*constants, *parameters], words)) if varying else {}
    labels = draw(st.lists(st.sampled_from(words), min_size=1, max_size=3, unique_by=lambda n: n.rstrip("_")))
    uncounted = [n for n in (boundary, rule) if n and n != home and draw(st.booleans())] if home else []
    formula = draw(expressions(usable)) if rule else None
    amounts = st.integers(1, 3) | (st.integers(1, 3) | AMOUNTS if varying else st.nothing())
    if k in changes.get("rate_rules", {}):
        amounts |= st.just(symbol(k))
    if varying and rule not in {*uncounted, None} and {symbol(n) for n in species} & formula.free_symbols:
        amounts |= st.just(formula)
    counts = st.dictionaries(st.sampled_from(species), amounts, max_size=3)
    sides = [(draw(counts), draw(counts)) for _ in labels]
    found = [a for side in sides for half in side for a in half.values() if isinstance(a, sympy.Expr)]
    moved = [parameters.pop(0)] if symbol(k) in found else []  # an amount that changes is no parameter
    assume(len(set(found)) == len(found))  # SBML has another id for each, and so another rule
    try:
        network = ReactionNetwork(
            [Species(n, draw(st.integers(0, 10**6)), home if draw(st.booleans()) else None) for n in species],
            parameters,
            [Reaction(label, *both, draw(expressions(usable))) for label, both in zip(labels, sides, strict=True)],
            name=draw(st.sampled_from(TITLES if words is WORDS else TITLES[:1])),
            constants=[*constants, *moved],
            variables={rule: formula} if rule else {},
            homes=dict.fromkeys(uncounted, home) if home else {},
            **changes,
        )
    except (ModelError, TypeError, ValueError):
        assume(False)
        raise
    assume(_sound(network))
    return network


@st.composite
def _changes(
    draw: st.DrawFn, usable: list[str], species: list[str], settable: list[Parameter], words: Sequence[str]
) -> dict[str, object]:
    """Events and rate rules over the names, as arguments of ReactionNetwork."""
    names = [p.name for p in settable]
    labels = draw(st.lists(st.sampled_from(words), max_size=2, unique_by=lambda n: n.rstrip("_")))
    values = st.dictionaries(st.sampled_from([*species, *names]), expressions(usable, most=5), min_size=1, max_size=2)
    leaves = st.sampled_from([*map(symbol, usable), TIME]) | numbers
    extra = st.tuples(*(st.none() | expressions(usable, most=3) for _ in range(2)))
    triggers = _conditions(leaves).filter(lambda c: c not in (sympy.true, sympy.false))
    try:
        events = [
            Event(label, draw(triggers), draw(values), *(draw(st.booleans()) for _ in range(3)), *draw(extra))
            for label in labels
        ]
    except (ModelError, TypeError, ValueError):
        assume(False)
        raise
    rates = st.dictionaries(st.sampled_from(names), expressions(usable, most=5), max_size=2)
    return {"events": events, "rate_rules": draw(rates)}


def _sound(network: ReactionNetwork) -> bool:
    """Whether every number in the network is a double of moderate size."""
    formulas = [*network.propensities, *network.variables.values(), *network.rate_rules.values()]
    formulas += [e for event in network.events for e in event.expressions]
    return (
        not any(f.has(sympy.zoo, sympy.oo, -sympy.oo, sympy.nan, sympy.I) for f in formulas)
        and all(1e-300 < abs(x) < 1e300 for f in formulas for x in f.atoms(sympy.Float))
        and all(abs(x) < 2**31 for f in formulas for x in f.atoms(sympy.Integer))
    )
