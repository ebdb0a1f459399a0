"""Systems of the zoo once more, built in Python from the tables of the literature, and a plain master equation.

`plain_law` lists states by breadth-first search and integrates with scipy: it shares no code with the
solvers but the propensities.
"""

import itertools

import numpy as np
import scipy.integrate
import scipy.sparse
import scipy.sparse.linalg
import sympy

from kinetix.expressions import TIME, symbol
from tests import exact


def bursting(kon=0.5, koff=5.0, ksyn=200.0):
    return exact.network(
        {"Goff": 1, "Gon": 0, "M": 0},
        {"kon": kon, "koff": koff, "ksyn": ksyn, "dm": 1.0},
        [
            ("on", {"Goff": 1}, {"Gon": 1}, "kon"),
            ("off", {"Gon": 1}, {"Goff": 1}, "koff"),
            ("make", {"Gon": 1}, {"Gon": 1, "M": 1}, "ksyn"),
            ("decay", {"M": 1}, {}, "dm"),
        ],
        "bursting",
    )


def fifteen(feed, step, parameters, name):
    """A cascade of fifteen: the law of the first reaction, the law of a step from a species, decay."""
    species = [f"X{i}" for i in range(1, 16)]
    reactions = [("feed", {}, {"X1": 1}, feed)]
    reactions += [(f"pass{a}", {a: 1}, {b: 1}, step(a)) for a, b in itertools.pairwise(species)]
    reactions += [(f"decay{a}", {a: 1}, {}, "d") for a in species]
    return exact.network(dict.fromkeys(species, 0), parameters, reactions, name)


def cascade15_hill():
    b, km, k0 = (symbol(n) for n in ("b", "km", "k0"))

    def step(name):
        x = symbol(name)
        return sympy.Piecewise((b + km * x / (k0 + x), x >= 1), (0, True))

    values = {"beta": 166.7, "b": 16.67, "km": 1666.7, "k0": 66.7, "d": 2.5}
    return fifteen("beta", step, values, "cascade15_hill")


def cascade15_feedback():
    feed = symbol("k") + symbol("g") / (symbol("h") + symbol("X15"))
    values = {"k": 1.0, "g": 100.0, "h": 10.0, "c": 5.0, "d": 1.0}
    return fifteen(feed, lambda name: "c", values, "cascade15_feedback")


def early_life(start=(2, 49, 49)):
    steps = [("A", "D"), ("A", "L")]
    return exact.network(
        dict(zip("ADL", start, strict=True)),
        {"c": 1.0, "m": 1.0, "u": 1.0},
        [
            *((f"copy{b}", {a: 1, b: 1}, {b: 2}, "c") for a, b in steps),
            *((f"make{b}", {a: 1}, {b: 1}, "m") for a, b in steps),
            *((f"part{b}", {b: 1}, {a: 1}, "u") for a, b in steps),
        ],
        "early_life",
    )


def epidemic(start=(50, 10, 0)):
    rate = 0.003 * (1 + 0.2 * sympy.sin(2 * sympy.pi * TIME / 6))
    return exact.network(
        dict(zip("SIR", start, strict=True)),
        {"r": 0.02, "w": 0.007, "d": 0.002, "di": 0.05},
        [
            ("infect", {"S": 1, "I": 1}, {"I": 2}, rate * symbol("S") * symbol("I")),
            ("recover", {"I": 1}, {"R": 1}, "r"),
            ("wane", {"R": 1}, {"S": 1}, "w"),
            ("death_S", {"S": 1}, {}, "d"),
            ("death_I", {"I": 1}, {}, "di"),
            ("death_R", {"R": 1}, {}, "d"),
        ],
        "epidemic",
    )


