"""Reference systems that belong to the general model's family, as problems: networks and times."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from scipy.stats import qmc

import kinetix as kx
from kinetix.distribution import Tabulated
from kinetix.solvers.general.pretrained import GeneralNetwork
from tests.benchmarks.general_baselines import histograms

Problems = Sequence[tuple[kx.ReactionNetwork, float]]

MODELS = Path(__file__).parents[2] / "examples" / "models"
AUTOREGULATION = {"sigma_u": (0, 2), "sigma_b": (0, 0.1), "rho_u": (0, 10), "rho_b": (0, 100)}

DIMERISATION = """
model dimerisation
  species M = 30
  species D = 0
  bind = 0.01
  part = 0.1
  pair: 2 M -> D; bind*M*(M - 1)
  fall: D -> 2 M; part*D
end
"""


TOGGLE = """
model toggle_hill
  species U = 8, V = 8
  a = 20; K = 8; h = 2.5; d = 1
  -> U; a*K^h/(K^h + V^h)
  -> V; a*K^h/(K^h + U^h)
  U -> ; d*U
  V -> ; d*V
end
"""
"""Two genes that repress each other (T. S. Gardner et al., Nature 403 (2000) 339, doi:10.1038/35002131)."""

GOODWIN = """
model goodwin
  species M = 0, P = 0, R = 0
  k = 12; K = 10; h = 4; d = 1; b = 2; c = 1.5; V = 18; L = 6
  -> M; k*K^h/(K^h + R^h)
  M -> ; d*M
  M -> M + P; b*M
  P -> ; d*P
  P -> P + R; c*P
  R -> ; V*R/(L + R)
end
"""
"""A gene that its product's product represses (B. C. Goodwin, Adv. Enzyme Regul. 3 (1965) 425); an enzyme degrades."""


def at(name: str, times: Sequence[float], **parameters: float) -> Problems:
    """A model of the examples at several times."""
    network = kx.load(MODELS / f"{name}.ant").replace(parameters=parameters)
    return [(network, time) for time in times]


def over(name: str, box: Mapping[str, tuple[float, float]], number: int, time: float) -> Problems:
    """The same at rate vectors spread evenly over a box."""
    network = kx.load(MODELS / f"{name}.ant")
    points = qmc.Sobol(len(box), rng=np.random.default_rng(7)).random(32)[:number]
    low, high = np.array(list(box.values())).T
    values = (dict(zip(box, low + u * (high - low), strict=True)) for u in points)
    return [(network.replace(parameters=one), time) for one in values]


ZOO: Mapping[str, tuple[str, Callable[[], Problems]]] = {
    "birth_death": ("t = 5, 25, 49, 98", partial(at, "birth_death", (5.0, 25.0, 49.0, 98.0))),
    "gene_expression": ("t = 360, 1800, 3600", partial(at, "gene_expression", (360.0, 1800.0, 3600.0))),
    "telegraph": (
        "kon 0.5, koff 1, ksyn 20; t = 0.5, 2, 10",
        partial(at, "telegraph", (0.5, 2.0, 10.0), kon=0.5, koff=1.0, ksyn=20.0),
    ),
    "dimerisation": (
        "30 monomers; t = 0.5, 2, 10",
        lambda: [(kx.parse(DIMERISATION), time) for time in (0.5, 2.0, 10.0)],
    ),
    "toggle_hill": ("t = 0.5, 2, 10", lambda: [(kx.parse(TOGGLE), time) for time in (0.5, 2.0, 10.0)]),
    "goodwin": ("t = 0.5, 2, 10", lambda: [(kx.parse(GOODWIN), time) for time in (0.5, 2.0, 10.0)]),
    "autoregulation": ("25 rate vectors, t = 10", partial(over, "autoregulation", AUTOREGULATION, 25, 10.0)),
}


def asked(net: GeneralNetwork, problems: Problems) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of every problem: the joint distance to the exact law, that of 10,000 trajectories, and the flag."""
    h, floor, flags = [], [], []
    for network, time in problems:
        law = kx.solve(network, [time], solver="fsp").laws[0]
        assert isinstance(law, Tabulated)
        kept = np.nonzero(law.p > 1e-12)[0]
        states, p = law.space.states(kept), law.p[kept]
        solution = net.solve(kx.Problem.of(network, [time]), rng=np.random.default_rng(1))
        h.append(np.sqrt(max(0.0, 1 - np.sqrt(p * np.exp(solution.laws[0].log_prob(states))).sum())))
        floor.append(histograms([p], seed=len(floor))[0])
        flags.append(solution.meta["trust"][0]["flag"])
    return np.array(h), np.array(floor), np.array(flags)
