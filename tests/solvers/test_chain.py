"""Mixtures over starts and chains of steps, judged on a net that states exact laws."""

import numpy as np
import pytest

import kinetix as kx
from kinetix.distribution import PointMass, Sampled, Tabulated
from kinetix.errors import RunError, SettingError, UnsupportedFeature
from kinetix.problem import Problem
from kinetix.solvers.fsp import FSP
from kinetix.solvers.nets.box import Box
from kinetix.solvers.nets.distance import hellinger
from kinetix.solvers.nets.mixture import Mixture
from kinetix.solvers.nets.trained_met import TrainedMET
from kinetix.space import StateSpace
from tests.exact import birth_death, pooled_chi_squared
from tests.solvers.known_nets import Known, colony, exact, known_net

RNG = np.random.default_rng
N = np.arange(60)
B, D = 2.0, 0.5


def listed(states, p):
    """A law with the given probabilities, as a table."""
    space = StateSpace.box(np.max(states, axis=0).tolist())
    return Tabulated(space, np.bincount(space.index(states), p, minlength=space.size))


# random initial laws -----------------------------------------------------------------------------


def test_a_random_start_is_answered_as_a_mixture():
    """Exact to 1e-9, and the same in batches. Mutants: equal weights; the weights of another start."""
    net, law = known_net(), listed([[0], [3], [20]], [0.2, 0.5, 0.3])
    problem = Problem.of(net.network, [0.0, 2.0, 4.0], initial=law)
    solution = net.solve(problem, rng=RNG(0))
    assert solution.laws[0] is law
    for k, t in ((1, 2.0), (2, 4.0)):
        expected = sum(w * exact(N, n, B, D, t) for n, w in ((0, 0.2), (3, 0.5), (20, 0.3)))
        assert isinstance(solution.laws[k], Mixture)
        np.testing.assert_allclose(np.exp(solution.laws[k].log_prob(N[:, None])), expected, atol=1e-9)
        table = solution.marginal("X", t)[:60]  # in single precision
        np.testing.assert_allclose(table, expected[: len(table)], atol=1e-7)
        assert solution.mean("X")[k] == pytest.approx(4 * (1 - np.exp(-D * t)) + 7.5 * np.exp(-D * t), rel=1e-6)
    thetas = np.array([[B, D], [3.0, 0.9]])
    late = Problem.of(net.network, [2.0, 4.0], initial=law)
    answer = net.log_prob_batch(late, thetas, [N[:, None], N[:5, None]], [0], rng=RNG(0))
    np.testing.assert_allclose(answer[0][0], solution.laws[1].log_prob(N[:, None]), atol=1e-9)
    expected = sum(w * exact(N[:5], n, 3.0, 0.9, 4.0) for n, w in ((0, 0.2), (3, 0.5), (20, 0.3)))
    np.testing.assert_allclose(np.exp(answer[1][1]), expected, atol=1e-9)


def test_mixtures_of_two_species_are_correlated_as_their_starts():
    """Mutants: the marginals of the starts mixed apart; draws from all starts alike."""
    net = known_net(("X", "Y"), cap=40)
    law = listed([[0, 0], [20, 20]], [0.3, 0.7])
    solution = net.solve(Problem.of(net.network, [1.0], initial=law), rng=RNG(0))
    mixture = solution.laws[0]
    kept = np.exp(-D)
    assert solution.covariance("X", "Y")[0] == pytest.approx(84 * kept**2, rel=1e-6)
    expected = sum(w * np.outer(*[exact(N[:41], n, B, D, 1.0)] * 2) for n, w in ((0, 0.3), (20, 0.7)))
    table = solution.joint(("X", "Y"), 1.0)
    np.testing.assert_allclose(table, expected[: len(table), : len(table[0])], atol=1e-7)
    pairs = np.stack(np.meshgrid(N[:41], N[:41], indexing="ij"), axis=-1)
    np.testing.assert_allclose(np.exp(mixture.log_prob(pairs)), expected, atol=1e-9)
    assert mixture.tabulated().p.sum() == pytest.approx(1.0, abs=1e-6)
    draws = mixture.sample(8000, rng=RNG(1))
    spread = np.sqrt(np.diag(solution.covariance()[0]) / len(draws))
    assert (np.abs(draws.mean(axis=0) - solution.mean()[0]) < 5 * spread).all()
    assert pooled_chi_squared(draws @ [41, 1], expected.ravel()) > 1e-4