def feed_forward_loop(k1=3.0, k2=0.5, k3=5.0, *, output=True):
    """Without `output`, without the protein C, which nothing else depends on."""
    made = [("a", "A", 10.0), ("b", "B", 10.0), ("bA", "B", 10 * k1)]
    made += [("c", "C", 10.0), ("cA", "C", 10 * k3), ("cB", "C", 10 * k2)] if output else []
    bound = [("b", "A", "bA"), ("c", "A", "cA"), ("c", "B", "cB")]
    proteins = "ABC" if output else "AB"
    reactions = [(f"make{p}{g}", {g: 1}, {g: 1, p: 1}, f"s{p}{g}") for g, p, _ in made]
    reactions += [(f"decay{p}", {p: 1}, {}, "d") for p in proteins]
    reactions += [(f"bind{x}", {g: 1, p: 1}, {x: 1}, "on") for g, p, x in bound]
    reactions += [(f"free{x}", {x: 1}, {g: 1, p: 1}, "off") for g, p, x in bound]
    species = {"a": 1, "b": 1, "c": 1, **dict.fromkeys(proteins, 0), "bA": 0, "cA": 0, "cB": 0}
    rates = {f"s{p}{g}": rate for g, p, rate in made}
    return exact.network(species, {**rates, "d": 1.0, "on": 0.005, "off": 0.1}, reactions, "feed_forward_loop")


# the plain master equation ----------------------------------------------------------------------


def numbers(states):
    """One whole number a state, different for different states: [N, S] -> [N]."""
    base = int(2 ** (62 / states.shape[1]))
    assert 0 <= states.min() <= states.max() < base
    return states @ base ** np.arange(states.shape[1])


def reached(model, keep, most=100_000):
    """The states [N, S] reached from the start through states that `keep` ([N, S] -> [N]) allows."""
    known = frontier = model.initial[None]
    while len(frontier):
        rates = model.propensities(frontier, model.theta, 0.3)
        new = np.concatenate([frontier[rates[:, r] > 0] + change for r, change in enumerate(model.change)])
        new = new[keep(new)]
        if not len(new):
            break
        keys, first = np.unique(numbers(new), return_index=True)
        frontier = new[first[~np.isin(keys, numbers(known))]]
        known = np.concatenate([known, frontier])
        assert len(known) <= most
    return known


def generator(model, states, time=0.0):
    """The sparse generator [N, N] on these states, with what leaves them lost."""
    keys = numbers(states)
    order = np.argsort(keys)
    rates = model.propensities(states, model.theta, time)
    rows, columns, values = [np.arange(len(states))], [np.arange(len(states))], [-rates.sum(axis=1)]
    for r, change in enumerate(model.change):
        (fires,) = np.nonzero(rates[:, r] > 0)
        aims = numbers(states[fires] + change)
        place = order[np.minimum(np.searchsorted(keys, aims, sorter=order), len(keys) - 1)]
        inside = keys[place] == aims
        rows, columns = [*rows, place[inside]], [*columns, fires[inside]]
        values = [*values, rates[fires[inside], r]]
    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    return scipy.sparse.csr_matrix(entries, shape=(len(states), len(states)))


def plain_law(model, times, keep=lambda counts: np.ones(len(counts), dtype=bool)):
    """States [N, S] and their probabilities [T, N] at `times`, the laws not containing the time."""
    states = reached(model, keep)
    matrix, p, at, laws = generator(model, states), (states == model.initial).all(axis=1).astype(float), 0.0, []
    for t in times:
        p, at = scipy.sparse.linalg.expm_multiply(matrix * (t - at), p), t
        laws.append(p)
    return states, np.array(laws)


def plain_law_in_time(model, times):
    """The same where laws contain the time as c0 + c1 * swing(t): by a Runge-Kutta method of order eight."""
    states = reached(model, lambda counts: np.ones(len(counts), dtype=bool))
    low, high = generator(model, states, 0.0), generator(model, states, 1.5)  # sine 0 and sine 1 of period 6
    start = (states == model.initial).all(axis=1).astype(float)

    def flow(t, p):
        return low @ p + np.sin(np.pi * t / 3) * ((high - low) @ p)

    found = scipy.integrate.solve_ivp(flow, (0, times[-1]), start, "DOP853", t_eval=times, rtol=1e-9, atol=1e-13)
    return states, found.y.T
