"""The page on the general model: every block of it runs."""

from tests.exact import ROOT
from tests.pages import run


def test_every_block_runs(monkeypatch):
    """Seen to fail: a certificate without scores; a box in which the time alone varies."""
    monkeypatch.chdir(ROOT)
    names = run("general.md", blocks=4)
    assert {one["flag"] for one in names["answer"].meta["trust"]} <= {"good", "fair", "poor"}
    assert [len(one.mean) for one in names["summaries"]] == [4, 2]
