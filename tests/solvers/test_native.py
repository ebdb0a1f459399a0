"""The small compiler against Python itself: each construct of its language, its files, and what it refuses."""

import numpy as np
import pytest

from kinetix.solvers.paths import kernels, native
from kinetix.solvers.paths.native import Native
from kinetix.solvers.paths.pointers import called, part

N = 12


@part
def collatz(n):
    steps = 0
    while True:
        if n == 1:
            break
        steps += 1
        if n // 2 * 2 == n:
            n = n // 2
            continue
        n = 3 * n + 1
    return steps


@called
def sign(v):
    if v > 0.0:
        return 1
    if v < 0.0:
        return -1
    return 0


def work(x, k, words, real, whole):
    """Everything of the language, on arrays that Python may index too."""
    for i in range(N):
        a, b = x[i], x[i + 1]
        real[i] = (a + b) * a - b / (1.0 + abs(a)) + (i if a < b else -1)
        real[N + i] = min(a, b, 0.25) + max(a, b)
        whole[i] = collatz(k[i]) + sign(a) * 10
        whole[N + i] = (k[i] - 7) // 3 + (k[i] & 5) + (k[i] << 2) + int(100.0 * b)
        inside = -0.5 <= a < 0.5 and not b > 0.3
        whole[2 * N + i] = 1 if inside or (a > b and k[i] > 3) else 0
        if inside:
            whole[3 * N + i] += 2
        elif i > 0 and x[i - 1] > 0.0:
            whole[3 * N + i] -= i
        words[i] = (words[i] * np.uint64(0x9E3779B97F4A7C15)) ^ (words[i] >> np.uint64(7))


def test_python_and_machine_code_agree():
    """Mutants seen to fail: whole division towards zero; words shifted with their sign; both sides of `or` swapped."""
    rng = np.random.default_rng(0)
    x, k, words = rng.normal(size=N + 1), rng.integers(1, 30, N), rng.integers(0, 2**64, N, dtype=np.uint64)
    results = []
    for run in (work, Native(work)):
        given = words.copy(), np.zeros(2 * N), np.zeros(4 * N, dtype=np.int64)
        with np.errstate(over="ignore"):
            run(x, k, *given)
        results.append(given)
    for plain, found in zip(*results, strict=True):
        assert (plain == found).all()


def strange(x):
    with x:
        pass


def narrowing(x, k):
    k[0] = x[0]


def mixed(k, words):
    k[0] = words[0] + k[0]


def unknown(k):
    k[0] = len(k)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (strange, (np.zeros(1),)),
        (narrowing, (np.zeros(1), np.zeros(1, np.int64))),
        (mixed, (np.zeros(1, np.int64), np.zeros(1, np.uint64))),
        (unknown, (np.zeros(1, np.int64),)),
        (narrowing, (np.zeros((2, 2))[:, 0], np.zeros(1, np.int64))),
    ],
)
def test_what_is_not_in_the_language_is_refused(function, arguments):
    with pytest.raises(TypeError):
        Native(function)(*arguments)


def double(x):
    x[0] = 2.0 * x[0]


def test_machine_code_is_kept_and_a_damaged_file_is_made_anew(tmp_path, monkeypatch):
    """Mutant seen to fail: files taken without a look at their digest (the process ends)."""
    monkeypatch.setenv("KINETIX_CACHE", str(tmp_path))

    def doubled():
        x = np.array([3.0])
        Native(double)(x)
        return x[0]

    assert doubled() == 6.0
    (file,) = (tmp_path / "kernels").glob("*.o")
    whole = file.read_bytes()
    monkeypatch.setattr(native, "_compiled", lambda *_: pytest.fail("compiled again"))
    assert doubled() == 6.0
    monkeypatch.undo()
    monkeypatch.setenv("KINETIX_CACHE", str(tmp_path))
    for damaged in (whole[:-8], whole[:100] + b"????" + whole[104:], b""):
        file.write_bytes(damaged)
        assert doubled() == 6.0
        assert file.read_bytes() == whole


def test_without_numba_there_is_no_machine_code(monkeypatch):
    assert native.available() == kernels.have_numba()
    monkeypatch.setitem(__import__("sys").modules, "numba", None)
    assert not native.available()
