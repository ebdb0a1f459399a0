"""The page on the general model: every block of it runs."""

from tests.exact import ROOT
from tests.pages import run


def test_every_block_runs(monkeypatch):
    """Mutant seen to fail: a network of the page that the model refuses."""
    monkeypatch.chdir(ROOT)
    names = run("general.md", blocks=3)
    assert {one["flag"] for one in names["answer"].meta["trust"]} <= {"good", "fair", "poor"}
    assert [len(one.mean) for one in names["summaries"]] == [4, 2]
