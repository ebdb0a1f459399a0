"""Windows of more states than 64 bits can number: what is inside is known, positions are refused."""

import numpy as np
import pytest

from kinetix.space import StateSpace


def test_a_huge_window_knows_what_it_holds():
    """Mutant: inside by flat positions, which wrap round: most states of 17 species would have probability 0."""
    space = StateSpace.box([27] * 17)
    assert space.size > 2**63
    counts = np.random.default_rng(1).integers(0, 28, (500, 17))
    assert space.contains(counts).all()
    assert not space.contains(counts + 28 * np.eye(17, dtype=int)[3]).any()
    with pytest.raises(OverflowError, match="no flat positions"):
        space.index(counts)
