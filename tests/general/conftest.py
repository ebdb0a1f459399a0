"""One thread of torch: the nets of these tests are so small that two would wait for one another."""

import pytest

from kinetix.solvers.nets.training import threads


@pytest.fixture(autouse=True)
def _one_thread():
    with threads(1):
        yield
