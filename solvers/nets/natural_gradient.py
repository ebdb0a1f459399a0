"""Natural gradient in sample space: a least-squares step on rewards at a few hundred states.

The wanted change of log P at B states is minus their centred reward; among all changes of the weights
that make it, the smallest is taken: delta = -step Oᵀ (O Oᵀ + damping)⁻¹ reward, with O [B, weights]
the scores (gradients of log P at each state). O Oᵀ is summed layer by layer from activations and
gradients of outputs, so that no score is ever written down.
S. Sorella, Phys. Rev. Lett. 80 (1998) 4558, doi:10.1103/PhysRevLett.80.4558 (stochastic reconfiguration); A. Chen,
M. Heyl, Nat. Phys. 20 (2024) 1476, doi:10.1038/s41567-024-02566-1 (in sample space).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .recurrent import Recurrent, Trace


@dataclass(frozen=True)
class NaturalGradient:
    """How to step: the share `step` of the wanted change, `damping` of the Gram matrix, largest `reward` in nats."""

    step: float = 0.5
    damping: float = 1e-3
    reward: float = 5.0


@dataclass(frozen=True)
class Rewards:
    """Mean and variance of log P - log target over the weighted states: both vanish where the laws agree."""

    mean: float
    variance: float


def rewards_of(log_p: Tensor, log_target: Tensor, weight: Tensor) -> Rewards:
    """The rewards at states [B] of weights that sum to 1."""
    gap = (log_p - log_target).double()
    mean = (weight * gap).sum()
    return Rewards(float(mean), float((weight * (gap - mean) ** 2).sum()))


def natural_step(net: Recurrent, values: Tensor, log_target: Tensor, weight: Tensor, how: NaturalGradient) -> Rewards:
    """Change the weights of `net` by one step at states [B, D], targets and weights [B]; the rewards before it."""
    trace = net.trace(values)
    gap = (trace.log_p.detach() - log_target).clamp(-20.0, 20.0)
    before = rewards_of(trace.log_p.detach(), log_target, weight)
    wanted = (gap - (weight * gap).sum()).clamp(-how.reward, how.reward)
    root = weight.sqrt()
    gram = _centred(score_gram(net, values, trace), weight) * root[:, None] * root
    damped = gram.double() + how.damping * torch.eye(len(values), dtype=torch.float64, device=gram.device)
    solved = torch.linalg.solve(damped, (root * wanted).double()[:, None])[:, 0].float()
    share = root * solved
    share = share - weight * share.sum()  # scores are centred too
    with torch.no_grad():
        changes = torch.autograd.grad(trace.log_p, list(net.parameters()), grad_outputs=share, allow_unused=True)
        for weights, change in zip(net.parameters(), changes, strict=True):
            if change is not None:
                weights.sub_(how.step * change)
    return before


def score_gram(net: Recurrent, values: Tensor, trace: Trace) -> Tensor:
    """O Oᵀ of the scores d log P(n_b) / d weights at the states of a trace: [B, B]."""
    depth = len(net.caps)
    outputs = [trace.states[0], *trace.gates, *trace.inputs, *trace.logits]
    start, *others = torch.autograd.grad(trace.log_p.sum(), outputs, retain_graph=True)
    gates, inputs, logits = others[:depth], others[depth : 2 * depth], others[2 * depth :]
    with torch.no_grad():
        gram = start @ start.T + _tied([h.detach() for h in trace.states[:depth]], [g[0] for g in gates])
        for i in range(depth):
            after = trace.states[i + 1].detach()
            gram += (after @ after.T + 1) * (logits[i] @ logits[i].T)
            seen = torch.ones((), device=gram.device)
            if i:
                last = values[:, i - 1]
                features = net.value_features(i - 1)[last]
                seen = 1 + (last[:, None] == last).float() + features @ features.T
            gram += seen * (inputs[i][0] @ inputs[i][0].T)
    return gram


def _tied(inside: list[Tensor], outside: list[Tensor]) -> Tensor:
    """The part of one linear map that is used at every position: by pairs of positions, or whole scores if cheaper."""
    (batch, width), wide = inside[0].shape, outside[0].shape[1]
    depth = len(inside)
    if depth * depth * (width + wide) < width * wide:
        h, g = torch.cat(inside), torch.cat(outside)
        pairs = (h @ h.T + 1) * (g @ g.T)
        return pairs.reshape(depth, batch, depth, batch).sum(dim=(0, 2))
    scores = torch.einsum("ibw,ibg->bwg", torch.stack(inside), torch.stack(outside)).reshape(batch, -1)
    bias = torch.stack(outside).sum(dim=0)
    return scores @ scores.T + bias @ bias.T


def _centred(gram: Tensor, weight: Tensor) -> Tensor:
    """The Gram matrix of scores minus their weighted mean."""
    mean = gram @ weight
    return gram - mean[:, None] - mean + weight @ mean
