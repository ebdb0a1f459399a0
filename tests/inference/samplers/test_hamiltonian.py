"""NUTS against conjugate laws: two species that are born, each at its own rate with a gamma prior of its own."""

import threading
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from scipy import stats

import kinetix as kx
from kinetix.errors import RunError, SettingError, UnsupportedFeature
from kinetix.expressions import symbol
from kinetix.inference import sampling
from kinetix.inference.log_posterior import LogPosterior
from kinetix.inference.question import Question
from kinetix.inference.samplers import hamiltonian
from kinetix.inference.samplers.slopes import with_gradient
from kinetix.solvers.fsp import FSP
from kinetix.solvers.ssa import SSA
from tests.exact import birth_death

TIME, CELLS, RATES = 2.0, 8, np.array([3.0, 0.5])
PRIOR = {"a": kx.prior.gamma(2.0, 0.5), "b": kx.prior.log_normal(-1.0, 0.7)}
COUNTS = np.random.default_rng(0).poisson(RATES * TIME, (CELLS, 2))
DATA = kx.Observations.from_counts(["X", "Y"], TIME, COUNTS)


def network():
    births = [kx.Reaction(f"make_{s}", {}, {s: 1}, symbol(k)) for s, k in (("X", "a"), ("Y", "b"))]
    return kx.ReactionNetwork(
        [kx.Species("X", 0), kx.Species("Y", 0)], [kx.Parameter("a", 1.0), kx.Parameter("b", 1.0)], births
    )


@dataclass(frozen=True)
class Births:
    """The exact law, times `slip` in the means, with its derivatives; after `calls` of them `ends` is raised."""

    slip: float = 1.0
    calls: float = np.inf
    ends: type = KeyboardInterrupt
    asked: list = field(default_factory=list)

    def solve(self, problem, *, rng):
        return replace(FSP().solve(problem, rng=rng), error=None)  # as a net: it states no bound

    def log_prob_batch(self, problem, thetas, counts, axes, *, rng):
        means = self.slip * np.asarray(thetas)[:, None, :]
        return [
            stats.poisson.logpmf(c[:, axes], means * t).sum(axis=2) for t, c in zip(problem.times, counts, strict=True)
        ]

    def log_prob_gradient_batch(self, problem, thetas, counts, axes, parameters, *, rng=None):
        self.asked.append(len(thetas))
        if len(self.asked) > self.calls:
            raise self.ends("the solver ends")
        k = np.asarray(thetas)[:, None, :]
        slopes = [(c / k - self.slip * t)[:, :, list(parameters)] for t, c in zip(problem.times, counts, strict=True)]
        return self.log_prob_batch(problem, thetas, counts, axes, rng=rng), slopes


def inferred(likelihood=None, *, seed=1, prior=PRIOR, **settings):
    pytest.importorskip("pyro")
    solver = Births() if likelihood is None else likelihood
    rng = np.random.default_rng(seed)
    return sampling.infer(network(), DATA, prior=prior, likelihood=solver, rng=rng, sampler="nuts", **settings)


@pytest.fixture
def short(monkeypatch):
    """A warm-up of 20 steps."""
    monkeypatch.setattr(hamiltonian, "WARMUP", 20)


@pytest.fixture(scope="module")
def posterior():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hamiltonian, "WARMUP", 100)
        return inferred(steps=200)


def target():
    asked = Question.of(network(), DATA, PRIOR)
    return LogPosterior(asked.likelihood(Births()), asked.free)


def exact(i, prior, low, high):
    """Mean and sd of one rate by quadrature."""
    k = np.linspace(low, high, 20_001)
    log = prior.log_density(k) + COUNTS[:, i].sum() * np.log(k) - CELLS * TIME * k
    w = np.exp(log - log.max())
    w /= w.sum()
    return w @ k, np.sqrt(w @ (k - w @ k) ** 2)


class Meeting(Births):
    """The same; the first density of a chain is there once another chain asks for its first too."""

    def log_prob_gradient_batch(self, problem, thetas, counts, axes, parameters, *, rng=None):
        if len(thetas) and threading.get_ident() not in MET:
            MET.add(threading.get_ident())
            BOTH.wait(timeout=60)
        return super().log_prob_gradient_batch(problem, thetas, counts, axes, parameters, rng=rng)


MET, BOTH = set(), threading.Barrier(2)


def test_solvers_work_for_two_chains_at_once_and_the_draws_are_those_of_turns(short):
    """Mutant seen to fail: torch's generator kept while the solver works."""
    MET.clear()
    together = inferred(Meeting(), steps=30, ensembles=2)
    assert len(MET) == 2
    assert np.array_equal(together.draws, inferred(steps=30, ensembles=2).draws)


