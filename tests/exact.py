"""Oracles shared by the tests: networks built in Python, closed forms, statistical tests."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import scipy.linalg
import scipy.special
import scipy.stats
import sympy

from kinetix.expressions import symbol
from kinetix.network import Parameter, Reaction, ReactionNetwork, Species, mass_action

ROOT = Path(__file__).parent.parent

# networks --------------------------------------------------------------------------------------


def network(species, parameters, reactions, name="model"):
    """species {name: start}; parameters {name: value}; reactions (name, reactants, products, law or constant)."""
    built = []
    for label, reactants, products, law in reactions:
        propensity = mass_action(law, reactants) if isinstance(law, str) else sympy.sympify(law, strict=True)
        built.append(Reaction(label, reactants, products, propensity))
    return ReactionNetwork(
        [Species(n, v) for n, v in species.items()], [Parameter(n, v) for n, v in parameters.items()], built, name=name
    )


def birth_death(birth=0.1, death=0.01, start=0):
    return network(
        {"X": start},
        {"birth": birth, "death": death},
        [("make", {}, {"X": 1}, "birth"), ("decay", {"X": 1}, {}, "death")],
        "birth_death",
    )


def autoregulation(su=0.94, sb=0.01, ru=8.40, rb=28.1):
    g, p = symbol("Gu"), symbol("P")
    k = {n: symbol(n) for n in ("su", "sb", "ru", "rb", "d")}
    return network(
        {"Gu": 1, "P": 0},
        {"su": su, "sb": sb, "ru": ru, "rb": rb, "d": 1.0},
        [
            ("release", {}, {"Gu": 1, "P": 1}, k["su"] * (1 - g)),
            ("bind", {"Gu": 1, "P": 1}, {}, k["sb"] * g * p),
            ("make_free", {"Gu": 1}, {"Gu": 1, "P": 1}, k["ru"] * g),
            ("make_bound", {}, {"P": 1}, k["rb"] * (1 - g)),
            ("decay", {"P": 1}, {}, k["d"] * p),
        ],
        "autoregulation",
    )


def toggle_switch():
    gx, gy = symbol("Gx"), symbol("Gy")
    return network(
        {"Gx": 1, "Gy": 1, "Px": 0, "Py": 0},
        {"s": 50.0, "d": 1.0, "b": 2e-4, "u": 0.1},
        [
            ("make_x", {"Gx": 1}, {"Gx": 1, "Px": 1}, "s"),
            ("make_y", {"Gy": 1}, {"Gy": 1, "Py": 1}, "s"),
            ("decay_x", {"Px": 1}, {}, "d"),
            ("decay_y", {"Py": 1}, {}, "d"),
            ("bind_y", {"Gy": 1, "Px": 2}, {}, "b"),
            ("bind_x", {"Gx": 1, "Py": 2}, {}, "b"),
            ("free_y", {}, {"Gy": 1, "Px": 2}, symbol("u") * (1 - gy)),
            ("free_x", {}, {"Gx": 1, "Py": 2}, symbol("u") * (1 - gx)),
        ],
        "toggle_switch",
    )


def schloegl():
    x = symbol("X")
    return network(
        {"X": 50},
        {"a": 2.676, "b": 0.040, "c": 108.102, "d": 37.881},
        [
            ("up2", {"X": 2}, {"X": 3}, symbol("a") * x * (x - 1)),
            ("down3", {"X": 3}, {"X": 2}, symbol("b") * x * (x - 1) * (x - 2)),
            ("feed", {}, {"X": 1}, "c"),
            ("drain", {"X": 1}, {}, "d"),
        ],
        "schloegl",
    )


def gene_expression():
    return network(
        {"r": 0, "p": 0},
        {"kr": 0.1, "kp": 0.1, "dr": 0.1, "dp": 0.002},
        [
            ("transcribe", {}, {"r": 1}, "kr"),
            ("translate", {"r": 1}, {"r": 1, "p": 1}, "kp"),
            ("decay_r", {"r": 1}, {}, "dr"),
            ("decay_p", {"p": 1}, {}, "dp"),
        ],
        "gene_expression",
    )


def telegraph(kon=0.5, koff=1.0, ksyn=20.0, dm=1.0, gene=0):
    g = symbol("Gu")
    return network(
        {"Gu": gene, "M": 0},
        {"kon": kon, "koff": koff, "ksyn": ksyn, "dm": dm},
        [
            ("off", {"Gu": 1}, {}, "koff"),
            ("on", {}, {"Gu": 1}, symbol("kon") * (1 - g)),
            ("make", {"Gu": 1}, {"Gu": 1, "M": 1}, "ksyn"),
            ("decay", {"M": 1}, {}, "dm"),
        ],
        "telegraph",
    )


def cascade(stages=15):
    species = {f"X{i}": 0 for i in range(1, stages + 1)}
    reactions = [("feed", {}, {"X1": 1}, "k")]
    reactions += [(f"pass{i}", {f"X{i - 1}": 1}, {f"X{i}": 1}, "c") for i in range(2, stages + 1)]
    reactions += [(f"decay{i}", {f"X{i}": 1}, {}, "d") for i in range(1, stages + 1)]
    return network(species, {"k": 10.0, "c": 5.0, "d": 1.0}, reactions, f"cascade{stages}")


def dimerisation(k=0.1, u=0.2, start=5):
    return network(
        {"A": start, "D": 0},
        {"k": k, "u": u},
        [("pair", {"A": 2}, {"D": 1}, "k"), ("part", {"D": 1}, {"A": 2}, "u")],
        "dimerisation",
    )


def mapk16():
    """The MAPK cascade of sixteen species of the literature (reference systems): low counts in many dimensions."""
    enzyme = [  # enzyme, substrate, complex, product, binding, unbinding, catalysis
        ("S0", "S2", "S6", "S3", 0.375, 1.0, 0.06),
        ("S0", "S3", "S8", "S5", 0.375, 1.0, 4.5),
        ("S0", "S2", "S7", "S4", 0.375, 1.0, 0.06),
        ("S0", "S4", "S9", "S5", 0.375, 1.0, 4.5),
    ]
    steps = [
        ({}, {"S0": 1}, 0.001),
        ({"S0": 1}, {}, 0.15),
        ({"S5": 1}, {"S5": 1, "S0": 1}, 0.005),
        ({}, {"S2": 1}, 0.00024),
        *(({s: 1}, {}, 1e-4) for s in ("S2", "S3", "S4", "S5")),
    ]
    for e, s, c, p, on, off, turn in enzyme:
        steps += [({e: 1, s: 1}, {c: 1}, on), ({c: 1}, {e: 1, s: 1}, off), ({c: 1}, {e: 1, p: 1}, turn)]
    phosphatase = [  # substrate, first complex, second complex, product; rates on, off, on to the second, free, back
        ("S5", "S10", "S12", "S4", 0.015, 1.0, 0.032, 0.31, 0.01),
        ("S4", "S13", "S14", "S2", 0.01, 1.0, 0.5, 0.086, 0.0011),
        ("S3", "S11", "S15", "S2", 0.01, 1.0, 0.47, 0.14, 0.0018),
    ]
    for s, c, d, p, on, off, turn, free, back in phosphatase:
        steps += [({"S1": 1, s: 1}, {c: 1}, on), ({c: 1}, {"S1": 1, s: 1}, off), ({c: 1}, {d: 1}, turn)]
        steps += [({d: 1}, {"S1": 1, p: 1}, free), ({"S1": 1, p: 1}, {d: 1}, back)]
    species = {f"S{i}": {1: 1, 2: 3}.get(i, 0) for i in range(16)}
    reactions = [(f"r{j}", a, b, f"k{j}") for j, (a, b, _) in enumerate(steps)]
    return network(species, {f"k{j}": rate for j, (_, _, rate) in enumerate(steps)}, reactions, "mapk16")


# statistics: the tests pass where |z| < 5 and chi-squared p > 1e-4 at n = 20,000 ----------------


def worst_z(draws, mean, sd):
    """The largest |z| of the sample means of draws [n, S] against exact means and sds [S]."""
    spread = np.where(np.asarray(sd) > 0, sd, 1e-12) / np.sqrt(len(draws))
    return float(np.abs((draws.mean(axis=0) - mean) / spread).max())


def worst_variance_z(draws, sd, fourth):
    """The largest |z| of the sample variances of draws [n, S], given exact sds and fourth central moments."""
    spread = np.sqrt(np.maximum(np.asarray(fourth) - np.asarray(sd) ** 4, 1e-300) / len(draws))
    return float(np.abs((draws.var(axis=0) - np.asarray(sd) ** 2) / spread).max())


def pooled_chi_squared(draws, pmf):
    """The p-value of draws [n] of one count against its pmf [k], cells pooled to 10 expected draws or more."""
    expected = len(draws) * np.append(pmf, max(1.0 - pmf.sum(), 0.0))
    seen = np.bincount(np.minimum(draws, len(pmf)), minlength=len(pmf) + 1)
    groups, total = np.zeros(len(expected), dtype=int), 0.0
    for i in range(1, len(expected)):
        total += expected[i - 1]
        groups[i] = groups[i - 1] + (total >= 10)
        total = 0.0 if total >= 10 else total
    e, o = np.bincount(groups, expected), np.bincount(groups, seen)
    if len(e) > 1 and e[-1] < 10:
        e, o = np.append(e[:-2], e[-2:].sum()), np.append(o[:-2], o[-2:].sum())
    if len(e) < 2:
        return 1.0 if seen[expected == 0].sum() == 0 else 0.0
    if seen[expected == 0].sum():
        return 0.0
    return float(scipy.stats.chi2.sf(((o - e) ** 2 / e).sum(), len(e) - 1))


# closed forms ----------------------------------------------------------------------------------


def birth_death_pmf(birth, death, start, time, size):
    """Binomial survivors plus Poisson newcomers: probabilities of 0 .. size - 1."""
    survival = np.exp(-death * time)
    counts = np.arange(size)
    survivors = scipy.stats.binom.pmf(counts, start, survival)
    newcomers = scipy.stats.poisson.pmf(counts, birth / death * (1 - survival))
    return np.convolve(survivors, newcomers)[:size]


def first_order_means(model, time):
    """Means [S] of a network whose propensities are affine in the counts, by the linear ODE (Jahnke, Huisinga 2007)."""
    S = model.change.shape[1]
    base = model.propensities(np.zeros(S), model.theta)
    slopes = model.propensities(np.eye(S), model.theta) - base  # [S, R]
    matrix = np.zeros((S + 1, S + 1))
    matrix[:S, :S] = model.change.T @ slopes.T
    matrix[:S, S] = model.change.T @ base
    return (scipy.linalg.expm(matrix * time) @ np.append(model.initial, 1.0))[:S]


def first_order_means_of_burst(on, make, die, time=1.0):
    """Mean of M at `time` where G turns on once, at rate `on`, and M is made at G*make and dies."""
    matrix = np.array([[-on, 0.0, on], [make, -die, 0.0], [0.0, 0.0, 0.0]])
    return (scipy.linalg.expm(matrix * time) @ [0.0, 0.0, 1.0])[1]


def beta_poisson_pmf(kon, koff, ksyn, size):
    """The stationary law of telegraph mRNA (decay 1): a Poisson whose mean is ksyn times a Beta(kon, koff)."""
    nodes, weights = scipy.special.roots_jacobi(200, koff - 1, kon - 1)
    share = (nodes + 1) / 2
    weights = weights / weights.sum()
    return weights @ scipy.stats.poisson.pmf(np.arange(size)[None, :], ksyn * share[:, None])


def dense_law(model, upper, time):
    """The law on the box 0 .. upper by scipy's dense matrix exponential, the generator written state by state.

    Returns {state: probability}; what leaves the box is lost. Shares no code with the solvers.
    """
    states = list(itertools.product(*(range(u + 1) for u in upper)))
    index = {state: i for i, state in enumerate(states)}
    generator = np.zeros((len(states), len(states)))
    for state, i in index.items():
        for change, rate in zip(model.change, model.propensities(np.array(state), model.theta), strict=True):
            to = tuple(int(v) for v in np.array(state) + change)
            if min(to) < 0:
                continue
            generator[i, i] -= rate
            if to in index:
                generator[index[to], i] += rate
    start = np.zeros(len(states))
    start[index[tuple(model.initial.tolist())]] = 1.0
    return dict(zip(states, scipy.linalg.expm(generator * time) @ start, strict=True))


def random_network(seed, species=2, reactions=5):
    """A small random network whose laws are zero where reactants are too few, with an outflow for every species."""
    rng = np.random.default_rng(seed)
    names = [f"N{i}" for i in range(species)]
    parameters, built = {}, []
    for j in range(reactions):
        reactants = {n: int(m) for n in names if (m := rng.choice([0, 0, 1, 2]))}
        products = {n: int(m) for n in names if (m := rng.choice([0, 0, 0, 1, 2]))}
        if sum(reactants.values()) > 2:
            reactants = {names[0]: 1}
        while sum(products.values()) > sum(reactants.values()) + (not reactants):
            products.pop(next(iter(products)))
        parameters[f"k{j}"] = float(rng.uniform(0.1, 1.0))
        built.append((f"r{j}", reactants, products, f"k{j}"))
    for i, n in enumerate(names):
        parameters[f"d{i}"] = 1.0
        built.append((f"out{i}", {n: 1}, {}, f"d{i}"))
    return network({n: int(rng.integers(0, 4)) for n in names}, parameters, built, f"random{seed}")
