"""The files of silently_wrong.py: where the trap is, what the truth is, what kinetix says and answers."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import scipy.linalg

import kinetix as kx
from kinetix.network import ReactionNetwork

ROOT = Path(__file__).parents[2]
DATA = "tests/data"
Moments = dict[str, tuple[float, float]]  # species: mean, sd


@dataclass(frozen=True)
class Case:
    """One file, the trap in it and the truth at `time`; `mend` is a text of the file and what should stand there."""

    title: str
    file: str
    time: float
    truth: Callable[["Case"], Moments]
    source: str
    trap: str
    mend: tuple[str, str] | None = None

    def network(self) -> ReactionNetwork:
        """The file as kinetix reads it, mended where it must be."""
        if self.mend is None:
            return kx.load(ROOT / self.file)
        text = (ROOT / self.file).read_text()
        assert text.count(self.mend[0]) == 1
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "mended.xml"
            path.write_text(text.replace(*self.mend))
            return kx.load(path)


# the truth -------------------------------------------------------------------------------------


def binomial(n: int, p: float) -> tuple[float, float]:
    """Mean and sd of n independent molecules."""
    return n * p, float(np.sqrt(n * p * (1 - p)))


def suite(case: Case) -> Moments:
    """The row of the suite's own table at the time of the case."""
    table = next((ROOT / case.file).parent.glob("*-results.csv"))
    lines = table.read_text().split()
    rows = {float(line.split(",")[0]): map(float, line.split(",")) for line in lines[1:]}
    at = dict(zip(lines[0].split(","), rows[case.time], strict=True))
    return {name[:-5]: (at[name], at[f"{name[:-5]}-sd"]) for name in at if name.endswith("-mean")}


def exchange(case: Case) -> Moments:
    """X <-> Y of 100 molecules that do not see each other."""
    share = 2 / 3 + np.exp(-0.3 * case.time) / 3
    return {"X": binomial(100, share), "Y": binomial(100, 1 - share)}


def reservoir(case: Case) -> Moments:
    """The Schlögl chain of X beside a reservoir ES, by the matrix exponential on 0 <= X < 150."""
    x = np.arange(150.0)
    up, down = 3 * x * (x - 1) / 25 + 12.5, 0.6 * x * (x - 1) * (x - 2) / 625 + 2.95 * x
    up[-1] = 0
    rates = np.diag(up[:-1], -1) + np.diag(down[1:], 1) - np.diag(up + down)
    law = scipy.linalg.expm(case.time * rates)[:, 1]
    mean = law @ x
    return {"X": (mean, float(np.sqrt(law @ (x - mean) ** 2))), "ES": (1.0, 0.0)}


CASES = (
    Case(
        "One rate for two directions",
        f"{DATA}/hostile/h38_reversible_net_law_massaction.xml",
        20.0,
        exchange,
        "closed form: 100 independent molecules",
        "A reversible reaction X <-> Y carries the net law `kf*X - kr*Y`. Used as one propensity it has the right mean "
        "and a standard deviation nine times too small: at the balance nothing moves any more. It must become two "
        "channels. (The file is a minimal one; curated models are full of such laws.)",
    ),
    Case(
        "Concentrations in a volume of 2",
        f"{DATA}/dsmts/00011/00011-sbml-l3v1.xml",
        10.0,
        suite,
        "the suite's table",
        "Case 00011 of the SBML Discrete Stochastic Models Test Suite. The symbol X in a law means a concentration, "
        "amount / 2; the counts themselves are amounts.",
    ),
    Case(
        "Species that reactions must not change",
        f"{DATA}/dsmts/00026/00026-sbml-l3v1.xml",
        10.0,
        suite,
        "the suite's table",
        "Case 00026 of the same suite: the source and the sink of an immigration-death process are boundary species; "
        "they stay 0 whatever the reactions do.",
    ),
    Case(
        "A rate that waits",
        f"{DATA}/traps/switched_decay.xml",
        5.0,
        lambda case: {"X": binomial(20, float(np.exp(-0.2 * (case.time - 2))))},
        "closed form: 20 independent molecules",
        "Twenty molecules; the law of their decay is `piecewise(0, time < 2, 1)*k*X` (a minimal file of ours). A "
        "simulator that looks at the clock only when something happens waits for ever.",
    ),
    Case(
        "A reactant that has run out",
        f"{DATA}/biomodels/BIOMD0000000485.xml",
        1.0,
        reservoir,
        "the reservoir read: matrix exponential of the chain of X",
        "A curated model (the Schlögl model of Cao 2013). ES is consumed at a constant rate and starts at 1, so as "
        "written the law soon asks for a negative count; every reaction keeps X + ES = 2. The authors mean a "
        "reservoir, a boundary species. Read so, X is what the simulators say; read as written, X cannot pass 2. "
        "In neither reading is the mean of ES below 0.",
        ('id="ES"', 'boundaryCondition="true" id="ES"'),
    ),
)


# what kinetix says -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Exact:
    """The answer of kinetix: findings, moments, the bound; `refusal` where the file as written has no law."""

    findings: tuple[str, ...]
    moments: Moments
    error: float
    refusal: str = ""


@cache
def kinetix_answer(case: Case) -> Exact:
    """Findings on the file as written, and the law of the (mended) file by finite state projection."""
    written = kx.load(ROOT / case.file)
    findings = tuple(str(f) for f in written.check() if f.severity != "note" or f.code == "KX103")
    refusal = ""
    if case.mend:
        try:
            kx.solve(written, [case.time], solver="fsp")
        except kx.KinetixError as said:
            refusal = str(said)
    return Exact(findings, *moments(case.network(), case), refusal)


def moments(network: ReactionNetwork, case: Case) -> tuple[Moments, float]:
    """Mean and sd of the species of the case, and the proven error of the law."""
    solution = kx.solve(network, [case.time], solver="fsp")
    assert solution.error is not None
    named = {name: (solution.mean(name)[0], solution.std(name)[0]) for name in case.truth(case)}
    return named, solution.error
