"""The pages of the documentation as programs: their blocks run in order, from the root of the project."""

import re
import warnings
from typing import Any

from tests.exact import ROOT


def run(page: str, blocks: int) -> dict[str, Any]:
    """The names that a page of examples/docs with so many blocks leaves behind."""
    path = ROOT / "examples" / "docs" / page
    found = re.findall(r"```python\n(.*?)```", path.read_text(), flags=re.DOTALL)
    assert len(found) == blocks
    names: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for block in found:
            exec(compile(block, str(path), "exec"), names)
    return names
