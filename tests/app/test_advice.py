"""The advice: which solver fits, by what it runs and what it costs."""

import numpy as np
import pytest
import sympy

import kinetix as kx
from kinetix.events import Event
from kinetix.expressions import symbol
from tests import exact
from tests.exact import ROOT


def option(advice, name):
    (found,) = [o for o in advice.options if o.solver == name]
    return found


def test_a_small_network_is_projected():
    advice = kx.advise(exact.autoregulation(), [10.0])
    assert advice.solver == "fsp"
    assert option(advice, "fsp").seconds < 1
    assert "states" in str(advice)


def test_the_general_model_says_whether_a_network_is_of_its_family():
    """Mutant seen to fail: a net that answers at once told as one to be trained."""
    inside = option(kx.advise(exact.autoregulation(), [10.0]), "general")
    assert inside.fits
    assert "flag" in inside.why
    outside = option(kx.advise(exact.cascade(15), [2.0]), "general")
    assert not outside.fits
    assert "15 species" in outside.why


def test_the_stationary_law_is_projected():
    advice = kx.advise(exact.autoregulation(), [1.0, np.inf])
    assert advice.solver == "fsp"
    assert not option(advice, "ssa").fits


def test_many_species_are_drawn():
    """Mutant seen to fail: the refusal of an estimate not read."""
    advice = kx.advise(exact.cascade(15), [20.0])
    assert advice.solver == "ssa"
    assert not option(advice, "fsp").fits


def test_very_many_events_are_leapt_over():
    big = exact.birth_death(birth=1e9, death=1.0, start=10**9)
    advice = kx.advise(big, [10.0])
    assert advice.solver == "tau-leaping"
    assert not option(advice, "ssa").fits


def test_what_only_the_mean_field_runs_goes_there_by_name():
    name = exact.birth_death().theta_names[0]
    network = exact.birth_death().with_parts(rate_rules={name: sympy.Float(0.5)})
    advice = kx.advise(network, [10.0])
    assert advice.solver == "mean-field"
    assert f"cannot run {name}: has a rate rule" in option(advice, "ssa").why


def test_events_have_no_predicted_cost_and_are_run():
    network = exact.birth_death().with_parts(events=[Event("E", symbol("X") > 3, {"X": sympy.Integer(0)})])
    assert kx.advise(network, [10.0]).solver == "fsp"


@pytest.mark.parametrize("name", ["toggle_switch", "autoregulation"])
def test_the_prediction_of_states_is_near_what_is_used(name):
    network = kx.load(ROOT / "examples" / "models" / f"{name}.xml")
    predicted = kx.FSP().estimate(kx.Problem.of(network, [10.0])).states
    used = kx.solve(network, np.array([10.0]), solver="fsp").meta["states"]
    assert used / 3 <= predicted <= 3 * used
