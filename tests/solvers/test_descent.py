"""Orthogonal steps: the polar factor of the gradient; AdamW on the rest; one state that is saved and read back."""

import numpy as np
import pytest
import torch

from kinetix.solvers.nets.descent import Descent, hidden_matrices, orthogonal
from kinetix.solvers.nets.training import seeded


@pytest.mark.parametrize("shape", [(48, 48), (96, 40), (40, 96)])
def test_all_singular_values_become_about_one(shape):
    """And the directions stay. Mutants: no transpose of tall matrices; another polynomial; one round."""
    rng = np.random.default_rng(3)
    left, right = (np.linalg.qr(rng.normal(size=(n, min(shape))))[0] for n in shape)
    matrix = torch.from_numpy(left @ np.diag(np.geomspace(1, 0.05, min(shape))) @ right.T)
    found = orthogonal(matrix)
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    inner = u.T @ found @ vh.T
    assert torch.linalg.svdvals(found).min() > 0.6
    assert torch.linalg.svdvals(found).max() < 1.3
    assert (inner - torch.diag(torch.diagonal(inner))).abs().max() < 1e-6


def model():
    with seeded(1):
        return torch.nn.ModuleDict(
            {"read": torch.nn.Linear(3, 40), "inner": torch.nn.Linear(40, 40), "heads": torch.nn.Linear(40, 40)}
        )


def descend(net, optimiser, steps, first=0):
    for k in range(first, first + steps):
        x = torch.from_numpy(np.random.default_rng(k).normal(size=(64, 3)).astype(np.float32))
        y = net["heads"](torch.tanh(net["inner"](torch.tanh(net["read"](x))))).sum(dim=1)
        optimiser.zero_grad()
        ((y - x[:, 0] * x[:, 1]) ** 2).mean().backward()
        optimiser.step()


def test_only_inner_matrices_take_orthogonal_steps():
    """A step of theirs has singular values of at most about FASTER * rate. Mutant: the heads among them."""
    net = model()
    assert [tuple(p.shape) for p in hidden_matrices(net)] == [(40, 40)]
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    descend(net, Descent(net, rate=1e-3, decay=0.0, orthogonal_steps=True), 1)
    change = (net["inner"].weight - before["inner.weight"]).detach()
    assert torch.linalg.svdvals(change).max() == pytest.approx(5e-3, rel=0.3)
    assert (net["heads"].weight - before["heads.weight"]).abs().max() <= 1.01e-3  # a first step of Adam


def test_without_them_it_is_adamw():
    first, second = model(), model()
    descend(first, Descent(first, rate=1e-3, decay=1e-2, orthogonal_steps=False), 5)
    descend(second, torch.optim.AdamW(second.parameters(), lr=1e-3, weight_decay=1e-2, fused=True), 5)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_a_state_read_back_goes_on_in_the_same_bits():
    """Mutant: the inner AdamW keeps a state of its own."""
    whole, parts = model(), model()
    descend(whole, Descent(whole, rate=1e-3, decay=1e-2, orthogonal_steps=True), 8)
    early = Descent(parts, rate=1e-3, decay=1e-2, orthogonal_steps=True)
    descend(parts, early, 5)
    late = Descent(parts, rate=1e-3, decay=1e-2, orthogonal_steps=True)
    late.load_state_dict(early.state_dict())
    descend(parts, late, 3, first=5)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), parts.parameters(), strict=True))
