"""Nets that judge one another: spreads and shifts against normal laws tilted by hand, and planted bad members."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from scipy import stats

import kinetix as kx
from kinetix.app.posterior_sections import posterior_page
from kinetix.app.posterior_trust import verdict
from kinetix.errors import SettingError, TruncationError
from kinetix.inference import sampling
from kinetix.inference.posteriors.checks import check_posterior
from kinetix.inference.samplers.agreement import SHIFT, agreement
from tests.inference.gamma_poisson import PRIOR, TIME, Poisson, network

CELLS = np.random.default_rng(0).poisson(3.0 * TIME, 60)
QUICK = {"steps": 40, "walkers": 8, "ensembles": 2}


@dataclass(frozen=True)
class Net(Poisson):
    """The exact law, its mean times `slip`, with a box as nets have one; `blind` calls every cell impossible."""

    slip: float = 1.0
    blind: bool = False
    told: float | None = None
    box: dict = field(default_factory=lambda: {"k": (0.0, 50.0)})

    def log_prob_batch(self, problem, thetas, counts, axes, *, rng):
        del axes, rng
        mean = self.slip * np.asarray(thetas)[:, :1]
        logs = [stats.poisson.logpmf(c[:, 0], mean * t) for t, c in zip(problem.times, counts, strict=True)]
        return [np.full_like(log_p, -np.inf) for log_p in logs] if self.blind else logs


@dataclass(frozen=True)
class Refusing(Poisson):
    """An exact solver for which the law is too large."""

    def log_prob_batch(self, *_, **__):
        raise TruncationError("the law needs a window of 10 states", place="fsp")


def inferred(*slips, first=1.0, exact=None, **members):
    data = kx.Observations.from_counts(["X"], TIME, CELLS)
    nets = [Net(slip=slip, **members) for slip in slips]
    rng = np.random.default_rng(1)
    likelihood = Net(slip=first)
    return sampling.infer(
        network(), data, prior=PRIOR, likelihood=likelihood, exact=exact, members=nets, rng=rng, exact_draws=0, **QUICK
    )


def test_tilts_of_a_normal_law_move_its_mean_by_what_is_told():
    """exp(a z) moves a standard normal by a: sds of (0, a, -a) are a |z|, the two tilts are 2 a apart.

    Mutants: shifts from the first net alone; the sd over draws in place of that over nets; no centring.
    """
    rng, a = np.random.default_rng(1), 0.1
    z = rng.normal(size=(20_000, 2))
    tilts = a * z[:, 0]
    told = agreement(("p", "q"), z * [3, 1] + 7, np.stack([0 * tilts, tilts + 50, -tilts - 9]))["ensemble"]
    assert told["spread"] == pytest.approx(a, rel=0.02)
    assert told["shift"]["p"] == pytest.approx(2 * a, rel=0.05)
    assert told["shift"]["q"] < 0.02
    assert told["largest_shift"] == told["shift"]["p"]
    assert told["efficiency"] == pytest.approx(np.exp(-4 * a**2), abs=0.01)


def test_only_what_moves_a_posterior_counts():
    """Offsets are nothing; a mean moved too far, or draws that a net calls impossible, are told by name."""
    z = np.random.default_rng(2).normal(size=(200, 1))
    offsets = np.arange(3)[:, None] * np.full(200, 100.0)
    assert agreement(("p",), z, offsets)["certified"]
    tilted = agreement(("p",), z, offsets + np.outer([0, 0, 1.5 * SHIFT], z[:, 0]))
    assert not tilted["certified"]
    assert "'p'" in tilted["reason"]
    offsets[1, 7] = -np.inf
    lost = agreement(("p",), z, offsets)
    assert not lost["certified"]
    assert "1 of 200 draws impossible" in lost["reason"]


def test_noise_that_moves_no_mean_is_seen_in_the_spread():
    """Mutant: the verdict by the shifts alone."""
    rng = np.random.default_rng(3)
    told = agreement(("p",), rng.normal(size=(4000, 1)), rng.normal(size=(3, 4000)))
    assert told["ensemble"]["largest_shift"] < SHIFT
    assert not told["certified"]
    assert "log-likelihoods differ by" in told["reason"]


def test_nets_take_the_place_of_an_exact_law_that_does_not_answer():
    """By a note that says so. Mutants: members asked though FSP answered; certified without a finding."""
    found = inferred(1.002, 0.998, exact=Refusing())
    assert found.certified
    assert found.gate["ensemble"]["nets"] == 3
    assert "too large" in found.gate["reason"] or "window of 10 states" in found.gate["reason"]
    assert "KX210" in check_posterior(found).codes
    assert "ensemble" not in inferred(1.002, 0.998, exact=Poisson()).gate
    assert not inferred().certified


def test_the_verdict_of_the_nets_is_kept_and_told(tmp_path):
    """In the file and in the report. Mutant: the report's sentence about an exact law."""
    found = inferred(1.002, 0.998)
    found.save(tmp_path / "posterior.nc")
    again = kx.open(tmp_path / "posterior.nc")
    assert again.gate == found.gate
    posterior_page(again, commands=["x"]).write(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "An error that all nets share is not seen" in page
    assert "shift of the mean of k" in page
    assert verdict(replace(found, converged=True))[0] == (
        "The chains converged; no exact law answered, and 3 nets agree at these rates."
    )


@pytest.mark.parametrize("bad", [{"slips": (1.0, 1.1)}, {"slips": (1.0,), "blind": True}], ids=["biased", "blind"])
def test_one_bad_member_is_flagged(bad):
    """A mean 10 % off moves k by about 1 sd. Mutant: the median over nets in place of the worst."""
    found = inferred(*bad["slips"], blind=bad.get("blind", False))
    assert not found.certified
    assert "nets disagree" in found.gate["reason"]
    assert "KX205" in check_posterior(found).codes


def test_what_would_always_agree_is_refused():
    data, net = kx.Observations.from_counts(["X"], TIME, CELLS), Net()
    for member, word in ((net, "twice"), (Poisson(), "no trained net"), (Net(box={"k": (0.0, 1.0)}), "outside")):
        with pytest.raises(SettingError, match=word):
            sampling.infer(
                network(), data, prior=PRIOR, likelihood=net, members=[member], rng=np.random.default_rng(1), **QUICK
            )


@pytest.mark.slow
def test_a_net_trained_for_two_seconds_is_flagged():
    """Of the telegraph gene, 300 cells: three trained nets agree, and with one of 2 s they do not."""
    gene = kx.load("examples/models/telegraph.ant").replace(parameters={"ksyn": 10})
    box = {"kon": (0.3, 3), "koff": (0.3, 3)}
    counts = kx.solve(gene, [4.0], solver="ssa", paths=300, seed=3, parameters={"koff": 1}).trajectories[:, 0, 1]
    data = kx.Observations.from_counts("M", 4.0, counts)
    prior = {name: kx.prior.log_uniform(*ends) for name, ends in box.items()}
    how = kx.MET(observed=("M",), held_out=0)
    nets = [how.train(gene, times=(4, 4), box=box, budget_cpu=s, seed=k) for k, s in enumerate((25, 25, 25, 2))]
    for last, good in ((nets[2], True), (nets[3], False)):
        found = kx.infer(
            gene, data, prior=prior, likelihood=nets[0], members=[nets[1], last], exact=None, seed=1, steps=60
        )
        assert found.certified == good, found.gate
