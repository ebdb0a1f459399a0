"""What else one could state of a network at once: Gaussians with approximate moments; and trajectories.

The Gaussians are taken on the states of the exact law alone and made to sum to 1 there, which they owe to the exact
law; 1/12 is added to their variances, that of a count rounded.
"""

import numpy as np

from kinetix.solvers.general.family import Batch
from kinetix.solvers.general.moments import Moments

PATHS = 10_000


def gaussian(moments: Moments, n: int, states: np.ndarray) -> np.ndarray:
    """Probabilities of the states [N, S] by the moments of problem n."""
    mean, spread = (part[n].numpy() for part in moments[:2])
    d = states - mean
    logs = -0.5 * np.einsum("ns,ns->n", d, np.linalg.solve(spread + np.eye(len(mean)) / 12, d.T).T)
    p = np.exp(logs - logs.max())
    return np.asarray(p / p.sum())


def distances(moments: Moments, batch: Batch, states: list[np.ndarray], p: list[np.ndarray]) -> np.ndarray:
    """Hellinger distances of the Gaussians to exact laws."""
    overlaps = [np.sqrt(p[n] * gaussian(moments, n, states[n])).sum() for n in range(len(batch))]
    return np.sqrt(np.clip(1 - np.array(overlaps), 0, None))


def histograms(p: list[np.ndarray], seed: int) -> np.ndarray:
    """Hellinger distances of histograms of `PATHS` draws from the exact laws themselves."""
    rng = np.random.default_rng(seed)
    counts = (rng.multinomial(PATHS, one / one.sum()) / PATHS for one in p)
    return np.array([np.sqrt(max(0.0, 1 - np.sqrt(drawn * one).sum())) for drawn, one in zip(counts, p, strict=True)])
