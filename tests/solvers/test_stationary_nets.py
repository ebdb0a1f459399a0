"""Nets of stationary laws: taught, asked and kept at time = inf, and asked at no other."""

import numpy as np
import pytest

import kinetix as kx
from kinetix.errors import SettingError, UnsupportedFeature
from kinetix.solvers.met import MET
from kinetix.solvers.nets.box import Box
from kinetix.solvers.nets.distance import hellinger
from tests.exact import beta_poisson_pmf

INF = (np.inf, np.inf)
BOX = {"kon": (0.3, 3.0), "koff": (0.3, 3.0)}


@pytest.fixture(scope="module")
def telegraph():
    return kx.parse(
        """model telegraph
          species G = 0, M = 0
          on: -> G; kon*(1 - G)
          off: G -> ; koff*G
          tx: G -> G + M; ksyn*G
          deg: M -> ; M
          kon = 1; koff = 1; ksyn = 20
        end"""
    )


@pytest.fixture(scope="module")
def net(telegraph):
    met = MET(width=48, layers=2, held_out=20, contexts=256)
    return met.train(telegraph, times=INF, box=BOX, budget_steps=500, seed=1)


@pytest.mark.parametrize(("kon", "koff"), [(0.5, 2.5), (2.0, 0.5), (1.0, 1.0)])
def test_a_stationary_net_states_the_closed_form(telegraph, net, kon, koff):
    """Against Peccoud and Ycart's law. Mutants: laws of t = 1 as lessons; prompts without the rates."""
    rates = {"kon": kon, "koff": koff}
    p = kx.solve(telegraph, [np.inf], solver=net, parameters=rates, seed=1).marginal("M", np.inf)
    exact = beta_poisson_pmf(kon, koff, 20.0, len(p))
    assert hellinger(p, exact) < 0.05
    assert np.abs(p @ np.arange(len(p)) / (20 * kon / (kon + koff)) - 1) < 0.05


def test_its_certificate_speaks_of_stationary_laws(net):
    """Mutant: held-out times drawn as (t1 - t0) u, which is NaN."""
    assert net.certificate["times"] == ["inf", "inf"]
    assert net.certificate["joint"]["mean"] < 0.04
    assert net.certificate["joint"]["floor"] > 0


def test_it_is_kept_and_weighs_data_at_time_inf(telegraph, net, tmp_path):
    net.save(tmp_path / "net")
    again = kx.open(tmp_path / "net")
    assert again.times == INF
    assert again.stationary
    data = kx.Observations.from_counts("M", np.inf, np.random.default_rng(0).poisson(10, 50))
    prior = {name: kx.prior.log_uniform(*bounds) for name, bounds in BOX.items()}
    found = kx.infer(telegraph, data, prior=prior, likelihood=again, seed=1, steps=32, exact_draws=0)
    assert np.isfinite(found.log_density).all()


def test_other_times_are_refused_both_ways(telegraph, net):
    """A net that spoke of finite times by its stationary law would be wrong without a word."""
    with pytest.raises(SettingError, match=r"time 3 was asked of a net that knows the stationary law"):
        kx.solve(telegraph, [3.0], solver=net)
    with pytest.raises(UnsupportedFeature, match="no steps in time"):
        net.chained()
    finite = MET(width=16, layers=1, held_out=0).train(telegraph, times=(0, 5), box=BOX, budget_steps=1, seed=1)
    with pytest.raises(SettingError, match="knows no law at time = inf"):
        kx.solve(telegraph, [np.inf], solver=finite)


@pytest.mark.parametrize("teacher", ["trajectories", "van", "fsp+trajectories"])
def test_trajectories_cannot_teach_stationary_laws(telegraph, teacher):
    with pytest.raises(SettingError, match="knows no stationary laws"):
        MET(teacher=teacher).train(telegraph, times=INF, box=BOX, budget_steps=1)


@pytest.mark.parametrize("times", [(0, np.inf), (1.0, np.inf), (np.nan, np.inf)])
def test_half_infinite_intervals_are_refused(telegraph, times):
    with pytest.raises(SettingError, match="times"):
        MET().train(telegraph, times=times, box=BOX, budget_steps=1)


def test_its_twins_need_no_clock(telegraph):
    """P(k) = P(c k) at time inf: rates outside the box that scale into it are answered exactly as well."""
    scaled = telegraph.replace(parameters={})
    everything = {"kon": (0.3, 3.0), "koff": (0.3, 3.0), "ksyn": (10.0, 30.0)}
    box = Box.of(scaled, everything, INF)  # the decay is the number 1: nothing scales
    assert box.scaling.parameters == ()
    free = kx.parse("model m\n species G = 0\n on: -> G; kon*(1 - G)\n off: G -> ; koff*G\n kon = 1; koff = 1\nend")
    box = Box.of(free, BOX, INF)
    c = box.scaling.into(np.array([[30.0, 15.0], [1.0, 2.0], [30.0, 0.5]]), np.array([np.inf] * 3))
    assert 0.3 / 15 <= c[0] <= 3.0 / 30
    assert c[1] == c[2] == 1.0
