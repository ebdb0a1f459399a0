"""The symmetry P(k, t) = P(c k, t / c): which parameters have it, what it answers outside a box; gradients."""

import warnings

import numpy as np
import pytest
import torch

import kinetix as kx
from kinetix.errors import SettingError
from kinetix.problem import Problem
from kinetix.solvers.met import MET
from kinetix.solvers.nets.box import Box
from kinetix.solvers.nets.symmetry import scaling_parameters
from kinetix.solvers.nets.trained import OutsideBoxWarning
from tests.exact import autoregulation, birth_death, toggle_switch
from tests.solvers.known_nets import colony, exact, known_net

N = np.arange(40)
RNG = np.random.default_rng


def laws(*rules, **values):
    """A model in the reaction language: laws of X, values of its parameters."""
    lines = [f"  r{k}: {'-> X' if k % 2 == 0 else 'X ->'}; {law}" for k, law in enumerate(rules)]
    values = [f"  {name} = {value}" for name, value in values.items()]
    return kx.parse("\n".join(["model m", "  species X = 2", *lines, *values, "end"]))


MICHAELIS = laws("b + v*X/(K + X)", "d*X", b=1, v=2, K=3, d=1)


@pytest.mark.parametrize(
    ("network", "varied", "expected"),
    [
        (birth_death(), "birth death", "birth death"),
        (birth_death(), "birth", ""),
        (autoregulation(), "su sb ru rb d", "su sb ru rb d"),
        (autoregulation(), "su sb ru rb", ""),
        (toggle_switch(), "s d b u", "s d b u"),
        (MICHAELIS, "b v K d", "b v d"),
        (MICHAELIS, "b v d", "b v d"),
        (MICHAELIS, "b K d", ""),
        (laws("k1*k2", "d*X", k1=1, k2=2, d=1), "k1 k2 d", "k1 d"),
        (laws("k1*k2", "d*X", k1=1, k2=2, d=1), "k2 d", "k2 d"),
        (laws("k^2", "d*X", k=1, d=1), "k d", ""),
        (laws("k", "2*X", k=1), "k", ""),
        (laws("piecewise(k, X > 3, 2*k)", "d*X", k=1, d=1), "k d", "k d"),
        (laws("piecewise(k, X > 3*k, 2*k)", "d*X", k=1, d=1), "k d", ""),
        (laws("floor(k)", "d*X", k=1.5, d=1), "k d", ""),
        (laws("k*(1 + sin(time))", "d*X", k=1, d=1), "k d", ""),
    ],
)
def test_parameters_that_scale_are_found(network, varied, expected):
    """Mutants: the proof left out (floor, the moving step pass by numbers); sums judged term by term."""
    assert scaling_parameters(network, varied.split()) == tuple(expected.split())


