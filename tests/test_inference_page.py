"""The page on rates from data: every block of it runs, in order, from the root of the project."""

import re
import warnings

from tests.exact import ROOT

PAGE = ROOT / "examples" / "docs" / "inference.md"


def test_every_block_runs(monkeypatch):
    """Mutant: a name of the page that the front door does not have."""
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert len(blocks) == 7
    names: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for block in blocks:
            exec(compile(block, str(PAGE), "exec"), names)
    assert names["told"].information.shape[-1] == 2
    assert names["measured"].names == ("kon", "koff", "false_spots")
    assert names["fast"].gate is not None
