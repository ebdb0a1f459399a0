"""Oracles shared by the tests: networks built in Python, closed forms, statistical tests."""

from __future__ import annotations

import sympy

from kinetix.expressions import symbol
from kinetix.network import Parameter, Reaction, ReactionNetwork, Species, mass_action

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
