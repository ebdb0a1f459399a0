"""Trajectories as a teacher over a box: the right states, weighed once each; the same chunks again."""

import itertools

import numpy as np
import pytest
import torch

import kinetix as kx
from kinetix.compiler import compile_network
from kinetix.solvers.nets.box import Box
from kinetix.solvers.nets.decoder import Shape, make_net
from kinetix.solvers.nets.layout import Layout
from kinetix.solvers.nets.path_lessons import FEWEST, MOST, TIMES, VECTORS, PathLessons
from kinetix.solvers.nets.prefixes import cross_entropy
from kinetix.solvers.nets.teachers import Course, Plan
from kinetix.solvers.nets.training import seeded
from kinetix.solvers.ssa import simulate
from kinetix.space import StateSpace

GENE = """
model gene
  species G = 1, M = 0
  off: G -> ; mass_action(koff)
  on: -> G; kon*(1 - G)
  tx: G -> G + M; mass_action(ktx)
  deg: M -> ; mass_action(dm)
  koff = 1; kon = 1; ktx = 5; dm = 1
end
"""
BOX = {"kon": (0.5, 2), "ktx": (1, 8)}


def lessons(top=30, decoder="film"):
    network = kx.parse(GENE)
    box, model = Box.of(network, BOX, (0, 4)), compile_network(network)
    layout = Layout.of(StateSpace.box([1, top]))
    with seeded(4):
        net = make_net(Shape(decoder, 16, 1, 2), layout, box.encoding)
    return PathLessons(Course(model, box, layout, 11), Plan()), net, model


@pytest.mark.parametrize("decoder", ["film", "attention"])
def test_a_block_weighs_every_state_once(decoder):
    """By trajectories drawn again from the chunk's root. Mutants: the times not dealt; a level weighed by rows."""
    teacher, net, model = lessons(decoder=decoder)
    n = 5
    blocks = teacher.blocks(3, n)
    rng, thetas, starts, times = teacher.draw(3)
    every = np.repeat(np.arange(VECTORS), n)
    paths = simulate(model, times, thetas[every], starts[every], rng=rng, threads=1).reshape(VECTORS, n, TIMES, 2)
    for shift in (0, 7):
        at = (np.arange(VECTORS) + shift) % TIMES
        states = torch.from_numpy(paths[np.arange(VECTORS), :, at])
        features = teacher.course.box.encoding.encode(thetas, starts, times[at]).astype(np.float32)
        with torch.no_grad():
            expected = -float(net.log_prob(torch.from_numpy(features), states).mean())
            assert float(cross_entropy(net, blocks[shift])) == pytest.approx(expected, rel=1e-5)


def test_states_outside_the_window_are_left_out():
    """The law below the edge is learned, renormalised. Mutant: clip them to the edge."""
    teacher, _, _ = lessons(top=3)
    tree = teacher.blocks(0, 8)[0]
    assert int(tree.levels[-1].last.max()) <= 3
    assert float(tree.levels[-1].weight.sum()) == pytest.approx(1.0, abs=1e-5)


def test_the_number_of_trajectories_fits_the_work_of_a_step():
    """Few states: as many as allowed, since they share their prefixes; a long chain of species: few."""
    assert lessons()[0]._paths == MOST
    names = [f"X{i}" for i in range(1, 9)]
    steps = [f"  {a} -> {b}; mass_action(c)" for a, b in itertools.pairwise(names)]
    text = ["model line", f"  species {', '.join(f'{n} = 0' for n in names)}", "  -> X1; mass_action(k)", *steps]
    network = kx.parse("\n".join([*text, "  X8 -> ; mass_action(c)", "  k = 20; c = 1", "end"]))
    box = Box.of(network, {"k": (10, 20), "c": (0.5, 2)}, (0, 10))
    layout = Layout.of(StateSpace.box([60] * 8))
    teacher = PathLessons(Course(compile_network(network), box, layout, 1), Plan())
    assert FEWEST <= teacher._paths <= 8


def test_a_restored_teacher_has_the_same_blocks():
    """From (root, number) alone. Mutant: draw from a generator that goes on."""
    first, net, _ = lessons()
    for number in range(3):
        first._add(number)
    second, _, _ = lessons()
    second.restore(first.state())
    losses = [float(t.pick(net, np.random.default_rng(5))[0].detach()) for t in (first, second)]
    assert losses[0] == losses[1]
