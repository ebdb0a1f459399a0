"""Writes `examples/docs/support.md`: which SBML construct each solver runs, and what every finding means."""

from pathlib import Path

from kinetix.findings import MEANINGS
from kinetix.importers.sbml_support import table

ROOT = Path(__file__).resolve().parents[2]

HEAD = """# What is read, and what runs it

Printed from the code by `tests/benchmarks/support_page.py`; every row of the first table is proven by a small model in
`tests/importers/test_sbml_support.py`.

## SBML construct × solver

"""

FINDINGS = """
A construct that a solver cannot run stops it by name, with the element; `kinetix check MODEL --solver NAME` says so
before any run.

## Findings of `check()`

| code | means |
|---|---|
"""


def page() -> str:
    """The whole page."""
    findings = "".join(f"| {code} | {meaning} |\n" for code, meaning in MEANINGS.items())
    return HEAD + "\n".join(table()) + "\n" + FINDINGS + findings


if __name__ == "__main__":
    target = ROOT / "examples" / "docs" / "support.md"
    target.parent.mkdir(exist_ok=True)
    target.write_text(page(), encoding="utf-8")
