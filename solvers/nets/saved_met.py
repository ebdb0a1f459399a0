"""A trained MET read back from its manifest and weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field

from kinetix.network import ReactionNetwork

from .autoregressive import Autoregressive
from .box import Box
from .checkpoint import Weights
from .decoder import make_net
from .trained import nearest_device, saved_window
from .trained_met import NetSettings, TrainedMET
from .training import seeded


class _Saved(BaseModel):
    """The schema of a manifest, bounded before anything is made."""

    model_config = ConfigDict(extra="forbid")
    settings: dict[str, Any]
    seed: int
    box: dict[str, tuple[float, float]]
    logarithmic: list[str]
    times: tuple[float, float]
    lower: list[int] = Field(max_length=4096)
    shape: list[int] = Field(max_length=4096)
    largest: list[float] | None = Field(default=None, max_length=4096)
    certificate: dict[str, Any]
    start: dict[str, Any] | None = None


@dataclass(frozen=True)
class _Bounds:
    """Bounds of a saved box in the form of a prior, so that its scale is kept."""

    low: float
    high: float
    log_scale: bool

    def bounds(self) -> tuple[float, float]:
        return self.low, self.high


def restored(
    network: ReactionNetwork,
    manifest: Mapping[str, Any],
    weights: Weights,
    make_settings: Callable[..., NetSettings],
) -> TrainedMET:
    """The net of `TrainedMET.manifest` and its weights; `make_settings` takes the saved settings by name."""
    saved = _Saved.model_validate(manifest)
    settings = make_settings(**saved.settings)
    order = [*network.theta_names, *network.species_names, *saved.box]  # JSON has sorted the names
    box = {name: _Bounds(*saved.box[name], name in saved.logarithmic) for name in order if name in saved.box}
    plain = Box.of(network, box, saved.times, means=settings.means and saved.start is None, largest=saved.largest)
    with torch.device("meta"):
        _, sketch = _made(plain, saved, settings)
    weights.check({name: tuple(tensor.shape) for name, tensor in sketch.state_dict().items()})
    with seeded(0):
        domain, net = _made(plain, saved, settings)
    weights.pour(net)
    net = net.to(nearest_device(settings.device)).eval()
    return TrainedMET(domain, net, settings, saved.seed, saved.certificate, saved.start)


def _made(domain: Box, saved: _Saved, settings: NetSettings) -> tuple[Box, Autoregressive]:
    """The box with the prompts of its net, and the net before its weights are poured in."""
    if saved.start is not None:
        from kinetix.solvers.general.adapted import Adaptation

        begun, net = Adaptation.kept(saved.start, domain)
        return begun.domain, net
    layout = settings.layout(saved_window(domain.network, saved.lower, saved.shape), domain.network)
    return domain, make_net(settings.shape, layout, domain.encoding)
