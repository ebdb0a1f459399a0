"""Cases of the SBML semantic suite: the mean field has the values of the suite, or the case is refused by name.

The suite and its licence: tests/data/semantic.
"""

from pathlib import Path

import numpy as np
import pytest

import kinetix as kx
from tests.exact import ROOT

FOLDER = ROOT / "tests" / "data" / "semantic"
REFUSED = {
    "00988": "reaction 'fast': fast reactions are not supported",
    "00993": "algebraic rule: algebraic rules are not supported",
    "01142": "rule of 't3': 'delay' is not a function",
    "01419": "rule of 'P1': 'delay' is not a function",
    "01462": "rule of 'x': 'rateOf' is not a function",
    "01628": "reaction 'R16': a flux-balance model (package 'fbc') has no rates",
}
FILES = tuple(sorted(FOLDER.glob("*/*.xml")))
READ = tuple(p for p in FILES if p.parent.name not in REFUSED)


def settings(case: Path) -> dict[str, str]:
    lines = next(case.glob("*settings.txt")).read_text().splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines if line)}


def table(case: Path) -> dict[str, np.ndarray]:
    """Times and columns of a case; a name in brackets is a concentration."""
    lines = next(case.glob("*results.csv")).read_text().replace(" ", "").split()
    concentrations = settings(case)["concentration"].replace(" ", "").split(",")
    names = [f"[{name}]" if name in concentrations else name for name in lines[0].split(",")[1:]]
    rows = np.array([[float(cell) for cell in line.split(",")] for line in lines[1:]])
    return dict(zip(["time", *names], rows.T, strict=True))


@pytest.mark.parametrize("law", ["auto", "verbatim"])
@pytest.mark.parametrize("path", READ, ids=lambda p: p.stem)
def test_the_mean_field_is_the_run_of_the_suite(path: Path, law: str) -> None:
    """Mutants of the reader seen to fail.

    Stoichiometries of 2 read as 1 (00580); concentrations ruled by their rate without the growth of the
    volume (01478); events that hold at time 0 not fired there (01284); local parameters not hiding
    species references (01769); conversion factors dropped (01775).
    """
    columns, wanted = table(path.parent), settings(path.parent)
    solution = kx.solve(kx.load(path, law=law), columns.pop("time"), solver="mean-field")
    for name, stated in columns.items():
        allowed = float(wanted["absolute"]) + float(wanted["relative"]) * np.abs(stated)
        assert (np.abs(solution.mean(name) - stated) <= allowed).all(), name


@pytest.mark.parametrize("path", [p for p in FILES if p not in READ], ids=lambda p: p.stem)
def test_refused_by_name(path: Path) -> None:
    with pytest.raises(kx.UnsupportedFeature) as caught:
        kx.load(path)
    assert str(caught.value).startswith(f"{path}: {REFUSED[path.parent.name]}")


def test_every_case_is_here_with_the_licence() -> None:
    assert "GNU Lesser General Public License" in (FOLDER / "LICENSE.txt").read_text()
    assert len({p.parent.name for p in FILES}) == 51
    assert len({p.parent.name for p in READ}) == 45
