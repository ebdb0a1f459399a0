"""Antimony by its own library: it means the same as our language, and as the SBML that it came from."""

import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import sympy
from hypothesis import HealthCheck, assume, given, settings

import kinetix as kx
from kinetix.expressions import symbol
from kinetix.network import Reaction, ReactionNetwork
from tests.exact import ROOT
from tests.importers.random_networks import PLAIN, networks

needs_library = pytest.mark.skipif(find_spec("antimony") is None, reason="needs the package antimony")
BIOMODELS = sorted((ROOT / "tests" / "data" / "biomodels").glob("*.xml"))
ZOO = sorted((ROOT / "examples" / "models").glob("*.xml"))


def read(text: str, folder: Path, **options: object) -> ReactionNetwork:
    (folder / "model.ant").write_text(text)
    return kx.load(folder / "model.ant", format="antimony", **options)


def as_antimony(path: Path) -> str:
    """The text that the library makes of an SBML file."""
    import antimony

    antimony.clearPreviousLoads()
    assert antimony.loadSBMLString(path.read_text()) >= 0, antimony.getLastError()
    return str(antimony.getAntimonyString(antimony.getMainModuleName()))


@needs_library
@pytest.mark.parametrize("path", [*ZOO, *BIOMODELS], ids=lambda p: p.stem)
def test_a_model_written_as_antimony_is_the_same_model(path: Path, tmp_path: Path) -> None:
    try:
        expected = kx.load(path, law="verbatim")
    except kx.KinetixError as problem:
        pytest.skip(f"refused as SBML: {problem.reason}")
    assert read(as_antimony(path), tmp_path, law="verbatim").fingerprint == expected.fingerprint


@needs_library
@pytest.mark.parametrize(
    "text",
    [
        "model *a(); X = 1; X -> ; 2*X; end\nmodel b(); A: a(); A.X = 3; end",
        "species X in C = 3; compartment C = 2; k = 1; X -> ; k*X*C",
        'function f(x) x^2; end; X = 3; X is "the molecule"; X -> ; f(X)',
        "unit per_second = 1/second; X = 3; k = 2 per_second; X => ; k*X",
    ],
)
def test_what_our_language_leaves_out(text: str, tmp_path: Path) -> None:
    assert read(text, tmp_path).species_names == ("X",)


@needs_library
def test_a_concentration_is_a_concentration(tmp_path: Path) -> None:
    """Amount is three in a volume of two; our language refuses the text and says who reads it."""
    text = "species X in C = 1.5; compartment C = 2; k = 1; X -> ; k*X*C"
    network = read(text, tmp_path)
    assert network.species[0].initial == 3
    with pytest.raises(kx.KinetixError, match=r'substanceOnly.*format="antimony"'):
        kx.load(tmp_path / "model.ant")


SHARED = r"""
X => ; k*log(X)
X => ; k*log10(X) + log(2, X) - -X^2
X => Y; X^2*Y + 2^3^2*X + X/Y/2 + X^-2 + 2^-X
X => ; piecewise(1, X > 2 && Y <= 1 || !(X == 0), X, X != 1, 3)
X => ; piecewise(1, xor(X > 2, Y > 1), 2, and(X > 2, not(Y < 1)), 4)
X => ; root(3, X) + sqr(X) + pow(X, Y) + max(X, Y, 2)*floor(X/2) + acsch(X) + exponentiale*pi + time*X
1.5 X + 2 X => 0.5 Y; k
X => n Y; n*k; n = 2
X => n Y; k; n := X/2
X => n Y; k; n = 3; n' = X
X => n $Y; n*k; n = 3; E: at (time > 2): n = 4
at (X > 3), t0=false, persistent=false, fromTrigger=false: X = 2*Y, k = 3
E: at X > 3 && time >= 2: X = 0,\n  Y = 100
E: at k + 1 after (X > 3), priority=Y + 2, t0=false: X = 2*Y
z = 4; z' = -k*z; X => ; z*X
X' = 3 - X; $X => Y; k
compartment C = 2; substanceOnly species Z in C = 4; C' = 0.1; Z => ; Z/C
compartment C := 2 + time; substanceOnly species Z in C = 4; Z => ; Z/C
const species W = 3; W => X; W*k
J in C: X => Y; X*k; C = 1
e = 3; E: X => ; e*X*k
c = b; X => ; c; a = 2*b; b = 3; s := a*X; Y => ; s
""".strip().split("\n")


