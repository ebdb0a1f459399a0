"""Posteriors against closed forms, from a likelihood that is exact, one that is wrong, and one that cannot say."""

import warnings
from dataclasses import dataclass, field

import numpy as np
import pytest
from scipy import stats

import kinetix as kx
from kinetix.distribution import Tabulated
from kinetix.errors import DataError, RunError, SettingError, TruncationError
from kinetix.expressions import symbol
from kinetix.inference import sampling
from kinetix.inference.diagnostics import Diagnostics
from kinetix.inference.likelihood import Likelihood
from kinetix.inference.log_posterior import LogPosterior
from kinetix.inference.samplers import ensembles
from kinetix.inference.samplers.reweighting import GATE, weigh
from kinetix.solution import Solution
from kinetix.space import StateSpace

TIME, CELLS, TRUTH = 2.0, 60, 3.0
PRIOR = {"k": kx.prior.gamma(2.0, 0.5)}


def network():
    """Births alone: X at time t is Poisson of mean k t, so a gamma prior of k is conjugate."""
    return kx.ReactionNetwork(
        [kx.Species("X", 0)], [kx.Parameter("k", TRUTH)], [kx.Reaction("birth", {}, {"X": 1}, symbol("k"))]
    )


def cells(seed=0):
    counts = np.random.default_rng(seed).poisson(TRUTH * TIME, CELLS)
    return kx.Observations.from_counts(["X"], np.full(CELLS, TIME), counts[:, None])


def conjugate(data):
    """The exact posterior of k: gamma of shape a + sum, rate 1 / scale + n t."""
    return stats.gamma(2.0 + data.counts(0).sum(), scale=1 / (2.0 + data.cells * TIME))


@dataclass(frozen=True)
class Poisson:
    """The exact law, times `slip` in the mean; `told` is the bound it states, `box` what it was trained over."""

    slip: float = 1.0
    told: float | None = 0.0
    top: int = 200

    def solve(self, problem, *, rng):
        del rng
        laws = [
            Tabulated(
                StateSpace.box([self.top]), stats.poisson.pmf(np.arange(self.top + 1), self.slip * problem.theta[0] * t)
            )
            for t in problem.times
        ]
        return Solution.of(problem, laws, error=self.told)

    def log_prob_batch(self, problem, thetas, counts, axes, *, rng):
        del axes, rng
        mean = self.slip * np.asarray(thetas)[:, :1]
        return [stats.poisson.logpmf(c[:, 0], mean * t) for t, c in zip(problem.times, counts, strict=True)]


@dataclass(frozen=True)
class Net(Poisson):
    """The same with a box, as trained nets have one."""

    told: float | None = None
    box: dict = field(default_factory=lambda: {"k": (0.0, 50.0)})


@dataclass(frozen=True)
class Refusing(Poisson):
    """An exact solver for which the law is too large."""

    def log_prob_batch(self, *_, **__):
        raise TruncationError("the law needs a window of 10 states", place="fsp")


def inferred(likelihood=Poisson(), *, seed=1, data=None, **settings):
    return sampling.infer(
        network(), data or cells(), prior=PRIOR, likelihood=likelihood, rng=np.random.default_rng(seed), **settings
    )


def score(draws, law):
    """Distances of mean and log-variance of draws from a law, were all of them independent: [2]."""
    n = draws.size
    return np.array([(draws.mean() - law.mean()) / law.std(), (np.log(draws.var() / law.var())) / 2]) * np.sqrt(n)


@pytest.fixture(scope="module")
def posterior():
    return inferred()


def test_the_posterior_is_the_conjugate_one(posterior):
    """Mutants seen to fail: no Jacobian; the likelihood counted twice; errors of log k taken for those of k."""
    law = conjugate(cells())
    rows = posterior.diagnostics["k"]
    assert posterior.trusted
    assert abs(posterior.mean()[0] - law.mean()) < 5 * rows["mcse"]
    inflation = np.sqrt(posterior.flat.size / rows["ess_bulk"])
    assert np.abs(score(posterior.flat[:, 0], law) / inflation).max() < 5
    for q in (0.05, 0.25, 0.75, 0.95):
        below = np.mean(posterior.flat[:, 0] < law.ppf(q))
        assert abs(below - q) < 5 * np.sqrt(q * (1 - q) / rows["ess_tail"])


