"""First passages by the names of species."""

import numpy as np
import pytest

import kinetix as kx
from tests import exact


def test_the_first_birth_is_exponential():
    network = exact.birth_death(birth=0.5, death=0.1, start=0)
    times = np.array([0.5, 1.0, 3.0])
    found = kx.first_passage(network, times, lambda x: x["X"] >= 1)
    assert found.passed == pytest.approx(1 - np.exp(-0.5 * times), abs=1e-9)
    assert (found.error < 1e-8).all()


def test_parameters_and_starts_are_given_by_name():
    network = exact.birth_death(birth=0.5, death=0.1, start=0)
    (birth, _) = network.theta_names
    found = kx.first_passage(network, [1.0], lambda x: x["X"] >= 4, parameters={birth: 0.0}, initial={"X": 3})
    assert found.passed[0] == 0.0


def test_an_unknown_species_is_named():
    with pytest.raises(kx.SettingError, match=r"the condition asks for 'Y'.*there are: X"):
        kx.first_passage(exact.birth_death(), [1.0], lambda x: x["Y"] >= 4)
