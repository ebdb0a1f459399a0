"""Where no table fits a net still states smooth marginals, and species that data show come first."""

import numpy as np
import pytest
import torch

import kinetix as kx
from kinetix.errors import SettingError, UnsupportedFeature
from kinetix.inference.likelihood import Likelihood
from kinetix.solvers.nets import net_law
from kinetix.solvers.nets.decoder import DECODERS, Film, Shape
from kinetix.solvers.nets.layout import Layout
from kinetix.solvers.nets.mixture import Mixture
from kinetix.solvers.nets.net_law import NetLaw
from kinetix.solvers.nets.recurrent import Recurrent
from kinetix.solvers.nets.training import seeded
from kinetix.space import StateSpace
from tests.solvers.known_nets import colony

GROUPS = ((0, 2), (2, 5))


def triangle():
    """A + B + C = 6, and a free D: C follows from the others."""
    return StateSpace.conserved(np.array([[1, 1, 1, 0]]), [1, 2, 3, 0], [6, 6, 6, 2])


def law_of(seed=1, prompts=1):
    with seeded(seed):
        net = Film(Shape("film", 16, 2, 2), Layout.of(triangle()), GROUPS)
        for weight in net.parameters():
            weight.data += 0.3 * torch.randn_like(weight)
    contexts = torch.randn(prompts, 5, generator=torch.Generator().manual_seed(seed))
    return NetLaw(net, contexts[0]) if prompts == 1 else Mixture(net, contexts, np.array([0.7, 0.3]))


@pytest.mark.parametrize("prompts", [1, 2])
@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (3,), (0, 1), (2, 3), (1, 0)])
def test_averaged_marginals_are_the_summed_ones(monkeypatch, prompts, axes):
    """Within the error of a histogram of as many draws, which is larger than theirs.

    Mutants: every distinct prefix counted once; the prompt of another row; the axes in window order.
    """
    exact = law_of(prompts=prompts).marginal(axes).table()
    monkeypatch.setattr(net_law, "TABLE", 80)
    monkeypatch.setattr(net_law, "ROWS", 0)
    own = law_of(prompts=prompts).marginal(axes).table()
    assert own.sum() == pytest.approx(1.0, abs=1e-5)
    error = np.sqrt(exact * (1 - exact) / net_law.AVERAGED) + 1e-7
    assert np.abs((own - exact) / error).max() < 4.5
    assert (own[exact > 1e-4] > 0).all()


@pytest.mark.parametrize("prompts", [1, 2])
def test_their_means_are_those_of_the_table(monkeypatch, prompts):
    """Dependent species too. Mutants: the window's lower edge left out; means in the net's order."""
    exact = kx.distribution.mean(law_of(prompts=prompts))
    monkeypatch.setattr(net_law, "TABLE", 80)
    monkeypatch.setattr(net_law, "ROWS", 0)
    np.testing.assert_allclose(kx.distribution.mean(law_of(prompts=prompts)), exact, atol=0.06)


@pytest.mark.parametrize("kind", ["film", "attention", "recurrent"])
def test_the_first_positions_can_be_asked_alone(kind):
    """Mutant: heads of the last positions instead of the first."""
    layout, context = Layout.of(triangle()), torch.randn(2, 5, generator=torch.Generator().manual_seed(3))
    with seeded(2):
        net = (
            Recurrent(layout, context=5, width=8)
            if kind == "recurrent"
            else DECODERS[kind](Shape(kind, 16, 2, 2), layout, GROUPS)
        )
    values = torch.tensor([[[1, 2, 3], [0, 1, 0]]]).expand(2, -1, -1)
    whole = net.log_conditionals(context, values)
    for length in (1, 2):
        part = net.log_conditionals(context, values[..., :length])
        assert len(part) == length
        for a, b in zip(part, whole, strict=False):
            torch.testing.assert_close(a, b)


def test_observed_species_come_first():
    """A dependent one brings those that it follows from. Mutant: `first` ignored for dependent species."""
    window = StateSpace.conserved(np.array([[1, 1, 0, 0]]), [1, 2, 0, 0], [3, 3, 9, 4])
    free = window.free[0]
    assert Layout.of(window).species == (free, 3, 2)
    assert Layout.of(window, [2]).species == (2, free, 3)
    assert Layout.of(window, [1 - free]).species[0] == free
    assert Layout.of(window, [2, 3]).species == (3, 2, free)


def test_a_net_that_speaks_of_the_observed_first_needs_no_sum(tmp_path):
    """Eight hidden species of 60 values cannot be summed out; after the observed one they need not be."""
    species = tuple(f"X{i}" for i in range(9))
    network = colony(species)
    box, data = {"birth": (1.0, 4.0)}, kx.Observations.from_counts("X8", 2.0, [3, 4, 5])
    problem = kx.Problem.of(network, data.times)
    settings = {"width": 16, "layers": 1, "held_out": 0, "teacher": "trajectories"}
    blind = kx.MET(**settings).train(network, times=(0, 5), box=box, budget_steps=2, seed=1)
    with pytest.raises(UnsupportedFeature, match="observed= those"):
        Likelihood(blind, problem, data, ("birth",))([[2.0]])
    net = kx.MET(observed=("X8",), **settings).train(network, times=(0, 5), box=box, budget_steps=2, seed=1)
    assert net.net.layout.species[0] == 8
    net.save(tmp_path / "net")
    again = kx.open(tmp_path / "net")
    assert again.settings.observed == ("X8",)
    found = Likelihood(again, problem, data, ("birth",))([[2.0], [3.0]])
    laws = [kx.solve(network, [2.0], solver=net, parameters={"birth": b}).marginal("X8", 2.0) for b in (2.0, 3.0)]
    np.testing.assert_allclose(found, [np.log(p[3:6]).sum() for p in laws], rtol=1e-5)


@pytest.mark.parametrize(
    ("observed", "message"), [(("Y",), "did you mean|no species|unknown"), (("X", "X"), "distinct")]
)
def test_impossible_names_are_refused(observed, message):
    with pytest.raises(SettingError, match=message):
        kx.MET(observed=observed).train(colony(), times=(0, 5), box={"birth": (1, 4)}, budget_steps=1)
