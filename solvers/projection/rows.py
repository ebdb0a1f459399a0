"""One row of a product in numba: small loops that become part of the sweeps.

Vectors are handed to them as slices that start at 0: the compiler then needs no check for negative
indices and uses the machine's vector instructions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

TINY = 1e-290
"""Probabilities below this are set to 0: numbers near the smallest double slow the machine down."""

SUMS = {"contract", "reassoc", "nsz"}
"""What the compiler may do to sums: add in any order, in one step with the multiplication."""


def jit(function: Callable[..., Any]) -> Any:
    """A loop that holds no lock of the interpreter, compiled once and kept on disk."""
    try:
        return njit(nogil=True, cache=True, fastmath=SUMS)(function)
    except RuntimeError:  # no folder to keep the compiled code in
        return njit(nogil=True, fastmath=SUMS)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """A small loop that becomes part of its caller, which then knows that its arrays do not overlap."""
    return njit(nogil=True, fastmath=SUMS, forceinline=True)(function)


@inlined
def add_scaled(total: Any, factor: float, v: Any) -> None:
    """Total += factor * v."""
    for i in range(total.shape[0]):
        total[i] += factor * v[i]


@inlined
def multiply(w: Any, a: Any, v: Any) -> None:
    """W = a * v, entry by entry."""
    for i in range(w.shape[0]):
        w[i] = a[i] * v[i]


@inlined
def add_one(w: Any, g: float, f: Any, v: Any) -> None:
    """W += g * f * v, entry by entry."""
    for i in range(w.shape[0]):
        w[i] += g * f[i] * v[i]


@inlined
def add_two(w: Any, g: float, f: Any, v: Any, g1: float, f1: Any, v1: Any) -> None:
    """Two terms at once."""
    for i in range(w.shape[0]):
        w[i] += g * f[i] * v[i] + g1 * f1[i] * v1[i]


@inlined
def add_four(  # noqa: PLR0913, PLR0917 - four terms of three
    w: Any,
    g: float,
    f: Any,
    v: Any,
    g1: float,
    f1: Any,
    v1: Any,
    g2: float,
    f2: Any,
    v2: Any,
    g3: float,
    f3: Any,
    v3: Any,
) -> None:
    """Four terms at once."""
    for i in range(w.shape[0]):
        w[i] += (g * f[i] * v[i] + g1 * f1[i] * v1[i]) + (g2 * f2[i] * v2[i] + g3 * f3[i] * v3[i])


@inlined
def add_plain(w: Any, g: float, v: Any, g1: float, v1: Any, g2: float, v2: Any, g3: float, v3: Any) -> None:  # noqa: PLR0913, PLR0917
    """Four terms that are the same all along the row."""
    for i in range(w.shape[0]):
        w[i] += (g * v[i] + g1 * v1[i]) + (g2 * v2[i] + g3 * v3[i])


@inlined
def head_four(  # noqa: PLR0913, PLR0917 - what stays and four terms of three
    w: Any,
    s: Any,
    c: Any,
    g: float,
    f: Any,
    v: Any,
    g1: float,
    f1: Any,
    v1: Any,
    g2: float,
    f2: Any,
    v2: Any,
    g3: float,
    f3: Any,
    v3: Any,
) -> None:
    """W = s * c and four terms."""
    for i in range(w.shape[0]):
        w[i] = (s[i] * c[i] + g * f[i] * v[i] + g1 * f1[i] * v1[i]) + (g2 * f2[i] * v2[i] + g3 * f3[i] * v3[i])


@inlined
def settle(w: Any) -> float:
    """W = 0 where it is below TINY; the sum of what is left."""
    total = 0.0
    for i in range(w.shape[0]):
        w[i] = w[i] if w[i] >= TINY else 0.0
        total += w[i]
    return total


@inlined
def select(t: Any, row: int, first: int, last: int, hot: Any, live: Any) -> int:
    """The terms first .. last - 1 that bring something to a row, written to `live`; how many there are."""
    count = 0
    for r in range(first, last):
        source = row - t.back[r]
        if 0 <= source < hot.shape[0] and hot[source] and t.gains[r, source] != 0.0:
            live[count] = r
            count += 1
    return count


@inlined
def term(v: Any, t: Any, row: int, r: int) -> tuple[float, Any, Any]:
    """Gain, factors and the stretch of v that term r brings to a row."""
    n, source = t.inner, row - t.back[r]
    a, b = t.base[r] + t.stride[r] * source, t.pad + row * n - t.step[r]
    return t.gains[r, source], t.factors[a : a + n], v[b : b + n]


@inlined
def head_mixed(  # noqa: PLR0913, PLR0917 - what stays, two terms of two and two of three
    w: Any,
    s: Any,
    c: Any,
    g: float,
    v: Any,
    g1: float,
    v1: Any,
    h: float,
    f: Any,
    u: Any,
    h1: float,
    f1: Any,
    u1: Any,
) -> None:
    """W = s * c, two terms that are the same all along the row, and two that are not."""
    for i in range(w.shape[0]):
        w[i] = s[i] * c[i] + ((g * v[i] + g1 * v1[i]) + (h * f[i] * u[i] + h1 * f1[i] * u1[i]))


@inlined
def head_six(  # noqa: PLR0913, PLR0917 - what stays, three terms of two and three of three
    w: Any,
    s: Any,
    c: Any,
    g: float,
    v: Any,
    g1: float,
    v1: Any,
    g2: float,
    v2: Any,
    h: float,
    f: Any,
    u: Any,
    h1: float,
    f1: Any,
    u1: Any,
    h2: float,
    f2: Any,
    u2: Any,
) -> None:
    """W = s * c, three terms that are the same all along the row, and three that are not."""
    for i in range(w.shape[0]):
        even = (g * v[i] + g1 * v1[i]) + (g2 * v2[i] + h2 * f2[i] * u2[i])
        w[i] = s[i] * c[i] + (even + (h * f[i] * u[i] + h1 * f1[i] * u1[i]))


@inlined
def add_sparse(w: Any, v: Any, t: Any, row: int) -> None:
    """W += the sparse part of a row."""
    for i in range(t.inner):
        total = 0.0
        for k in range(t.starts[row * t.inner + i], t.starts[row * t.inner + i + 1]):
            total += t.flows[k] * v[t.pad + t.sources[k]]
        w[i] += total


@inlined
def picked(v: Any, t: Any, row: int, live: Any, place: int, end: int) -> tuple[float, Any, Any]:
    """As `term` of the live one at `place`, and of any with a gain of 0 from `end` on."""
    g, f, u = term(v, t, row, live[place if place < end else 0])
    return g if place < end else 0.0, f, u


@inlined
def add_rows(w: Any, v: Any, t: Any, row: int, q: int, plain: int, count: int, live: Any) -> None:
    """W += the terms from live[q] on, of which those before `plain` are the same all along the row."""
    while q + 3 < plain:
        g, _, u = term(v, t, row, live[q])
        g1, _, u1 = term(v, t, row, live[q + 1])
        g2, _, u2 = term(v, t, row, live[q + 2])
        g3, _, u3 = term(v, t, row, live[q + 3])
        add_plain(w, g, u, g1, u1, g2, u2, g3, u3)
        q += 4
    for place in range(q, plain):
        g, _, u = term(v, t, row, live[place])
        add_scaled(w, g, u)
    q = max(q, plain)
    while q + 3 < count:
        g, f, u = term(v, t, row, live[q])
        g1, f1, u1 = term(v, t, row, live[q + 1])
        g2, f2, u2 = term(v, t, row, live[q + 2])
        g3, f3, u3 = term(v, t, row, live[q + 3])
        add_four(w, g, f, u, g1, f1, u1, g2, f2, u2, g3, f3, u3)
        q += 4
    if q + 1 < count:
        g, f, u = term(v, t, row, live[q])
        g1, f1, u1 = term(v, t, row, live[q + 1])
        add_two(w, g, f, u, g1, f1, u1)
        q += 2
    if q < count:
        g, f, u = term(v, t, row, live[q])
        add_one(w, g, f, u)


@inlined
def fill(w: Any, v: Any, t: Any, row: int, plain: int, count: int, live: Any) -> None:
    """The entries w [inner] of a row of v + Q v / rate; v is padded.

    The terms are those in `live`, of which the first `plain` are the same all along the row.
    """
    n, at, q, rest = t.inner, t.pad + row * t.inner, 0, count - plain
    s, c = t.stay[row * n : row * n + n], v[at : at + n]
    if 0 < plain <= 3 and rest <= 3:
        g, _, u = picked(v, t, row, live, 0, plain)
        g1, _, u1 = picked(v, t, row, live, 1, plain)
        h, f, x = picked(v, t, row, live, plain, count)
        h1, f1, x1 = picked(v, t, row, live, plain + 1, count)
        if plain <= 2 and rest <= 2:
            head_mixed(w, s, c, g, u, g1, u1, h, f, x, h1, f1, x1)
        else:
            g2, _, u2 = picked(v, t, row, live, 2, plain)
            h2, f2, x2 = picked(v, t, row, live, plain + 2, count)
            head_six(w, s, c, g, u, g1, u1, g2, u2, h, f, x, h1, f1, x1, h2, f2, x2)
        q, plain = count, 0
    elif plain == 0 and count >= 4:
        g, f, u = term(v, t, row, live[0])
        g1, f1, u1 = term(v, t, row, live[1])
        g2, f2, u2 = term(v, t, row, live[2])
        g3, f3, u3 = term(v, t, row, live[3])
        head_four(w, s, c, g, f, u, g1, f1, u1, g2, f2, u2, g3, f3, u3)
        q = 4
    else:
        multiply(w, s, c)
    add_rows(w, v, t, row, q, plain, count, live)
    if t.starts.shape[0] > 0:
        add_sparse(w, v, t, row)
