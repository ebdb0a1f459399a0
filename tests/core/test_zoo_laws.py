"""The harder systems of the zoo: conservation laws, exact laws and moments from oracles of their own."""

import numpy as np
import pytest
import scipy.interpolate
import scipy.linalg
import scipy.stats

import kinetix as kx
from kinetix.compiler import compile_network
from tests import exact
from tests.core import zoo_built
from tests.core.test_zoo import CASCADE, MODELS, NAMES, zoo

LAWS = {
    "bursting": [{"Goff", "Gon"}],
    "early_life": [{"A", "D", "L"}],
    "feed_forward_loop": [{"a"}, {"b", "bA"}, {"c", "cA", "cB"}],
    "mapk16": [{"S1", "S10", "S11", "S12", "S13", "S14", "S15"}],
}


@pytest.mark.parametrize("name", NAMES)
def test_conservation_laws(name: str) -> None:
    network = zoo(name)
    found = network.conservation_laws()
    assert {int(w) for w in found.ravel()} <= {0, 1}
    kept = {frozenset(np.array(network.species_names)[law > 0].tolist()) for law in found}
    assert kept == {frozenset(names) for names in LAWS.get(name, [])}


def sampled(name: str, times: list[float], paths: int = 20_000, **parameters: float) -> kx.Solution:
    return kx.solve(zoo(name), times, solver="ssa", paths=paths, parameters=parameters, seed=4)


def worst(states: np.ndarray, law: np.ndarray, draws: np.ndarray) -> float:
    """The largest |z| of the means of draws [n, S] against a law [N] on states [N, S]."""
    mean = law @ states / law.sum()
    sd = np.sqrt(law @ (states - mean) ** 2 / law.sum())
    moved = states.max(axis=0) > states.min(axis=0)
    assert (draws[:, ~moved] == states[0, ~moved]).all()
    return exact.worst_z(draws[:, moved], mean[moved], sd[moved])


def test_fast_birth_and_death_is_the_slow_one_a_hundred_times_as_fast() -> None:
    fast, slow = kx.solve(zoo("birth_death_fast"), [0.98]), kx.solve(zoo("birth_death"), [98.0])
    counts = {"X": np.arange(30)}
    assert np.allclose(np.exp(fast.log_prob(counts, 0.98)), np.exp(slow.log_prob(counts, 98.0)), atol=1e-9)


def test_bursting_is_the_telegraph_gene() -> None:
    """The stationary law is that of a Beta-Poisson, and variance over mean is 1 + burst size * a share."""
    solution = kx.solve(zoo("bursting"), [20.0], solver="fsp")
    pmf = solution.marginal("M", 20.0)
    assert np.abs(pmf - exact.beta_poisson_pmf(0.5, 5.0, 200.0, len(pmf))).sum() < 1e-6
    assert np.isclose(solution.std("M")[0] ** 2 / solution.mean("M")[0], 1 + 200 * 5 / (5.5 * 6.5), rtol=1e-4)


def test_the_linear_cascade_is_a_product_of_poissons() -> None:
    """Means and variances to the printed digit within sampling error, every marginal, and no covariance."""
    draws = sampled("cascade15", [10.0]).trajectories[:, 0]
    mean = exact.first_order_means(compile_network(zoo("cascade15")), 10.0)
    assert np.allclose(mean, CASCADE, atol=5.1e-4)
    assert exact.worst_z(draws, mean, np.sqrt(mean)) < 5
    assert exact.worst_variance_z(draws, np.sqrt(mean), 3 * mean**2 + mean) < 5
    for k, m in enumerate(mean):
        assert exact.pooled_chi_squared(draws[:, k], scipy.stats.poisson.pmf(np.arange(25), m)) > 1e-4
    correlation = np.corrcoef(draws.T)[np.triu_indices(15, 1)]
    assert np.abs(correlation).max() * np.sqrt(len(draws)) < 5


