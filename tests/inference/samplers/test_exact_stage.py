"""The exact stage asks no solver that foretells its own refusal.

Mutants seen to fail: the prediction thrown away; the gate opened without asking for it; a solver without predictions
asked for one; the refusal of a prediction (stationary laws) handed on.
"""

import time
from dataclasses import dataclass, field

import numpy as np
import pytest

import kinetix as kx
from kinetix.inference.question import Question
from kinetix.inference.samplers.exact_stage import foretold
from tests import exact
from tests.inference.gamma_poisson import PRIOR, Poisson, network

CELLS = kx.Observations.from_counts("X", 2.0, np.array([5, 6, 7, 9, 4]))


@dataclass(frozen=True)
class Net(Poisson):
    box: dict = field(default_factory=lambda: {"k": (0.0, 100.0)})


def inferred(judge):
    return kx.infer(network(), CELLS, prior=PRIOR, likelihood=Net(), exact=judge, seed=1, steps=50, max_steps=50)


def test_a_judge_that_foretells_its_refusal_is_not_asked(monkeypatch):
    def asked(*_, **__):
        raise AssertionError("fsp was asked")

    monkeypatch.setattr(kx.FSP, "solve", asked)
    monkeypatch.setattr(kx.FSP, "log_prob_batch", asked)
    gate = inferred(kx.FSP(max_states=5)).gate
    assert (gate["exact"], gate["certified"], gate["corrected"]) == ("FSP", False, False)
    assert "more than max_states = 5" in gate["refused"]
    assert gate["reason"].startswith("FSP was not asked, as it would give up by what it is predicted to cost: ")
    assert gate["refused"] in gate["reason"]


def test_a_judge_that_foretells_an_answer_is_asked():
    gate = inferred(kx.FSP()).gate
    assert gate["certified"]
    assert "refused" not in gate


def test_what_cannot_be_foretold_is_left_to_the_solver():
    """Stationary laws have no estimate; solvers without one neither."""
    late = kx.Observations.from_counts("X", np.inf, np.array([3, 4]))
    model = exact.birth_death()
    question = Question.of(model, late, {model.theta_names[0]: kx.prior.log_uniform(1, 10)})
    assert foretold(question.likelihood(kx.FSP()), np.array([3.0])) is None
    assert foretold(Question.of(network(), CELLS, PRIOR).likelihood(Poisson()), np.array([3.0])) is None


@pytest.mark.parametrize("name", ["cascade15", "feed_forward_loop"])
def test_lists_of_states_are_foretold_in_seconds(name):
    """Laws that fsp tries for minutes before it gives up: refused in seconds of one core."""
    model = kx.load(exact.ROOT / "examples" / "models" / f"{name}.xml")
    species, rate = model.species_names[0], model.theta_names[0]
    cells = kx.Observations.from_counts(species, 10.0, np.array([1, 2]))
    likelihood = Question.of(model, cells, {rate: kx.prior.log_uniform(0.01, 100)}).likelihood(kx.FSP())
    theta = np.array([dict(zip(model.theta_names, kx.Problem.of(model, [1.0]).theta, strict=True))[rate]])
    began = time.process_time()
    assert "max_states" in (foretold(likelihood, theta) or "")
    assert time.process_time() - began < 6