def test_outside_problems_are_answered_by_their_twins():
    """Exact to 1e-9 far outside, without a warning. Mutants: t * c for t / c; c at the border; one c for all times."""
    net = known_net()
    assert [net.network.theta_names[i] for i in net.domain.scaling.parameters] == ["birth", "death"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for birth, death, times in ((40.0, 5.0, [0.02, 0.1]), (0.02, 0.005, [10.0, 400.0]), (2.0, 0.5, [4.0, 8.0])):
            problem = Problem.of(
                net.network, times, parameters={"birth": birth, "death": death}, initial={"X": 3}
            )  # fmt: skip
            solution = net.solve(problem, rng=RNG(0))
            for t in times:
                stated = np.exp(solution.log_prob(N[:, None], t))
                np.testing.assert_allclose(stated, exact(N, 3, birth, death, t), atol=1e-9)
            assert solution.meta["symmetry"]["parameters"] == ["birth", "death"]
            assert "KX301" not in [f["code"] for f in solution.meta["findings"]]
            batch = net.log_prob_batch(problem, problem.theta[None], [N[:, None]] * 2, [0], rng=RNG(0))
            np.testing.assert_allclose(np.exp(batch[1][0]), exact(N, 3, birth, death, times[1]), atol=1e-9)
    assert solution.meta["symmetry"]["scale"][0] == 1.0  # t = 4 lies inside, 8 does not
    assert solution.meta["symmetry"]["scale"][1] > 1.6
    inside = net.solve(Problem.of(net.network, [1.0], parameters={"birth": 2.0}), rng=RNG(0))
    assert "symmetry" not in inside.meta


def test_the_twin_is_the_farthest_from_all_borders():
    """On a grid of c. Mutant: the first c that is inside."""
    scaling = known_net(birth=(1.0, 4.0), death=(0.25, 1.0), until=5.0).domain.scaling
    thetas, times = np.array([[40.0, 5.0], [0.3, 0.2], [9.0, 1.5]]), np.array([0.1, 1.0, 2.0])
    found = scaling.into(thetas, times)
    for (birth, death), t, best in zip(thetas, times, found, strict=True):
        c = np.exp(np.linspace(-4, 4, 20001))
        shares = [(c * birth - 1) / 3, (c * death - 0.25) / 0.75, t / c / 5]
        margin = np.min([*shares, *(1 - s for s in shares)], axis=0)
        if margin.max() < 0:
            assert best == 1.0
        else:
            assert best == pytest.approx(c[np.argmax(margin)], rel=1e-3)
    assert (found != 1).any()


def test_what_no_twin_brings_inside_is_outside():
    net = known_net()
    problem = Problem.of(net.network, [1.0], parameters={"birth": 4.0, "death": 0.2})
    with pytest.warns(OutsideBoxWarning, match="death = "):
        net.solve(problem, rng=RNG(0))
    with pytest.raises(SettingError, match="death = "):
        net.log_prob_batch(problem, problem.theta[None], [N[:, None]], [0], rng=RNG(0))
    far = Problem.of(net.network, [0.1], parameters={"birth": 40.0, "death": 5.0}, initial={"X": 31})
    with pytest.warns(OutsideBoxWarning, match="X = 31"):
        net.solve(far, rng=RNG(0))


def test_rates_of_zero_and_boxes_in_logarithms():
    """Mutants: a rate of 0 counts as a border, and holds c at another; margins of death not in logarithms."""
    from kinetix.inference.priors import log_uniform

    box = Box.of(colony(), {"birth": (0.0, 4.0), "death": log_uniform(0.01, 1.0)}, (0, 5))
    assert box.scaling.logarithmic.tolist() == [False, True]
    none = box.scaling.into(np.array([[0.0, 5.0]]), np.array([0.5]))
    assert box.scaling.into(np.array([[0.0, 0.5]]), np.array([1.0])) == 1.0
    assert 0.5 < 5.0 * none[0] < 0.7  # midway between the borders that count: death in logarithms, and the time


def test_gradients_pass_through_the_symmetry():
    """Against finite differences of the closed form. Mutant: the factor c left out."""
    net = known_net()
    problem = Problem.of(net.network, [0.05], parameters={"birth": 40.0, "death": 5.0}, initial={"X": 3})
    logs, slopes = net.log_prob_gradient_batch(problem, problem.theta[None], [N[:8, None]], [0], [0, 1])
    np.testing.assert_allclose(np.exp(logs[0][0]), exact(N[:8], 3, 40.0, 5.0, 0.05), atol=1e-9)
    for k, (birth, death) in enumerate(((1e-4, 0.0), (0.0, 1e-5))):
        up, down = (np.log(exact(N[:8], 3, 40.0 + s * birth, 5.0 + s * death, 0.05)) for s in (1, -1))
        np.testing.assert_allclose(slopes[0][0, :, k], (up - down) / (2 * (birth + death)), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("decoder", ["film", "attention"])
def test_gradients_of_nets_against_finite_differences(decoder):
    """In double precision, mixed over starts, one species hidden, against `log_prob_tensor` too.

    Mutants: derivatives by the wrong place of theta; the starts' weights left out.
    """
    met = MET(decoder=decoder, width=16, layers=1, heads=2, contexts=16, held_out=0)
    box = {"su": (0.5, 2.0), "sb": (0.0, 0.1), "ru": (1.0, 4.0), "Gu": (0, 1)}
    net = met.train(autoregulation(ru=3.0, rb=6.0), times=(0, 5), box=box, budget_steps=3, seed=1)
    net.net.double()
    theta, rows = Problem.of(net.network, [1.0]).theta, np.array([[3], [0], [7]])
    thetas = np.array([theta, theta * [1.2, 0.5, 0.8, 1.0, 1.0]])
    start = kx.solve(net.network, [1.0], solver="fsp").law(1.0).marginal([0])
    law = _paired(start)
    problem = Problem.of(net.network, [1.0, 4.0], initial=law)
    logs, slopes = net.log_prob_gradient_batch(problem, thetas, [rows, rows[:2]], [1], [2, 0])
    values = net.log_prob_batch(problem, thetas, [rows, rows[:2]], [1], rng=RNG(0))
    for k in range(2):
        np.testing.assert_allclose(logs[k], values[k], atol=1e-12)
        assert slopes[k].shape == (2, len(rows) - k, 2)
        for place, p in enumerate((2, 0)):
            step = 1e-5 * np.eye(5)[p]
            up, down = (
                net.log_prob_batch(problem, thetas + s * step, [rows, rows[:2]], [1], rng=RNG(0))[k] for s in (1, -1)
            )
            np.testing.assert_allclose(slopes[k][..., place], (up - down) / 2e-5, rtol=1e-5, atol=1e-7)
    tensor = torch.tensor(thetas, requires_grad=True)
    net.log_prob_tensor(tensor, rows, 4.0, [1]).sum().backward()
    own = net.log_prob_gradient_batch(Problem.of(net.network, [4.0]), thetas, [rows], [1], [0, 1, 2])[1][0]
    np.testing.assert_allclose(own.sum(axis=1), tensor.grad[:, :3], rtol=1e-9)
    with pytest.raises(SettingError, match="'rb' and knows no derivative"):
        net.log_prob_gradient_batch(problem, thetas, [rows, rows], [1], [3])


def _paired(gene):
    """A law of gene and protein with the gene's marginal and no protein."""
    from kinetix.distribution import Tabulated
    from kinetix.space import StateSpace

    return Tabulated(StateSpace.box([1, 0]), gene.table() / gene.table().sum())


def test_impossible_states_have_no_derivative():
    net = MET(width=16, layers=1, contexts=16, held_out=0).train(
        kx.parse("""model t
          species G = 1, Gs = 0, M = 0
          a: G -> Gs; k*G
          b: Gs -> G; u*Gs
          c: G -> G + M; s*G
          d: M -> ; M
          k = 1; u = 1; s = 2
        end"""),
        times=(0, 5), box={"k": (0.5, 2.0)}, budget_steps=2, seed=1,
    )  # fmt: skip
    problem = Problem.of(net.network, [1.0])
    logs, slopes = net.log_prob_gradient_batch(
        problem, problem.theta[None], [np.array([[1, 1, 0], [1, 0, 2]])], [0, 1, 2], [0]
    )
    assert logs[0][0, 0] == -np.inf
    assert np.isnan(slopes[0][0, 0])
    assert np.isfinite(slopes[0][0, 1])