def test_the_cascade_with_feedback_balances() -> None:
    """Stationary flows: mean X1 is E[feed]/6, X_i is 5/6 of the one before, the last 5 of X14."""
    draws = sampled("cascade15_feedback", [20.0], paths=10_000).trajectories[:, 0].astype(float)
    inflow = 1 + 100 / (10 + draws[:, -1])
    chain = np.column_stack([inflow - 6 * draws[:, 0], 5 * draws[:, :13] - 6 * draws[:, 1:14]])
    balance = np.column_stack([chain, 5 * draws[:, 13] - draws[:, 14]])
    assert exact.worst_z(balance, np.zeros(15), balance.std(axis=0)) < 5


def test_the_saturating_cascade_balances() -> None:
    """X1 alone has the stationary law of births and deaths; below it the flows balance.

    Mutants seen to fail: half = 60; no guard at zero molecules, where the run stops.
    """
    draws = sampled("cascade15_hill", [8.0], paths=2_000).trajectories[:, 0].astype(float)
    passed = np.where(draws >= 1, 16.67 + 1666.7 * draws / (66.7 + draws), 0.0)
    inflow = np.column_stack([np.full(len(draws), 166.7), passed[:, :14]])
    outflow = np.column_stack([passed[:, :14], np.zeros(len(draws))])
    balance = inflow - outflow - 2.5 * draws
    assert exact.worst_z(balance, np.zeros(15), balance.std(axis=0)) < 5
    x = np.arange(1.0, 60.0)
    law = np.cumprod([1.0, *166.7 / (16.67 + 1666.7 * x / (66.7 + x) + 2.5 * x)])
    assert exact.pooled_chi_squared(draws[:, 0].astype(int), law / law.sum()) > 1e-4


def test_early_life_by_projection() -> None:
    """A alone is a chain of births and deaths on 0..100; D and L mirror one another; trajectories agree."""
    times = [1.0, 8.0]
    solution = kx.solve(zoo("early_life"), times, solver="fsp")
    a = np.arange(101.0)
    down, up = a * (100 - a + 2), 100 - a  # A + X -> 2 X and A -> X by two forms; X -> A
    chain = np.diag(up[:-1], -1) + np.diag(down[1:], 1) - np.diag(up + down)
    draws = sampled("early_life", times, paths=5_000).trajectories
    assert set(draws.sum(axis=2).ravel()) == {100}
    for k, t in enumerate(times):
        law = scipy.linalg.expm(chain * t)[:, 2]
        found = solution.marginal("A", t)
        assert np.abs(found - law[: len(found)]).sum() < 1e-8
        one, other = solution.marginal("D", t), solution.marginal("L", t)
        assert np.allclose(one, other, atol=1e-9)
        assert exact.pooled_chi_squared(draws[:, k, 1], one) > 1e-4
    assert np.isclose(solution.mean().sum(axis=1), 100, atol=1e-6).all()


def test_a_small_epidemic_by_projection() -> None:
    """Eleven people: the exact law by a Runge-Kutta method of order eight. Mutant seen to fail: time frozen at 0."""
    network, times = zoo("epidemic").replace(initial={"S": 8, "I": 3, "R": 0}), [2.0, 20.0]
    solution = kx.solve(network, times, solver="fsp")
    states, laws = zoo_built.plain_law_in_time(compile_network(zoo_built.epidemic((8, 3, 0))), times)
    for t, law in zip(times, laws, strict=True):
        assert abs(law.sum() - 1) < 1e-8
        assert np.abs(np.exp(solution.log_prob(states, t)) - law).sum() < 1e-7


def test_the_epidemic_by_trajectories() -> None:
    """Sixty people who only die: 39,711 states. Mutant seen to fail: the swing's sign."""
    times = [3.0, 8.0]
    states, laws = zoo_built.plain_law_in_time(compile_network(zoo_built.epidemic()), times)
    assert len(states) == 39_711
    draws = sampled("epidemic", times).trajectories
    for k, law in enumerate(laws):
        assert worst(states, law, draws[:, k]) < 5
        for s in range(3):
            assert exact.pooled_chi_squared(draws[:, k, s], np.bincount(states[:, s], law)) > 1e-4


