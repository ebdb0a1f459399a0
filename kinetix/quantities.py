"""Named quantities of a model as functions of counts: species, concentrations, rules, parameters, volumes."""

from __future__ import annotations

import numpy as np
import sympy
from numpy.typing import NDArray

from .compiler import CompiledModel
from .errors import UnsupportedFeature, require_known
from .expressions import names_in, symbol
from .network import ReactionNetwork
from .propensity import array_function

Array = NDArray[np.float64]


def quantity(network: ReactionNetwork, name: str) -> sympy.Expr:
    """The expression of a named quantity, rules written out: in species, theta and time.

    "X" is a species, rule variable, parameter or compartment; "[X]" the concentration of what has a
    compartment. SettingError, with a near miss, for anything else.
    """
    if name.startswith("[") and name.endswith("]"):
        home = {s.name: s.compartment for s in network.species} | dict(network.homes)
        boundary = [c.name for c in network.constants if c.kind == "boundary"]
        require_known([name[1:-1]], [*network.species_names, *boundary, *network.homes], "species")
        volume = home.get(name[1:-1])
        known = volume in network.theta_names or volume in network.variables
        whole: sympy.Expr = symbol(name[1:-1]) / (symbol(volume) if volume and known else sympy.Integer(1))
    else:
        require_known([name], (*network.species_names, *network.theta_names, *network.variables), "quantity")
        whole = symbol(name)
    for _ in range(len(network.variables) + 1):
        inner = {symbol(n): network.variables[n] for n in names_in(whole) if n in network.variables}
        if not inner:
            break
        whole = whole.xreplace(inner)
    return whole


def gradient(model: CompiledModel, name: str, centre: Array, theta: Array, time: float) -> Array:
    """The derivatives of a named quantity by the species at a state [S], for errors to first order: [S].

    UnsupportedFeature where the quantity has no derivative in closed form.
    """
    network, whole = model.network, quantity(model.network, name)
    real = {s: sympy.Dummy(s.name, real=True) for s in whole.free_symbols}
    slopes = [sympy.diff(whole.xreplace(real), real.get(symbol(s), symbol(s))) for s in network.species_names]
    if any(slope.has(sympy.Derivative, sympy.Subs, sympy.DiracDelta) for slope in slopes):
        raise UnsupportedFeature(f"the covariance of {name!r} is not stated: it has no derivative by the counts")
    back = {dummy: s for s, dummy in real.items()}
    function = array_function([s.xreplace(back) for s in slopes], network.species_names, network.theta_names)
    with np.errstate(all="ignore"):
        return np.array([float(v) for v in function(*centre, *theta, time)], dtype=np.float64)
