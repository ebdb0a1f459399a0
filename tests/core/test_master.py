"""The master-equation operator: its three forms agree, and what leaves the window is counted."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kinetix.compiler import compile_network
from kinetix.errors import RunError
from kinetix.expressions import symbol
from kinetix.master import MasterOperator, Stencil, flows, local_flow, predecessors
from kinetix.space import StateSpace
from tests import exact


def operator(network, upper, lower=None):
    model = compile_network(network)
    return MasterOperator.of(model, model.theta, StateSpace.box(upper, lower))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), upper=st.tuples(st.integers(0, 6), st.integers(0, 6)))
def test_generator_columns_sum_to_minus_the_leak(seed, upper):
    """Mutant seen to fail: a flat step that wraps around the end of a row of the box."""
    q = operator(exact.random_network(seed), upper)
    matrix = q.sparse().toarray()
    assert np.allclose(matrix.sum(axis=0), -q.leak, atol=1e-12)
    assert (q.leak >= 0).all()
    assert (matrix - np.diag(np.diag(matrix)) >= 0).all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_stencil_and_sparse_matrix_are_one_operator(seed):
    q = operator(exact.random_network(seed, species=3), (3, 4, 2))
    p = np.random.default_rng(seed).random(q.stencil.space.size)
    assert np.allclose(q.apply(p), q.sparse() @ p, atol=1e-12)


def test_against_a_generator_written_state_by_state():
    model = compile_network(exact.autoregulation())
    law = exact.dense_law(model, (1, 40), 0.5)
    q = MasterOperator.of(model, model.theta, StateSpace.box((1, 40)))
    from scipy.linalg import expm

    start = np.zeros(82)
    start[q.stencil.space.index(model.initial)] = 1.0
    p = expm(q.sparse().toarray() * 0.5) @ start
    expected = [law[tuple(state)] for state in q.stencil.states.tolist()]
    assert np.allclose(p, expected, atol=1e-13)


def test_a_window_above_zero_leaks_through_its_lower_face_too():
    q = operator(exact.birth_death(2.0, 1.0), (9,), (5,))
    assert q.leak.tolist() == [5.0, 0, 0, 0, 2.0]


def test_a_conserved_window_is_the_same_law_on_fewer_states():
    model = compile_network(exact.dimerisation(start=6))
    space = StateSpace.conserved(model.network.conservation_laws(), model.initial, [6, 6])
    q = MasterOperator.of(model, model.theta, space)
    assert q.leak[space.admissible()].max() == 0
    from scipy.linalg import expm

    start = np.zeros(space.size)
    start[space.index(model.initial)] = 1.0
    p = expm(q.sparse().toarray() * 1.3) @ start
    law = exact.dense_law(model, (6, 3), 1.3)
    held = [k for k in range(space.size) if p[k] > 0]
    assert len(held) == 4
    assert np.allclose([law[tuple(space.states(k).tolist())] for k in held], p[held], atol=1e-13)


def test_flow_below_zero_names_reaction_and_state():
    model = compile_network(exact.network({"A": 1}, {"k": 1.0}, [("eat", {"A": 1}, {}, symbol("k"))]))
    q = MasterOperator.of(model, model.theta, StateSpace.box((3,)))
    with pytest.raises(RunError, match=r"state \(A = 0\): reaction 'eat' would make a count negative"):
        q.apply(np.array([0.5, 0.5, 0, 0]))
    q.apply(np.array([0, 0.5, 0.5, 0]))  # no probability at 0 yet: nothing to refuse


def test_a_negative_propensity_counts_only_where_probability_is():
    model = compile_network(exact.autoregulation())  # 1 - Gu is negative at Gu = 2, which no path reaches
    q = MasterOperator.of(model, model.theta, StateSpace.box((2, 3)))
    p = np.zeros(12)
    p[q.stencil.space.index([1, 0])] = 1.0
    q.apply(p)
    p[q.stencil.space.index([2, 1])] = 0.1
    with pytest.raises(RunError, match=r"state \(Gu = 2, P = 1\): the propensity of reaction 'release' is -0.94"):
        q.apply(p)


def test_rates_of_many_parameter_vectors_at_once():
    model = compile_network(exact.autoregulation())
    stencil = Stencil(model, StateSpace.box((1, 5)))
    thetas = np.stack([model.theta, 2 * model.theta])
    both = stencil.rates(thetas)
    assert both.shape == (2, 5, 12)
    assert (both[1] == 2 * both[0]).all()
    assert (both[0] == stencil.rates(model.theta)).all()


def poisson_log_prob(counts, mean):
    x = counts.to(torch.float64)
    return (x * torch.log(torch.tensor(mean, dtype=torch.float64)) - mean - torch.lgamma(x + 1)).sum(dim=-1)


@pytest.mark.parametrize("time", [0.3, 2.0])
def test_local_flow_is_the_time_derivative_of_the_log_law(time):
    """Birth-death from 0 is Poisson at every time. Mutant seen to fail: a_r taken at n instead of n - v_r."""
    model = compile_network(exact.birth_death(3.0, 0.7))
    theta = torch.tensor(model.theta)[None]
    counts = torch.arange(12)[None, :, None]

    def mean(t):
        return 3.0 / 0.7 * (1 - np.exp(-0.7 * t))

    flow = local_flow(model, theta, counts, lambda x: poisson_log_prob(x, mean(time)))
    step = 1e-5
    slope = (poisson_log_prob(counts, mean(time + step)) - poisson_log_prob(counts, mean(time - step))) / (2 * step)
    assert torch.allclose(flow, slope, atol=1e-7)


def test_local_flow_agrees_with_the_sparse_generator():
    model = compile_network(exact.autoregulation())
    q = operator(exact.autoregulation(), (1, 30))
    rng = np.random.default_rng(0)
    p = rng.random(q.stencil.space.size)
    p /= p.sum()
    expected = (q.sparse() @ p) / p
    inner = np.nonzero(q.stencil.states[:, 1] < 30)[0]

    def log_prob(x):
        at = q.stencil.space.index(x.numpy())
        return torch.log(torch.tensor(np.where(at >= 0, p[at], 0.0)))

    flow = local_flow(model, torch.tensor(model.theta)[None], torch.tensor(q.stencil.states[inner])[None], log_prob)
    assert np.allclose(flow[0].numpy(), expected[inner], rtol=1e-10)


def test_flows_name_predecessors_and_differentiate_in_theta():
    model = compile_network(exact.dimerisation())
    counts = torch.tensor([[[1, 2], [3, 1]]])
    before, exists = predecessors(model, counts)
    assert before[0].tolist() == [[[3, 1], [-1, 3]], [[5, 0], [1, 2]]]
    assert exists[0].tolist() == [[True, False], [True, True]]
    theta = torch.tensor(model.theta[None], requires_grad=True)
    inflow, _, _, outflow = flows(model, theta, counts)
    assert torch.allclose(inflow[0].detach(), torch.tensor([[0.3, 0.0], [1.0, 0.4]], dtype=torch.float64))
    assert torch.allclose(outflow[0].detach(), torch.tensor([0.4, 0.5], dtype=torch.float64))
    outflow.sum().backward()
    assert theta.grad.tolist() == [[3.0, 3.0]]


def test_local_flow_refuses_a_negative_propensity():
    model = compile_network(exact.autoregulation())
    with pytest.raises(RunError, match=r"state \(Gu = 2, P = 1\): the propensity of reaction 'release'"):
        flows(model, torch.tensor(model.theta)[None], torch.tensor([[[2, 1]]]))