@pytest.mark.slow
def test_the_epidemic_by_projection() -> None:
    solution = kx.solve(zoo("epidemic"), [3.0, 20.0], solver="fsp")
    states, laws = zoo_built.plain_law_in_time(compile_network(zoo_built.epidemic()), [3.0, 20.0])
    for t, law in zip(solution.times, laws, strict=True):
        assert np.abs(np.exp(solution.log_prob(states, t)) - law).sum() < 1e-6


@pytest.mark.parametrize("folds", [(3.0, 0.5, 5.0), (0.1, 2.75, 5.0)])
def test_the_feed_forward_loop_by_trajectories(folds: tuple[float, float, float]) -> None:
    """Genes, A and B against their exact law (C feeds nothing back); C by the balance of its flows.

    Mutants seen to fail: fold_cA and fold_cB exchanged; bA making C.
    """
    k1, k2, k3 = folds
    end = 6.0
    model = compile_network(zoo_built.feed_forward_loop(k1, k2, k3, output=False))
    times = np.linspace(end / 12, end, 12)
    states, laws = zoo_built.plain_law(model, times, lambda n: (n[:, 3] <= 30) & (n[:, 4] <= 60))
    assert 1 - laws[-1].sum() < 1e-4
    draws = sampled("feed_forward_loop", [end], fold_bA=k1, fold_cB=k2, fold_cA=k3).trajectories[:, 0]
    names = zoo("feed_forward_loop").species_names
    at = [names.index(n) for n in model.network.species_names]
    assert worst(states, laws[-1], draws[:, at]) < 5
    genes = np.vstack([model.initial, laws @ states])[:, [2, 6, 7]]  # c, cA, cB at 0 and the times
    nodes = np.linspace(0, end, 2001)
    feed = scipy.interpolate.CubicSpline([0, *times], genes @ [10.0, 10 * k3, 10 * k2])(nodes)
    mean = np.trapezoid(feed * np.exp(nodes - end), nodes)
    made = draws[:, names.index("C")]
    assert abs(made.mean() - mean) / (made.std() / np.sqrt(len(made))) < 5


def test_the_signalling_cascade_by_trajectories() -> None:
    """Against its exact law where at most two kinases and four substrates are about (all but 2e-4 of it)."""
    model = compile_network(exact.mapk16())
    kinase, substrate = [0, 6, 7, 8, 9], [2, 3, 4, 5, *range(6, 16)]

    def few(counts: np.ndarray) -> np.ndarray:
        return (counts[:, kinase].sum(axis=1) <= 2) & (counts[:, substrate].sum(axis=1) <= 4)

    states, laws = zoo_built.plain_law(model, [20.0, 100.0], few)
    assert 1 - laws[-1].sum() < 1e-3
    draws = sampled("mapk16", [20.0, 100.0]).trajectories
    for k, law in enumerate(laws):
        assert worst(states, law, draws[:, k]) < 5


@pytest.mark.parametrize(("folds", "modes"), [({}, 2), ({"fold_bA": 0.1, "fold_cB": 2.75, "fold_cA": 5.0}, 3)])
def test_modes_of_the_feed_forward_loop(folds: dict[str, float], modes: int) -> None:
    """The file's own values give C two modes, those of its comment three: peaks of 10,000 cells, smoothed."""
    cells = sampled("feed_forward_loop", [30.0], paths=10_000, **folds).trajectories[:, 0, 5]
    weights = np.exp(-0.5 * (np.arange(-7, 8) / 2.5) ** 2)
    seen = np.convolve(np.bincount(cells, minlength=90) / len(cells), weights / weights.sum(), "same")
    peaks = [k for k in range(1, 89) if seen[k - 1] < seen[k] >= seen[k + 1] and seen[k] > 5e-3]
    assert len(peaks) == modes
    assert (
        "(0.1, 2.75, 5) three: fold_bA = 0.1, fold_cB = 2.75, fold_cA = 5."
        in (MODELS / "feed_forward_loop.ant").read_text()
    )