def test_the_posterior_is_the_exact_one(posterior):
    """Few cells, so that the Jacobian is a third of an sd. Mutants seen to fail: no Jacobian; the prior left out."""
    law = stats.gamma(2.0 + COUNTS[:, 0].sum(), scale=1 / (2.0 + CELLS * TIME))
    assert exact(0, PRIOR["a"], 0.3, 10.0) == pytest.approx((law.mean(), law.std()), rel=1e-6)
    moments = [exact(0, PRIOR["a"], 0.3, 10.0), exact(1, PRIOR["b"], 0.01, 4.0)]
    assert posterior.draws.shape == (4, 200, 2)
    for name, x, (mean, sd) in zip("ab", posterior.flat.T, moments, strict=True):
        rows = posterior.diagnostics[name]
        assert abs(x.mean() - mean) < 4.5 * rows["mcse"]
        assert abs(np.log(x.std() / sd)) < 4.5 / np.sqrt(2 * rows["ess_tail"])
        assert rows["ess_bulk"] > 160  # of 800: mutant: a slope of the wrong sign, by which hardly a move is accepted
    assert posterior.meta["sampler"] == "nuts"
    assert posterior.meta["divergences"] == {"count": 0, "of": 800}


def test_densities_are_those_of_the_draws(posterior):
    """Each draw has its own density."""
    u = target().unconstrained(posterior.flat)
    known = target()(u) - target().log_jacobian(u)
    assert posterior.log_density.ravel() == pytest.approx(known, abs=1e-8)


def test_pyro_is_told_the_slope_of_the_density():
    """Central differences. Mutants: the sign of one slope; the Jacobian left out of it; the spread not transposed."""
    torch = pytest.importorskip("torch")
    spread, v, step = np.array([[0.3, 0.0], [0.2, 0.1]]), np.array([0.4, -0.7]), 1e-4
    centre = np.log([3.0, 0.4])
    potential = hamiltonian._Potential(lambda u, least: with_gradient(target(), u, least), centre, spread)
    z = torch.tensor(v, requires_grad=True)
    energy = potential({"u": z})
    energy.backward()
    ends = [target()(centre + spread @ (v + s * step * np.eye(2)[i]))[0] for i in (0, 1) for s in (1, -1)]
    slope = [-(ends[0] - ends[1]) / (2 * step), -(ends[2] - ends[3]) / (2 * step)]
    assert energy.item() == pytest.approx(-target()(centre + spread @ v)[0], abs=1e-9)
    assert z.grad.numpy() == pytest.approx(np.array(slope), rel=1e-5)


def test_hopeless_rates_are_not_asked_for():
    """A trajectory that ends there anyhow. Mutant: solvers asked about rates of 1e13."""
    found = target()
    value, slope = with_gradient(found, np.array([[30.0, 0.0]]), -5000.0)
    assert value[0] == -np.inf
    assert np.isnan(slope).all()
    assert found.likelihood.solver.asked == []


