"""Which teacher a box gets, and the window; several teachers take turns."""

from pathlib import Path

import numpy as np
import pytest
import torch

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.errors import SettingError
from kinetix.solvers.nets.box import Box
from kinetix.solvers.nets.in_turn import InTurn
from kinetix.solvers.nets.net_window import choose

MODELS = Path(__file__).parents[2] / "examples" / "models"


def chosen(name, box, until, seconds, teacher="auto"):
    network = kx.load(MODELS / f"{name}.xml")
    domain = Box.of(network, box, (0, until))
    return choose(compile_network(domain.network), domain, teacher, None, 3, seconds)


def test_cheap_laws_teach_and_dear_ones_leave_it_to_trajectories():
    """Mutant: the size alone decides, so that a minute of training would begin with minutes of laws."""
    autoregulation = {"rho_u": (0, 10), "rho_b": (0, 100)}
    assert chosen("autoregulation", autoregulation, 10, 60.0)[1] == "fsp"
    network = kx.load(MODELS / "toggle_switch.xml")
    box = dict.fromkeys(list(network.theta_names)[:2], (10, 45))
    window, teacher, _ = chosen("toggle_switch", box, 40, 60.0)
    assert teacher == "trajectories"
    assert sorted(window.shape)[:2] == [2, 2]  # a gene has one copy, and gets no margin


def test_histories_teach_where_most_species_are_downstream():
    """Sixteen of turnover's seventeen; one of nine in a loop of genes. Mutants: wherever one is; what the box lets
    start with molecules counted as downstream.
    """
    turnover = {"k_syn": (10, 40), "k_on": (1, 3)}
    assert chosen("mrna_turnover", turnover, 10, 60.0)[1] == "histories"
    starts = dict.fromkeys(["A", "B", "BC1", "BC2", "BC3", "BC4", "BC5", "C", "E", "D"], (0, 2))
    assert chosen("mrna_turnover", turnover | starts, 10, 60.0)[1] == "trajectories"
    assert chosen("feed_forward_loop", {"fold_bA": (1, 5)}, 10, 60.0)[1] == "trajectories"


@pytest.mark.parametrize("name", ["fsp+", "fsp+fsp", "auto+fsp", "ssa", 3])
def test_teachers_that_are_none_are_refused(name):
    with pytest.raises(SettingError, match="unknown teacher"):
        kx.MET(teacher=name)


class Fixed:
    """A teacher that counts its lessons."""

    def __init__(self, value):
        self.value, self.made = value, 0

    def loss(self, net, rng, generator, step):
        self.made += 1
        return torch.tensor(self.value), {}

    def state(self):
        return {"made": self.made}

    def restore(self, state):
        self.made = state["made"]


def test_teachers_take_turns_and_each_keeps_its_state():
    """Mutants: the first alone; states swapped."""
    mixed, rng = InTurn([Fixed(1.0), Fixed(2.0)]), np.random.default_rng(2)
    losses = [float(mixed.loss(None, rng, None, k)[0]) for k in range(400)]
    assert 160 < losses.count(1.0) < 240  # four standard deviations
    other = InTurn([Fixed(1.0), Fixed(2.0)])
    other.restore(mixed.state())
    assert [t.made for t in other.teachers] == [losses.count(1.0), losses.count(2.0)]


def test_a_net_learns_from_two_teachers():
    network = kx.parse("model m\n species X = 0\n -> X; mass_action(b)\n X -> ; mass_action(d)\n b = 4; d = 1\nend")
    settings = kx.MET(teacher="fsp+trajectories", width=32, layers=1, held_out=8)
    net = settings.train(network, times=(0, 3), box={"b": (2, 6)}, budget_steps=80, seed=1)
    assert net.certificate["teacher"] == "fsp+trajectories"
    assert net.certificate["joint"]["mean"] < 0.2
