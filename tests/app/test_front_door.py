"""The front door: the lazy names, the names that type checkers see and the real things are the same."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import kinetix

STUB = Path(kinetix.__file__).with_suffix(".pyi")


def stub_names() -> dict[str, tuple[str, str]]:
    """Public name -> (module, name there) in `__init__.pyi`."""
    tree = ast.parse(STUB.read_text())
    froms = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return {a.asname or a.name: (node.module or "", a.name) for node in froms for a in node.names}


def test_the_types_tell_of_the_same_names() -> None:
    """Mutant: a name of the table left out of the stub."""
    assert set(stub_names()) == set(kinetix.__all__)


def test_every_name_is_what_the_stub_says() -> None:
    for public, (module, name) in stub_names().items():
        home = importlib.import_module(module)
        real = getattr(home, name) if hasattr(home, name) else importlib.import_module(f"{module}.{name}")
        assert getattr(kinetix, public) is real, public


def test_the_door_opens_on_numpy_at_most() -> None:
    program = (
        "import sys, kinetix; heavy = {'sympy', 'torch', 'scipy', 'numba', 'libsbml', 'emcee', 'pydantic'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