def test_the_same_seed_gives_the_same_draws_and_chains_are_their_own(short):
    """Whatever torch's own seed is. Mutant: one seed for the momenta of all chains."""
    torch = pytest.importorskip("torch")
    first = inferred(steps=16, ensembles=2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        again = inferred(steps=16, ensembles=2)
    assert np.array_equal(first.draws, again.draws)
    assert not np.array_equal(first.draws, inferred(steps=16, ensembles=2, seed=2).draws)
    chains = []
    for seed in (1, 1, 2):
        options = {"warmup": 0, "diverged": [], "rng": np.random.default_rng(seed)}
        walk = hamiltonian.steps(lambda u, least: (-(u**2).sum(axis=1) / 2, -u), np.zeros(2), np.eye(2), **options)
        chains.append([next(walk).u for _ in range(3)])
    assert np.array_equal(chains[0], chains[1])
    assert not np.array_equal(chains[0], chains[2])


def test_nothing_is_left_behind(short):
    pyro = pytest.importorskip("pyro")
    torch = pytest.importorskip("torch")
    before, store = torch.get_rng_state(), dict(pyro.get_param_store())
    validated = pyro.distributions.is_validation_enabled()
    inferred(steps=16, ensembles=2)
    assert torch.equal(before, torch.get_rng_state())
    assert dict(pyro.get_param_store()) == store
    assert pyro.distributions.is_validation_enabled() == validated


def test_divergences_are_counted_and_told(posterior):
    """A step ten times too long. Mutant: those of the warm-up counted too."""
    diverged = []
    options = {"warmup": 0, "diverged": diverged, "rng": np.random.default_rng(3)}
    walk = hamiltonian.steps(lambda u, least: (-(u**4).sum(axis=1), -4 * u**3), np.ones(1), 30 * np.eye(1), **options)
    for _ in range(20):
        next(walk)
    assert 0 < len(diverged) <= 20
    assert diverged == sorted(set(diverged))
    run = hamiltonian.Hamiltonian(1)
    run.diverged = [diverged, [3]]
    assert run.divergences(100) == len(diverged) + 1
    assert run.divergences(0) == 0
    told = replace(posterior, meta={"divergences": {"count": 3, "of": 1000}})
    assert "KX209" in told.check().codes
    assert "KX209" not in posterior.check().codes


def test_a_stop_gives_back_what_there_is_and_a_failure_is_raised(short):
    stopped = inferred(Births(calls=400), steps=5000, ensembles=2)
    assert not stopped.complete
    assert 8 <= stopped.draws.shape[1] < 5000
    assert inferred(steps=16, ensembles=2).complete
    with pytest.raises(RunError, match="the solver ends"):
        inferred(Births(calls=100, ends=RunError), steps=100, ensembles=2)


def test_chains_stop_when_they_agree_and_say_how_far_they_are(short, monkeypatch):
    monkeypatch.setattr("kinetix.inference.samplers.chains.ESS", 30)
    monkeypatch.setattr("kinetix.inference.samplers.chains.RHAT", 1.1)
    monkeypatch.setattr("kinetix.inference.samplers.chains.FIRST", 60)
    told = []
    found = inferred(progress=lambda said: told.append(dict(said)), ensembles=2)
    assert found.complete
    assert 60 <= found.draws.shape[1] < 1000
    assert told
    assert {"fraction", "step", "seconds_left"} <= set(told[-1])


def test_finite_state_projection_gives_the_slopes(short):
    """Births and deaths with the death rate known: the mean is birth * (1 - e^-1), conjugate too."""
    pytest.importorskip("pyro")
    reach = 1 - np.exp(-1.0)
    counts = np.random.default_rng(2).poisson(4.0 * reach, 20)
    found = sampling.infer(
        birth_death(),
        kx.Observations.from_counts("X", 1.0, counts),
        prior={"birth": kx.prior.gamma(2.0, 1.5), "death": 1.0},
        likelihood=FSP(),
        rng=np.random.default_rng(3),
        sampler="nuts",
        ensembles=2,
        steps=100,
    )
    law = stats.gamma(2.0 + counts.sum(), scale=1 / (1 / 1.5 + 20 * reach))
    assert abs(found.mean()[0] - law.mean()) < 4.5 * found.diagnostics["birth"]["mcse"]
    assert found.gate is None


def test_a_net_is_corrected_as_under_every_sampler(short):
    """Means 6 % too large move the posterior of the first rate by 0.4 sds; weights bring it back."""
    found = inferred(Births(slip=1.06), steps=120, ensembles=2, exact=FSP(), exact_draws=150)
    mean, sd = exact(0, PRIOR["a"], 0.3, 10.0)
    error = 4.5 * found.summary().rows[0].mcse
    assert found.corrected
    assert abs(found.mean()[0] - mean) < error
    assert found.uncorrected().mean()[0] < found.mean()[0] - 0.2 * sd


# refusals ------------------------------------------------------------------------------------------


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(hamiltonian, "find_spec", lambda name: None)
    with pytest.raises(
        SettingError, match=r'needs the package pyro-ppl; install it: pip install "kinetix-cme\[nuts\]"'
    ):
        hamiltonian.require_hamiltonian(target(), None, kept=False)


def test_what_nuts_cannot_do_is_refused_by_name(tmp_path):
    rng = np.random.default_rng(1)
    with pytest.raises(SettingError, match="sampler is 'hmc'; use one of emcee, nuts"):
        sampling.infer(network(), DATA, prior=PRIOR, likelihood=Births(), rng=rng, sampler="hmc")
    with pytest.raises(SettingError, match="walkers is 8"):
        inferred(walkers=8)
    for kept in ({"output": tmp_path / "chains"}, {"resume": True}):
        with pytest.raises(SettingError, match="not kept on disk"):
            inferred(**kept)
    assert not (tmp_path / "chains").exists()
    with pytest.raises(UnsupportedFeature, match="SSA knows no derivatives"):
        inferred(SSA(paths=100))
    with pytest.raises(UnsupportedFeature, match="'X' is an initial count"):
        inferred(FSP(), prior={**PRIOR, "X": kx.prior.integers(0, 3)})