def test_without_a_table_marginals_are_still_summed(monkeypatch):
    """Mutant: the prefixes of one context taken for those of the next."""
    net = known_net(("X", "Y"), cap=40)
    law = listed([[0, 0], [20, 5]], [0.25, 0.75])
    problem = Problem.of(net.network, [1.0], initial=law)
    whole = net.solve(problem, rng=RNG(0)).laws[0]
    monkeypatch.setattr("kinetix.solvers.nets.net_law.OfNet._is_tabled", False)
    monkeypatch.setattr("kinetix.solvers.nets.net_law.DRAWS", 50)
    part = net.solve(problem, rng=RNG(0)).laws[0]
    assert part.tabulated() is None
    assert isinstance(part.marginal([0]), Tabulated)
    assert isinstance(part.marginal([1, 0]), Tabulated)
    for axes in ([1, 0], [0], [1]):
        table = whole.marginal(axes).table()
        cut = tuple(slice(n) for n in table.shape)
        np.testing.assert_allclose(part.marginal(axes).table()[cut], table, atol=1e-7)


def test_laws_of_other_kinds_start_a_net_too():
    net = known_net()
    drawn = Sampled(np.array([[3], [3], [20], [0]]))
    solution = net.solve(Problem.of(net.network, [2.0], initial=drawn), rng=RNG(0))
    expected = sum(w * exact(N, n, B, D, 2.0) for n, w in ((0, 0.25), (3, 0.5), (20, 0.25)))
    np.testing.assert_allclose(np.exp(solution.laws[0].log_prob(N[:, None])), expected, atol=1e-9)
    again = net.solve(Problem.of(net.network, [1.0], initial=known_law(net)), rng=RNG(0))
    assert again.mean("X")[0] == pytest.approx(4 * (1 - np.exp(-D * 3)), rel=1e-5)


def known_law(net):
    """A law that a net states, to start from."""
    return net.solve(Problem.of(net.network, [2.0]), rng=RNG(0)).laws[0]


def test_starts_outside_the_box_are_refused_by_name():
    net = known_net(starts=(0, 10))
    far = listed([[0], [11]], [0.9, 0.1])
    with pytest.raises(SettingError, match=r"X = 11 lies outside the training box \[0, 10\]"):
        net.solve(Problem.of(net.network, [1.0], initial=far), rng=RNG(0))
    faint = listed([[0], [11]], [1 - 1e-10, 1e-10])
    assert net.solve(Problem.of(net.network, [1.0], initial=faint), rng=RNG(0)).laws[0].weights.tolist() == [1 - 1e-10]


# chains ------------------------------------------------------------------------------------------


def chain(net, times, initial=None, seed=1, **settings):
    return kx.solve(net.network, times, solver=net.chained(**settings), initial=initial, seed=seed)


def test_the_law_is_the_nets_given_the_states_before():
    """To 1e-9, from the paths themselves. Mutants: weights forgotten; the states after instead of before."""
    net = known_net()
    solution = chain(net, [0.0, 2.0, 3.0], paths=500)
    paths = solution.trajectories
    assert paths.shape == (500, 3, 1)
    assert paths.dtype == np.int64
    assert (paths[:, 0] == 0).all()
    assert isinstance(solution.laws[0], PointMass)
    np.testing.assert_allclose(np.exp(solution.laws[1].log_prob(N[:, None])), exact(N, 0, B, D, 2.0), atol=1e-9)
    before, repeats = np.unique(paths[:, 1, 0], return_counts=True)
    expected = sum(r / 500 * exact(N, n, B, D, 1.0) for n, r in zip(before, repeats, strict=True))
    np.testing.assert_allclose(np.exp(solution.log_prob(N[:, None], 3.0)), expected, atol=1e-9)
    table = solution.marginal("X", 3.0)[:60]  # in single precision
    np.testing.assert_allclose(table, expected[: len(table)], atol=1e-7)


def test_paths_have_the_law_and_its_memory():
    """Means, variances and the correlation of two times, |z| < 5. Mutant: the paths shuffled between steps."""
    net, n = known_net(cap=25), 6000
    solution = chain(net, [2.0, 3.0], paths=n)
    x = solution.trajectories[:, :, 0].astype(float)
    mean = B / D * (1 - np.exp(-D * np.array([2.0, 3.0])))
    assert (np.abs(x.mean(axis=0) - mean) < 5 * np.sqrt(mean / n)).all()
    assert (np.abs(x.var(axis=0) - mean) < 5 * np.sqrt((2 * mean**2 + mean) / n)).all()
    correlation = np.sqrt(mean[0] / mean[1]) * np.exp(-D)
    assert abs(np.corrcoef(x.T)[0, 1] - correlation) < 5 * (1 - correlation**2) / np.sqrt(n)
    floor = np.sqrt((np.sqrt(exact(N, 0, B, D, 3.0)).sum() ** 2 - 1) / (8 * n))
    stated = np.exp(solution.log_prob(N[:, None], 3.0))
    assert hellinger(stated, exact(N, 0, B, D, 3.0)) < floor / 2