def test_the_log_density_is_that_of_the_parameters_own_units(posterior):
    """Mutant: the density on the unconstrained scale, with its Jacobian."""
    at, law = posterior.flat[::997, 0], conjugate(cells())
    gap = posterior.log_density.ravel()[::997] - law.logpdf(at)
    assert np.ptp(gap) < 1e-8


def test_the_same_seed_gives_the_same_draws_and_another_does_not(posterior):
    again, other = inferred(), inferred(seed=2)
    assert np.array_equal(posterior.draws, again.draws)
    assert not np.array_equal(posterior.draws[:, :100], other.draws[:, :100])


def test_ensembles_are_independent(posterior):
    """Mutant: one stream for all ensembles, whose chains then agree to the bit."""
    assert len(np.unique(posterior.draws[:, 0, 0])) == 4


def test_a_walk_that_starts_in_its_target_stays_there():
    """150 ensembles of exact draws, 20 moves each: rank chi-squared. Mutant: a density raised to the power 0.8."""
    law = stats.gamma(5.0, scale=0.3)
    rng = np.random.default_rng(4)
    ends = []
    for _ in range(150):
        walk = ensembles.steps(
            lambda u: law.logpdf(np.exp(u[:, 0])) + u[:, 0], np.log(law.rvs((8, 1), random_state=rng)), rng=rng
        )
        for _ in range(20):
            u = next(walk).u
        ends.append(np.exp(u[rng.integers(8), 0]))  # one walker an ensemble: those of one are not independent
    observed = np.bincount((law.cdf(np.array(ends)) * 10).astype(int), minlength=10)
    assert stats.chisquare(observed).pvalue > 1e-4


def test_a_start_from_a_prior_that_is_far_too_wide_reaches_the_posterior():
    """Mutant: walkers left where the prior put them, of which some are still there after 30 moves."""
    fit = Likelihood(Poisson(), kx.Problem.of(network(), [TIME]), cells(), ("k",))
    target = LogPosterior(fit, {"k": kx.prior.log_uniform(1e-6, 1e4)})
    k = target.constrained(ensembles.start(target, 32, rng=np.random.default_rng(3)))[:, 0]
    law = stats.gamma(cells().counts(0).sum(), scale=1 / (CELLS * TIME))
    assert np.all(np.abs(k - law.mean()) < 6 * law.std())
    assert 0.4 < k.std() / law.std() < 2.0


def test_the_next_power_keeps_the_share_of_weight_that_was_asked():
    fit = np.random.default_rng(0).normal(size=1000) * 100
    step = ensembles.next_step(fit, 1.0, 500)
    w = np.exp(step * (fit - fit.max()))
    assert w.sum() ** 2 / (w @ w) == pytest.approx(500, rel=0.01)
    assert ensembles.next_step(fit / 1e6, 0.25, 500) == 0.25


def test_ctrl_c_gives_back_what_there_is():
    told = []

    def stop(entry):
        told.append(entry)
        if entry["step"] > 20:
            raise KeyboardInterrupt

    found = inferred(progress=stop, steps=5000)
    assert not found.complete
    assert not found.trusted
    assert 15 <= found.meta["settings"]["steps"] < 5000
    assert 0 < told[-1]["fraction"] < 1
    assert told[-1]["seconds_left"] > 0
    assert "NOT COMPLETE" in str(found.summary())


def test_ctrl_c_before_the_first_steps_ends_every_walk_at_once():
    """Mutant seen to fail: no word to the other threads, which go on until their walkers have reached the posterior."""
    calls = []

    class Interrupted(Poisson):
        def log_prob_batch(self, problem, thetas, counts, axes, *, rng):
            calls.append(len(thetas))
            if len(calls) == 6:
                raise KeyboardInterrupt
            return super().log_prob_batch(problem, thetas, counts, axes, rng=rng)

    with pytest.raises(KeyboardInterrupt):
        inferred(Interrupted())
    assert len(calls) <= 12


def test_too_few_steps_are_said_not_to_have_converged():
    found = inferred(steps=40)
    assert not found.converged
    assert found.complete
    assert "NOT CONVERGED" in str(found.summary())
    assert "KX201" in {f.code for f in found.check()}