def plain(network: ReactionNetwork) -> ReactionNetwork:
    """Reactions and events by number, since each reader names those without a name, and compartments of size 1 gone."""
    units = {symbol(c.name): 1 for c in network.constants if c.kind == "compartment" and c.value == 1}

    def bare(book: Mapping[str, sympy.Expr]) -> dict[str, sympy.Expr]:
        return {name: e.xreplace(units) if isinstance(e, sympy.Basic) else e for name, e in book.items()}

    return network.with_parts(
        reactions=[
            Reaction(f"r{i}", bare(r.reactants), bare(r.products), r.propensity.xreplace(units))
            for i, r in enumerate(network.reactions)
        ],
        events=[replace(e.rewritten(units), name=f"e{i}") for i, e in enumerate(network.events)],
        variables=bare(network.variables),
        rate_rules=bare(network.rate_rules),
    )


@needs_library
@pytest.mark.parametrize("text", SHARED)
def test_the_same_text_means_the_same_in_both(text: str, tmp_path: Path) -> None:
    """Found wrong: log(X) was the logarithm to base 10, and || and && bound as in C."""
    text = "species X = 3, Y = 4; k = 2\n" + text.replace("\\n", "\n")
    ours, theirs = plain(kx.parse(text)), plain(read(text, tmp_path, law="verbatim"))
    assert ours.fingerprint == theirs.fingerprint


@needs_library
@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(networks(varying=True, words=PLAIN))
def test_what_we_write_means_the_same_in_both(
    tmp_path_factory: pytest.TempPathFactory, network: ReactionNetwork
) -> None:
    """Where the library takes the text; it keeps 15 digits of a number, so that the text has no more than 12."""
    text = re.sub(r"\d+\.\d+(e[-+]?\d+)?", lambda m: f"{float(m[0]):.12g}", network.to_text().replace("->", "=>"))
    try:
        theirs = read(text, tmp_path_factory.mktemp("antimony"), law="verbatim")
    except kx.KinetixError as problem:
        assume("the Antimony library refuses it" not in problem.reason)
        raise
    assert plain(theirs).fingerprint == plain(kx.parse(text)).fingerprint


BAD = {
    "import": ('import "other.ant"', "line 1: the import of another file is not supported"),
    "hidden import": ('X is "/*"; import/**/"other.ant"; X is "*/"', "line 1: the import of another file"),
    "strand": ("X = 1\ns: --a--b--\na: -> X; 3", "line 2: a DNA strand is not supported"),
    "deep": ("X -> ; " + "(" * 500 + "X", "line 1: parentheses are nested deeper than 100"),
    "null": ("X = 1\n\0X -> ; 2", r"line 2: the control character U\+0000"),
    "long": ("X" * 1_000_001, "more than 1,000,000 characters"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_the_library_never_sees(name: str, tmp_path: Path) -> None:
    text, message = BAD[name]
    with pytest.raises(kx.KinetixError, match=message) as caught:
        read(text, tmp_path)
    assert caught.value.file == str(tmp_path / "model.ant")


@needs_library
@pytest.mark.skipif(sys.platform == "win32", reason="limits of processes")
def test_what_it_cannot_finish(tmp_path: Path) -> None:
    """Mutant: without the limits these lines, 2^24 copies of a model, run for hours."""
    lines = ["model m0(); X = 1; X -> ; 2*X; end"]
    lines += [f"model m{i}(); A: m{i - 1}(); B: m{i - 1}(); end" for i in range(1, 25)]
    with pytest.raises(kx.KinetixError, match="did not finish within 2 s"):
        read("\n".join(lines), tmp_path)


@needs_library
def test_no_file_can_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the word import to slip through, the process has no file to give."""
    from kinetix.importers import antimony

    (tmp_path / "other.ant").write_text("X = 1; X -> ; 2")
    monkeypatch.setattr(antimony, "_require_harmless", lambda _: None)
    with pytest.raises(kx.KinetixError, match="the Antimony library refuses it"):
        antimony.to_sbml(f'import "{tmp_path / "other.ant"}"')


@needs_library
def test_mistakes_name_their_line(tmp_path: Path) -> None:
    with pytest.raises(kx.KinetixError, match=r"model\.ant: line 2: the Antimony library refuses it: .*rate \"2\*\""):
        read("X = 1\nX -> ; 2*", tmp_path)


def test_without_the_library_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kinetix.importers import antimony

    monkeypatch.setattr(antimony, "find_spec", lambda _: None)
    with pytest.raises(kx.KinetixError, match=r'install it: pip install "kinetix-cme\[antimony\]"'):
        read("X = 1", tmp_path)
