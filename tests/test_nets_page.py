"""The page on nets: every block of it runs."""

from tests.exact import ROOT
from tests.pages import run


def test_every_block_runs(monkeypatch):
    """Mutant seen to fail: a setting of the page that MET does not have."""
    monkeypatch.chdir(ROOT)
    names = run("nets.md", blocks=6)
    assert names["told"].domain.encoding.moments is not None
    assert names["steady"].stationary
    assert [f["code"] for f in names["far"].meta["findings"]] == ["KX301"]
