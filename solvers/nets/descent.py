"""How weights descend: AdamW, and for the matrices between hidden vectors, if asked for, orthogonal steps.

An orthogonal step replaces the smoothed gradient of a matrix by the nearest matrix whose singular
values are all about 1, so that directions of small gradients learn as fast as the others. It costs a
dozen products of matrices, and pays where a step weighs thousands of prefixes.
K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024), kellerjordan.github.io/posts/muon.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, overload

import torch
from torch import Tensor, nn

SMALLEST = 32
"""Rows and columns that a matrix needs for orthogonal steps."""

FASTER = 5.0
"""Their rate, as a multiple of AdamW's."""

MOMENTUM = 0.95

FUSED = {"cpu", "cuda"}
"""Devices on which torch has AdamW as one kernel, in every version that we run on."""

QUINTIC = 3.4445, -4.7750, 2.0315
"""The odd polynomial of Newton-Schulz that takes singular values of (0, 1] to about 1 in `ROUNDS` rounds."""

ROUNDS = 5


def orthogonal(matrix: Tensor) -> Tensor:
    """About U V^T of the singular value decomposition U S V^T: every singular value between 0.7 and 1.2."""
    a, b, c = QUINTIC
    x: Tensor = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(ROUNDS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x


def hidden_matrices(net: nn.Module) -> list[Tensor]:
    """The weights of linear maps between hidden vectors; those of output layers (`heads`) are left out."""
    linear = ((n, m) for n, m in net.named_modules() if isinstance(m, nn.Linear) and "heads" not in n)
    return [m.weight for _, m in linear if min(m.weight.shape) >= SMALLEST]


class Descent(torch.optim.Optimizer):
    """AdamW on all weights of `net`, or all but its hidden matrices, which take `orthogonal` steps."""

    def __init__(self, net: nn.Module, *, rate: float, decay: float, orthogonal_steps: bool) -> None:
        matrices = hidden_matrices(net) if orthogonal_steps else []
        apart = {id(p) for p in matrices}
        others = [p for p in net.parameters() if id(p) not in apart]
        groups: list[dict[str, Any]] = [{"params": others}, *([{"params": matrices}] if matrices else [])]
        super().__init__(groups, {"lr": rate, "weight_decay": decay})
        fused = all(p.device.type in FUSED for p in others)
        self._adam = torch.optim.AdamW(others, lr=rate, weight_decay=decay, fused=fused)

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step at the rates of the groups; no closure is called."""
        del closure
        first, *rest = self.param_groups
        self._adam.state = self.state  # one state for both, also after it was loaded
        self._adam.param_groups[0]["lr"] = first["lr"]
        self._adam.step()
        for group in rest:
            rate = FASTER * group["lr"]
            for p in group["params"]:
                if p.grad is not None:
                    velocity = self.state[p].setdefault("velocity", torch.zeros_like(p))
                    velocity.mul_(MOMENTUM).add_(p.grad)
                    change = orthogonal(p.grad + MOMENTUM * velocity)
                    p.mul_(1 - rate * group["weight_decay"])
                    p.add_(change, alpha=-rate * max(1.0, p.shape[0] / p.shape[1]) ** 0.5)
        return None


def moments_as_tensors(prefix: str, state: Mapping[str, Any]) -> dict[str, Tensor]:
    """What an optimiser remembers (its `state_dict`) as named tensors."""
    entries = ((k, entry) for k, entry in state["state"].items())
    return {f"{prefix}.{k}.{name}": value for k, entry in entries for name, value in entry.items()}


def moments_of(prefix: str, tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """The way back: the "state" of a `state_dict`."""
    result: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith(prefix):
            position, key = name.removeprefix(prefix).split(".", 1)
            result.setdefault(int(position), {})[key] = tensor
    return result
