"""Whatever is read, it is a network, a table or one KinetixError in one line, in little time and memory."""

import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.importers.fuzz import read, run
from tests.importers.fuzz_inputs import make

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits of processes")


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(seed=st.integers(0, 10**6), kind=st.sampled_from([6, 9]))
def test_texts_and_tables(seed: int, kind: int) -> None:
    """In this process, since nothing but Python reads them."""
    ending, data = make(seed, kind)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"input{ending}"
        path.write_bytes(data)
        assert read(path) in {"read", "refused"}, data


def test_a_few_hundred_of_each_kind() -> None:
    """In workers, since libsbml may end a process; seen to fail with a reader that raises ValueError."""
    outcomes = list(run(300, seed=7))
    assert len(outcomes) == 300
    assert not [o for o in outcomes if not o.fine]
    assert {o.verdict for o in outcomes} == {"read", "refused"}


@pytest.mark.slow
def test_ten_thousand() -> None:
    assert not [o for o in run(10_000, seed=1) if not o.fine]
