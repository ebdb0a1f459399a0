"""The page on the reaction language is true."""

import re

import pytest

import kinetix as kx
from tests.exact import ROOT

PAGE = (ROOT / "examples" / "docs" / "reaction_language.md").read_text()


def test_the_example_is_read_as_it_says():
    (text,) = re.findall(r"```ant\n(.*?)```", PAGE, re.DOTALL)
    network = kx.parse(text)
    assert [r.name for r in network.reactions] == ["on", "on_reverse", "tx", "deg", "dim"]
    assert [e.name for e in network.events] == ["induced", "divide"]
    assert kx.parse(network.to_text()).fingerprint == network.fingerprint
    solution = kx.solve(network, [4.0, 20.0], solver="ssa", paths=200, seed=1)
    assert solution.mean("kon").tolist() == [0.1, 1.0]
    assert (solution.mean("total") > 0).all()


@pytest.mark.parametrize(
    "form",
    [
        "$D = 2; d: $D -> B; k*D",
        "k = 0.5*u",
        "name: A + 2 B -> C; k*A*B",
        "name: A + 2 B => C; mass_action(k)",
        "name: A -> B; mass_action(k, u)",
        "x := 2*A",
        "y = 1; y' = 2*A",
        "name: at (A > 2): A = 0, u = 2",
        "at 3 after (A > 2), t0=false, persistent=false, fromTrigger=false, priority=2: A = 0",
        "r: A -> ; piecewise(u*A, A < 3 && !(A == 2), 0)*time",
        "compartment V = 1; A in V",
        "function f(x, y) x*y end; r: A -> ; f(u, A)",
    ],
)
def test_every_form_of_the_table_is_read(form):
    value = "" if form.startswith("k =") else "k = 1\n"
    network = kx.parse(f"species A = 3, B = 1, C = 0\n{value}u = 2\nq: A -> B; k*A\n{form}\n")
    assert network.reactions[0].name == "q"
