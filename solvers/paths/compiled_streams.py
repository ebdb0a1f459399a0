"""The streams of `streams` in numba, bit for bit, one state of four words at a pointer."""

from __future__ import annotations

from typing import Any

import numpy as np

from .pointers import get, part, put
from .streams import FIRST_MULTIPLIER, GOLDEN, LANES, SECOND_MULTIPLIER

L0, L1, L2, L3 = LANES


@part
def mix(z: Any) -> Any:
    """The finaliser of SplitMix64."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(FIRST_MULTIPLIER)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(SECOND_MULTIPLIER)
    return z ^ (z >> np.uint64(31))


@part
def begin(low: Any, high: Any, number: Any, lane: Any) -> Any:
    """One word of the state of stream (root, number)."""
    key = mix(mix(np.uint64(low) + lane) ^ np.uint64(high))
    return mix(key ^ (np.uint64(number) * np.uint64(GOLDEN)))


@part
def rotate(x: Any, k: Any) -> Any:
    """The word, rotated left by k bits."""
    return (x << np.uint64(k)) | (x >> np.uint64(64 - k))


@part
def word(g: Any) -> Any:
    """The next word of xoshiro256++ (see `streams`)."""
    s0, s1, s2, s3 = get(g, 0), get(g, 1), get(g, 2), get(g, 3)
    result = rotate(s0 + s3, 23) + s0
    shifted = s1 << np.uint64(17)
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    put(g, 0, s0)
    put(g, 1, s1)
    put(g, 2, s2 ^ shifted)
    put(g, 3, rotate(s3, 45))
    return float(np.int64(result >> np.uint64(11)))


@part
def begin_stream(g: Any, low: Any, high: Any, number: Any) -> None:
    """The state of stream (root, number) at its beginning."""
    put(g, 0, begin(low, high, number, np.uint64(L0)))
    put(g, 1, begin(low, high, number, np.uint64(L1)))
    put(g, 2, begin(low, high, number, np.uint64(L2)))
    put(g, 3, begin(low, high, number, np.uint64(L3)))