# a likelihood that is not exact ---------------------------------------------------------------------


def test_a_net_that_is_right_is_certified():
    found = inferred(Net(), exact=Poisson())
    assert found.gate["certified"]
    assert found.gate["efficiency"] == pytest.approx(1)
    assert found.gate["evaluations"] == 500
    assert found.trusted


@pytest.mark.parametrize(("way", "low"), [("reweighting", 0.5), ("sub-chains", 0.9), ("auto", 0.9)])
def test_a_net_that_is_wrong_is_corrected(way, low):
    """A mean 3 % off shifts k by 0.6 sd; exact likelihoods carry it back, and sub-chains waste fewer of them.

    Mutants seen to fail: weights upside down; no weights.
    """
    law = conjugate(cells())
    found = inferred(Net(slip=1.03), exact=Poisson(), exact_draws=2000, correct_by=way)
    assert found.certified
    assert found.corrected
    alone, right = (abs(p.mean()[0] - law.mean()) / law.std() for p in (found.uncorrected(), found))
    assert alone > 0.4
    draws = found.gate["corrected_draws"]
    assert right < 5 / np.sqrt(draws) + 5 * found.diagnostics["k"]["mcse"] / law.std()
    assert low < found.gate["corrected_efficiency"] <= 1
    assert found.gate["method"] == ("reweighting" if way == "reweighting" else "sub-chains")
    assert (found.before is None) == (way == "reweighting")


def test_within_500_exact_likelihoods_sub_chains_leave_400_draws():
    """A net whose own weights leave 60 % of 500. The draws that are kept are weighed by their exact density."""
    found = inferred(Net(slip=1.03), exact=Poisson())
    law = conjugate(cells())
    assert found.gate["method"] == "sub-chains"
    assert found.gate["evaluations"] <= 500
    assert found.gate["corrected_draws"] >= 400
    assert min(found.summary().rows[0].ess_bulk, found.summary().rows[0].ess_tail) >= 400
    assert found.gate["acceptance"] > 0.9
    assert np.ptp(found.log_density - law.logpdf(found.draws[:, :, 0])) < 1e-8
    assert found.uncorrected().draws.shape[1] > 1000
    assert found.weights.shape == found.draws.shape[:2]


def test_a_net_that_is_useless_is_not_certified():
    found = inferred(Net(slip=2.0), exact=Poisson())
    assert not found.gate["certified"]
    assert not found.corrected
    assert found.weights is None
    assert "KX205" in {f.code for f in found.check()}
    assert "NOT CERTIFIED" in str(found.summary())


def test_a_net_without_an_exact_solver_is_not_certified():
    for judge, why in ((None, "no exact solver was asked"), (Refusing(), "needs a window of 10 states")):
        found = inferred(Net(), exact=judge)
        assert not found.certified
        assert not found.trusted
        assert why in found.gate["reason"]


def test_a_solver_that_states_no_error_is_not_taken_for_exact(posterior):
    assert posterior.gate is None
    assert not inferred(Poisson(told=None)).certified


@pytest.mark.parametrize(("bound", "certified"), [(1e-6, True), (0.3, False), (None, False)])
def test_only_a_small_proven_error_is_taken_for_exact(bound, certified):
    """Of a likelihood, and of what judges a net. Mutants seen to fail: any bound will do; judges are not asked."""
    alone, net = inferred(Poisson(told=bound), steps=40), inferred(Net(), exact=Poisson(told=bound), steps=40)
    assert (alone.certified, net.certified) == (certified, certified)
    if not certified:
        assert "of its laws" in alone.gate["reason"]
        assert "of its laws" in net.gate["reason"]
        assert net.weights is None


def test_a_certified_net_may_stay_uncorrected():
    found = inferred(Net(slip=1.001), exact=Poisson(), exact_draws=0)
    assert found.certified
    assert found.weights is None
    assert found.gate["evaluations"] == GATE


@pytest.mark.parametrize("aim", [1, GATE, GATE + 1])
def test_few_exact_draws_are_those_of_the_gate(aim):
    """Mutant seen to fail: as many weights as were aimed at, for more draws."""
    found = inferred(Net(slip=1.001), exact=Poisson(), exact_draws=aim)
    assert found.gate["evaluations"] == pytest.approx(max(aim, GATE), abs=1)
    assert np.count_nonzero(found.weights) == found.gate["evaluations"]


