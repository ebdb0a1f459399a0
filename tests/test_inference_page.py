"""The page on rates from data: every block of it runs, in order, from the root of the project."""

from tests.exact import ROOT
from tests.pages import run


def test_every_block_runs(monkeypatch):
    """Mutant: a name of the page that the front door does not have."""
    monkeypatch.chdir(ROOT)
    names = run("inference.md", blocks=8)
    assert names["told"].information.shape[-1] == 2
    assert names["measured"].names == ("kon", "koff", "false_spots")
    assert names["fast"].gate is not None