def test_times_beyond_the_interval_are_reached_in_steps():
    net = known_net(cap=25)
    solution = chain(net, [1.0, 17.0], paths=1000)
    assert solution.meta["steps"] == 5  # 1, then 16 = 4 steps of 4 <= 5
    stated = np.exp(solution.log_prob(N[:, None], 17.0))
    assert hellinger(stated, exact(N, 0, B, D, 17.0)) < 0.03
    assert chain(net, [1.0, 17.0], paths=10, step=2.0).meta["steps"] == 9
    assert solution.meta["solver"] == "Chained"
    assert solution.meta["settings"]["paths"] == 1000


def test_a_random_start_is_chained():
    """The first law is mixed by the exact weights. Mutant: by the drawn ones."""
    net, law = known_net(), listed([[0], [20]], [0.3, 0.7])
    solution = chain(net, [0.0, 2.0], initial=law, paths=50)
    expected = 0.3 * exact(N, 0, B, D, 2.0) + 0.7 * exact(N, 20, B, D, 2.0)
    np.testing.assert_allclose(np.exp(solution.log_prob(N[:, None], 2.0)), expected, atol=1e-9)
    assert set(solution.trajectories[:, 0, 0]) == {0, 20}


def test_paths_that_leave_the_box_are_counted_or_stop_the_run():
    """Mutants: no count; the count of states instead of paths; states at output times changed."""
    net = known_net(starts=(0, 2))
    with pytest.raises(RunError, match=r"% of the paths left the box of starts \(as far as X = \d+\)"):
        chain(net, [1.0, 2.0], paths=400)
    solution = chain(net, [1.0, 2.0], paths=400, outside=1.0)
    first = solution.trajectories[:, 0, 0]
    assert (first > 2).any()
    assert solution.meta["left_box"] == {
        "share": pytest.approx((first > 2).mean()), "limit": 1.0, "extreme": {"X": first.max()}
    }  # fmt: skip
    assert [f["code"] for f in solution.meta["findings"]] == ["KX302"]
    shares = np.bincount(np.minimum(first, 2)) / 400  # they go on from the nearest start
    expected = sum(w * exact(N, n, B, D, 1.0) for n, w in enumerate(shares))
    np.testing.assert_allclose(np.exp(solution.log_prob(N[:, None], 2.0)), expected, atol=1e-9)
    assert chain(known_net(), [1.0, 2.0], paths=400).meta["left_box"]["share"] == 0


def test_what_does_not_chain_is_refused():
    box = Box.of(colony(), {"birth": (1.0, 4.0), "death": (0.25, 1.0)}, (0.0, 5.0))
    known = known_net()
    still = TrainedMET(box, Known(known.net.layout, box.encoding), known.settings, 0)
    with pytest.raises(UnsupportedFeature, match="knows one start of X only"):
        still.chained()
    with pytest.raises(SettingError, match="birth = 9"):
        kx.solve(known.network, [1.0], solver=known.chained(), parameters={"birth": 9.0}, seed=1)
    with pytest.raises(SettingError, match="another network"):
        kx.solve(birth_death(2.0, 0.5), [1.0], solver=known.chained(), seed=1)
    for wrong in ({"paths": 0}, {"step": 0.0}, {"outside": 2.0}):
        with pytest.raises(SettingError, match=next(iter(wrong))):
            known.chained(**wrong)
    with pytest.raises(SettingError, match="did you mean 'paths'"):
        kx.solve(known.network, [1.0], solver=known.chained(), seed=1, path=3)
    with pytest.raises(SettingError, match="use a longer step"):
        chain(known, [1.0], step=1e-6)


def test_a_chain_is_a_function_of_its_seed():
    net = known_net()
    first, same, other = (chain(net, [1.0, 2.0], paths=100, seed=s).trajectories for s in (1, 1, 2))
    assert (first == same).all()
    assert (first != other).any()


def test_the_smooth_laws_are_saved_with_the_paths(tmp_path):
    """And their covariance is theirs, not that of a sample. Mutant: only the paths are stored."""
    net = known_net()
    solution = chain(net, [0.0, 2.0, 3.0], paths=3)
    assert solution.std("X")[1] ** 2 == pytest.approx(4 * (1 - np.exp(-1.0)), rel=1e-5)
    solution.save(tmp_path / "run.nc")
    back = kx.open(tmp_path / "run.nc")
    assert (back.trajectories == solution.trajectories).all()
    for t in solution.times:
        np.testing.assert_allclose(
            np.exp(back.log_prob(N[:, None], t)), np.exp(solution.log_prob(N[:, None], t)), atol=1e-7
        )


def test_a_law_of_the_exact_solver_starts_a_chain():
    """What fsp says at t = 1, carried on to t = 3."""
    net = known_net(cap=60)
    law = FSP().solve(Problem.of(net.network, [1.0])).laws[0]
    solution = chain(net, [2.0], initial=law, paths=10)
    assert hellinger(np.exp(solution.log_prob(N[:, None], 2.0)), exact(N, 0, B, D, 3.0)) < 1e-5