def test_equal_draws_are_weighed_once():
    """Rejected moves repeat a draw: asking for it again is waste. Mutant: no table of distinct draws."""
    asked = []

    def exact(thetas):
        asked.append(len(thetas))
        return np.zeros(len(thetas))

    draws = np.repeat(np.arange(10.0), 30)[:, None]
    found = weigh(exact, draws, np.zeros(300), name="exact", correct=300, rng=np.random.default_rng(0))
    assert sum(asked) <= 20
    assert np.allclose(found.weights, 1 / 300)


# refusals -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"prior": {"k": 3.0}}, "no parameter is free"),
        ({"prior": {"kk": kx.prior.uniform(0, 1)}}, "'kk'"),
        ({"walkers": 2}, "walkers is 2"),
        ({"walkers": 33}, "even"),
        ({"ensembles": 1}, "ensembles is 1"),
        ({"correct_by": "votes"}, "correct_by"),
        ({"steps": 3}, "steps is 3"),
        ({"likelihood": Net(), "prior": {"k": kx.prior.uniform(0, 60)}}, "training box"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, reason):
    arguments = {"prior": PRIOR, "likelihood": Poisson(), **settings}
    with pytest.raises(SettingError, match=reason):
        sampling.infer(network(), cells(), rng=np.random.default_rng(0), **arguments)


def test_cells_that_no_prior_draw_can_make_are_refused():
    class Impossible(Poisson):
        def log_prob_batch(self, problem, thetas, counts, axes, *, rng):
            return [np.full((len(thetas), len(c)), -np.inf) for c in counts]

    with pytest.raises(DataError, match="impossible under all"):
        inferred(Impossible())


def test_a_failure_of_the_solver_stops_the_walk_without_a_trace(capsys):
    """emcee prints a traceback of whatever passes through it."""

    class Failing(Poisson):
        def log_prob_batch(self, problem, thetas, counts, axes, *, rng):
            if len(thetas) < 32:
                raise RunError("the kernel stopped", place="fsp")
            return super().log_prob_batch(problem, thetas, counts, axes, rng=rng)

    with pytest.raises(RunError, match="the kernel stopped"):
        inferred(Failing())
    assert capsys.readouterr() == ("", "")


def test_misspelt_settings_are_refused_with_the_near_one():
    with pytest.raises(SettingError, match=r"walker.*did you mean 'walkers'"):
        kx.infer(network(), cells(), prior=PRIOR, likelihood="fsp", walker=8)


def test_the_verb_finds_the_same_with_fsp(posterior):
    """The whole line: front door, FSP, sampler; KL of a wrong window would show as a shift."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = kx.infer(network(), cells(), prior=PRIOR, seed=5, walkers=8, steps=200)
    law = conjugate(cells())
    assert abs(found.mean()[0] - law.mean()) < 5 * found.diagnostics["k"]["mcse"]
    assert found.meta["seed"] == 5
    assert found.likelihood["solver"] == "FSP"
    assert found.certified
    assert Diagnostics.of(found.draws[:, :, None, :], ("k",)).worst_rhat < 1.05


def test_a_posterior_shows_itself_in_one_line(posterior):
    assert repr(posterior) == f"<Posterior: k from {CELLS} cells, 4 x {posterior.draws.shape[1]} draws, trusted>"
    assert "not to be trusted yet" in repr(inferred(steps=40))


def test_a_posterior_corrected_by_sub_chains_is_stored_whole(tmp_path):
    """Mutant seen to fail: the draws of the chains left out of the file."""
    found = inferred(Net(slip=1.03), exact=Poisson(), correct_by="sub-chains", steps=100)
    found.save(tmp_path / "p.nc")
    again = kx.open(tmp_path / "p.nc")
    for a, b in ((found, again), (found.uncorrected(), again.uncorrected())):
        assert np.array_equal(a.draws, b.draws)
        assert np.array_equal(a.log_density, b.log_density)
    assert np.array_equal(found.weights, again.weights)
    assert str(found.summary()) == str(again.summary())
    assert "sub-chains" in found.summary().origin
