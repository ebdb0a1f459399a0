"""Approximate means and covariances of a whole batch of different networks: what the general model starts from.

Second-order moment closure: the equations of means and covariances with third cumulants left out (P. Whittle, J. R.
Stat. Soc. B 19 (1957) 268; C. A. Gomez-Uribe, G. C. Verghese, J. Chem. Phys. 126 (2007) 024109,
doi:10.1063/1.2408422), exact where every law is of first order; for saturating laws see `moment_kernel`. Where its
answer is no covariance matrix, the linear noise approximation stands in, whose means follow the rate equations.
Closures are known to run away (R. Grima, J. Chem. Phys. 136 (2012) 154105): variances far above the square of the mean
are taken for that.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .family import SPECIES, Batch
from .moment_kernel import run

Array = NDArray[np.float64]

LEAST = 1e-9
"""A mean is at least this."""

MOST = 1e4
"""And at most this."""

WIDEST, HIGHEST = 4.0, 256.0
"""A variance is at most the first, times (mean + 5)^2, and at most the mean times the second, as that of any law of
counts up to there; what is wider has run away, or is narrowed."""

TOLERANCE = 1e-2
"""What is below 0 by this, beside what it is compared to, is an error of the integration."""


class Moments(NamedTuple):
    """`means` [N, S], `covariances` [N, S, S] (0 in padding), `closed` [N]: whether the closure gave them."""

    means: Tensor
    covariances: Tensor
    closed: Tensor


def moments(batch: Batch) -> Moments:
    """The moments at time 1 of every problem, float64; in no network are they NaN."""
    means, spread, good = _integrated(batch, closed=True)
    if not good.all():
        means[~good], spread[~good], other = _integrated(batch[~good], closed=False)
        lost = np.nonzero(~good)[0][~other]
        finite = np.isfinite(means[lost]) & (means[lost] >= 0)
        means[lost] = np.where(finite, means[lost], batch.starts[lost])
        spread[lost] = np.where(np.isfinite(spread[lost]).all(axis=(1, 2), keepdims=True), spread[lost], 0.0)
    means = np.clip(means, LEAST, MOST)
    return Moments(*(torch.from_numpy(part) for part in (means, _narrowed(means, _positive(spread)), good)))


def linear_noise(batch: Batch) -> Moments:
    """Those of the linear noise approximation alone, where numbers come of it; `closed` is never true."""
    means, spread, _ = _integrated(batch, closed=False)
    means = np.where(np.isfinite(means) & (means > -TOLERANCE), means, batch.starts)
    spread = np.where(np.isfinite(spread).all(axis=(1, 2), keepdims=True), spread, 0.0)
    found = torch.from_numpy(np.clip(means, LEAST, MOST)), torch.from_numpy(_positive(spread))
    return Moments(*found, torch.zeros(len(batch), dtype=torch.bool))


def _integrated(batch: Batch, *, closed: bool) -> tuple[Array, Array, NDArray[np.bool_]]:
    means, spread = np.zeros((len(batch), SPECIES)), np.zeros((len(batch), SPECIES, SPECIES))
    good = np.zeros(len(batch), dtype=np.bool_)
    tables = (*batch.parts, closed, means, spread, good)
    run(*tables)
    return means, spread, good & _are_moments(means, spread)


def _are_moments(means: Array, spread: Array) -> NDArray[np.bool_]:
    """Finite, not run away, and, to the error of the integration, means >= 0 and covariances semidefinite: [N]."""
    finite = np.asarray(np.isfinite(means).all(axis=1) & np.isfinite(spread).all(axis=(1, 2)))
    values = np.linalg.eigvalsh(np.where(finite[:, None, None], spread, 0.0))
    positive = (means > -TOLERANCE).all(axis=1) & (values[:, 0] >= -TOLERANCE * (1 + values[:, -1]))
    kept = (np.einsum("nss->ns", spread) <= _widest(means) + TOLERANCE).all(axis=1) & (means <= MOST).all(axis=1)
    return np.asarray(finite & positive & kept)


def _widest(means: Array) -> Array:
    return np.asarray(np.minimum(WIDEST * (means + 5) ** 2, HIGHEST * np.maximum(means, LEAST)))


def _narrowed(means: Array, spread: Array) -> Array:
    """Covariances whose variances are no wider than may be, correlations as they were."""
    variances = np.einsum("nss->ns", spread)
    factors = np.sqrt(np.minimum(1.0, _widest(means) / np.maximum(variances, LEAST)))
    return np.asarray(spread * factors[:, :, None] * factors[:, None])


def _positive(spread: Array) -> Array:
    """The nearest matrices without negative eigenvalues."""
    values, vectors = np.linalg.eigh(spread)
    return np.asarray((vectors * np.maximum(values, 0.0)[:, None]) @ vectors.transpose(0, 2, 1))
