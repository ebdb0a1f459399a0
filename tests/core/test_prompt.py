"""A problem as numbers: bounded, injective in what varies, the same on numpy and torch."""

import numpy as np
import pytest
import torch

from kinetix.errors import SettingError
from kinetix.prompt import PromptEncoding
from tests.exact import birth_death

BOX = {"death": (0.0, 0.5), "birth": (1.0, 20.0), "X": (0, 19)}


def encoding(times=(0.0, 100.0)):
    return PromptEncoding.of(birth_death(), BOX, times)


def test_features_are_bounded_and_named_by_tokens():
    code = encoding()
    rng = np.random.default_rng(0)
    thetas = np.stack([rng.uniform(1, 20, 200), rng.uniform(0, 0.5, 200)], axis=-1)
    features = code.encode(thetas, rng.integers(0, 20, (200, 1)), rng.uniform(1e-3, 100, 200))
    assert features.shape == (200, code.size)
    assert np.isfinite(features).all()
    assert np.abs(features).max() <= 1.001
    assert code.groups == ((0, 2), (2, 4), (4, 7), (7, 13))


def test_a_rate_of_zero_has_finite_features():
    features = encoding().encode([1.0, 0.0], [0], 1.0)
    assert np.isfinite(features).all()
    assert features[2] == features[3] == -1.0


@pytest.mark.parametrize(
    "change", [([2.0, 0.1], [3], 5.0), ([1.5, 0.2], [3], 5.0), ([1.5, 0.1], [4], 5.0), ([1.5, 0.1], [3], 6.0)]
)
def test_everything_that_varies_is_seen(change):
    """Mutant: leave the initial counts out of the prompt."""
    base = encoding().encode([1.5, 0.1], [3], 5.0)
    assert np.abs(encoding().encode(*change) - base).max() > 1e-3


def test_torch_states_the_same_features_and_gradients():
    code = encoding()
    varied = [torch.tensor([2.0, 3.0], dtype=torch.float64, requires_grad=True) for _ in range(3)]
    times = torch.tensor([1.0, 7.0], dtype=torch.float64)
    columns = torch.stack(torch.broadcast_tensors(*code.columns(varied, times, torch)), dim=-1)
    expected = code.encode([[2.0, 2.0], [3.0, 3.0]], [[2.0], [3.0]], [1.0, 7.0])
    np.testing.assert_allclose(columns.detach().numpy(), expected, rtol=1e-12)
    columns.sum().backward()
    assert all(v.grad is not None and (v.grad != 0).all() for v in varied)


def test_inside():
    code = encoding()
    assert code.inside([1.0, 0.5], [19], 100.0)
    assert not code.inside([0.9, 0.5], [19], 100.0)
    assert not code.inside([1.0, 0.5], [20], 100.0)
    assert not code.inside([1.0, 0.5], [19], 101.0)


@pytest.mark.parametrize("box", [{"birth": (2.0, 1.0)}, {"birth": (-1.0, 1.0)}, {"birth": (0.0, np.inf)}])
def test_bounds_that_are_none_are_refused(box):
    with pytest.raises(SettingError, match="bounds"):
        PromptEncoding.of(birth_death(), box, (0, 1))


def test_misspelt_names_get_a_near_miss():
    with pytest.raises(SettingError, match="did you mean 'birth'"):
        PromptEncoding.of(birth_death(), {"brith": (0, 1)}, (0, 1))


@pytest.mark.parametrize("times", [(2.0, 1.0), (-1.0, 1.0), (0.0, 0.0), (0.0, np.inf)])
def test_impossible_intervals_are_refused(times):
    with pytest.raises(SettingError, match="interval"):
        encoding(times)
