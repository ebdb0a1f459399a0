"""Random initial laws put to the general net that comes with kinetix: mixtures against exact laws."""

import numpy as np
import pytest

import kinetix as kx
from kinetix.distribution import Sampled
from kinetix.listed import Listed
from kinetix.solvers.general import answers
from tests import exact

pytestmark = pytest.mark.filterwarnings("ignore::kinetix.solvers.general.answers.DoubtfulAnswerWarning")

DIMERS = Sampled(np.array([[a, 0] for a in (6, 6, 6, 7, 8, 9, 11, 12)]))
"""Starts whose conserved sums differ."""


CASES = [(exact.autoregulation(), None), (exact.gene_expression(), None), (exact.dimerisation(start=9), DIMERS)]
"""Networks and initial laws; None for the exact law at t = 0.3."""


@pytest.mark.parametrize(("network", "initial"), CASES, ids=("loop", "gene", "dimers"))
def test_mixtures_are_near_the_exact_laws(network, initial):
    """Below 0.06 as single answers of these are. Mutants seen to fail: starts that weigh the same; the sums of the
    first start for all; the first start alone.
    """
    initial = kx.solve(network, [0.3], solver="fsp").laws[0] if initial is None else initial
    found = kx.solve(network, [1.5], solver="general", seed=1, initial=initial)
    true = kx.solve(network, [1.5], solver="fsp", initial=initial)
    table = true.laws[0]
    states, p = table.space.states(np.nonzero(table.p > 0)[0]), table.p[table.p > 0]
    with np.errstate(under="ignore"):
        overlap = np.sqrt(p * np.exp(found.laws[0].log_prob(states))).sum()
    assert np.sqrt(1 - min(overlap, 1.0)) < 0.06
    np.testing.assert_allclose(found.mean()[0], true.mean()[0], atol=0.05 * (1 + true.std()[0].max()))
    assert found.laws[0].tabulated().p.sum() == pytest.approx(1.0, abs=1e-3)
    (trust,) = found.meta["trust"]
    assert 0 < trust["distance"] < 0.2


def test_sums_that_no_start_has_have_no_probability():
    """Monomers and twice the dimers: 6 to 12, but for 10. Mutant seen to fail: the sums of the first start for all."""
    network = exact.dimerisation(start=9)
    law = kx.solve(network, [1.0], solver="general", seed=1, initial=DIMERS).laws[0]
    for total in range(5, 14):
        states = [[total - 2 * d, d] for d in range(total // 2 + 1)]
        share = np.mean(DIMERS.counts.sum(axis=1) == total)
        assert np.exp(law.log_prob(states)).sum() == pytest.approx(share, abs=1e-3)


def test_what_is_checked_weighs_the_same(monkeypatch):
    """Mutant seen to fail: the first states of the initial law."""
    monkeypatch.setattr(answers, "LOOKED_AT", 4)
    starts, weights = np.arange(5)[:, None], np.array([0.5, 0.02, 0.23, 0.02, 0.23])
    np.testing.assert_array_equal(answers._some(starts, weights)[:, 0], [0, 0, 2, 4])


def test_mass_that_is_missing_stays_missing():
    """Of one state as of several. Mutant seen to fail: a single state taken for all."""
    network = exact.gene_expression()
    half = Listed(np.array([[3, 20]]), np.array([0.5]))
    law = kx.solve(network, [1.0], solver="general", seed=1, initial=half).laws[0]
    assert law.tabulated().p.sum() == pytest.approx(0.5, abs=1e-3)
    with pytest.raises(kx.SettingError, match="no state of any probability"):
        kx.solve(network, [1.0], solver="general", initial=Listed(np.array([[3, 20]]), np.array([0.0])))


def test_three_states_of_a_gene():
    """A count that follows from two is negative on prefixes that cannot be. Mutant seen to fail: an IndexError."""
    gene = kx.parse("""
        species A = 1, B = 0, C = 0, M = 0
        A -> B; A
        B -> A; 2*B
        B -> C; B
        C -> B; C
        -> M; 10*C
        M -> ; M
    """)
    found, true = (kx.solve(gene, [2.0], solver=solver, seed=1) for solver in ("general", "fsp"))
    np.testing.assert_allclose(found.mean()[0], true.mean()[0], atol=0.3)
    assert found.laws[0].tabulated().p.sum() == pytest.approx(1.0, abs=1e-3)


def test_too_many_starts_are_refused_by_name():
    counts = np.stack(np.meshgrid(np.arange(70), np.arange(70)), axis=-1).reshape(-1, 2)
    with pytest.raises(kx.UnsupportedFeature, match="4900 states, more than 4096"):
        kx.solve(exact.gene_expression(), [1.0], solver="general", initial=Sampled(counts))
