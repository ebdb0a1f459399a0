"""Random streams by number: trajectory i depends on (root, i) alone, not on threads or batches.

A stream is xoshiro256++ (D. Blackman, S. Vigna, ACM TOMS 47 (2021) 36, doi:10.1145/3460772) whose
256-bit state is a keyed hash, by the finaliser of SplitMix64, of the 128-bit root and the number.
The same generator stands in numpy here and in the compiled kernels (`kernels.py`), bit for bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

GOLDEN = 0x9E3779B97F4A7C15
FIRST_MULTIPLIER = 0xBF58476D1CE4E5B9
SECOND_MULTIPLIER = 0x94D049BB133111EB
LANES = (0xA0761D6478BD642F, 0xE7037ED1A0B428DB, 0x8EBC6AF09C88C6E3, 0x589965CC75374CC3)
"""One odd constant for each word of the state."""

UNIT = 2.0**-53


def draw_root(rng: np.random.Generator) -> tuple[int, int]:
    """The 128-bit root of one run, as two 64-bit words."""
    low, high = rng.integers(0, 2**64, 2, dtype=np.uint64)
    return int(low), int(high)


def _mix(z: Words) -> Words:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(FIRST_MULTIPLIER)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(SECOND_MULTIPLIER)
    return np.asarray(z ^ (z >> np.uint64(31)))


def _rotate(x: Words, k: int) -> Words:
    return (x << np.uint64(k)) | (x >> np.uint64(64 - k))


class Streams:
    """Many streams side by side, in numpy: one state of four words a stream: [4, n]."""

    def __init__(self, root: tuple[int, int], numbers: NDArray[np.int64]) -> None:
        low, high = (np.full(numbers.shape, word, dtype=np.uint64) for word in root)
        counter = numbers.astype(np.uint64) * np.uint64(GOLDEN)
        self.state = np.stack([_mix(_mix(_mix(low + np.uint64(lane)) ^ high) ^ counter) for lane in LANES])

    def words(self, chosen: NDArray[np.int64]) -> Words:
        """The next 64-bit word of each chosen stream: [m] -> [m]."""
        s0, s1, s2, s3 = self.state[:, chosen]
        result = _rotate(s0 + s3, 23) + s0
        shifted = s1 << np.uint64(17)
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= shifted
        self.state[:, chosen] = s0, s1, s2, _rotate(s3, 45)
        return np.asarray(result)

    def uniforms(self, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        """The next number in [0, 1) of each chosen stream, a multiple of 2^-53: [m] -> [m]."""
        return (self.words(chosen) >> np.uint64(11)).astype(np.float64) * UNIT
