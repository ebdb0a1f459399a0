"""What is written is read back as the same network: SBML and the reaction language, whatever the names and numbers."""

import tempfile
from pathlib import Path

import libsbml
import pytest
import sympy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kinetix as kx
from kinetix.events import Event
from kinetix.expressions import TIME, symbol
from kinetix.network import Parameter, Reaction, ReactionNetwork, Species
from tests.exact import ROOT
from tests.importers.random_networks import WORDS, networks

UNHURRIED = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
X = symbol("X")


def through_sbml(network: ReactionNetwork) -> ReactionNetwork:
    with tempfile.TemporaryDirectory() as folder:
        network.to_sbml(Path(folder) / "model.xml")
        return kx.load(Path(folder) / "model.xml")


def decay(name: str, law: sympy.Expr, value: float = 2.0, start: int = 3) -> ReactionNetwork:
    """One species with one constant k, both named as told."""
    return ReactionNetwork([Species(name, start)], [Parameter("k", value)], [Reaction("r", {name: 1}, {}, law)])


def same_in_the_language(network: ReactionNetwork) -> None:
    again = kx.parse(network.to_text())
    assert again.fingerprint == network.fingerprint
    plain = {a.rstrip("_"): b.rstrip("_") for a, b in network.homes.items()}
    assert {a.rstrip("_"): b.rstrip("_") for a, b in again.homes.items()} == plain
    assert again.to_text() == kx.parse(again.to_text()).to_text()


def same_in_sbml(network: ReactionNetwork) -> None:
    again = through_sbml(network)
    assert again.fingerprint == network.fingerprint
    assert again.species_names == network.species_names
    assert again.homes == network.homes
    assert [r.name for r in again.reactions] == [r.name for r in network.reactions]
    assert [e.name.rstrip("_") for e in again.events] == [e.name.rstrip("_") for e in network.events]
    assert not again.report


@UNHURRIED
@given(networks())
def test_networks_of_reactions(network: ReactionNetwork) -> None:
    """Mutants seen to fail: numbers in 15 digits; ceiling for floor in Mod; a quotient upside down."""
    same_in_the_language(network)
    same_in_sbml(network)


@UNHURRIED
@given(networks(varying=True))
def test_networks_with_events_and_rates(network: ReactionNetwork) -> None:
    """Mutants seen to fail: && within || without parentheses; the trigger's initial value taken for at_start."""
    same_in_the_language(network)
    same_in_sbml(network)


@pytest.mark.slow
@settings(UNHURRIED, max_examples=500)
@given(networks(varying=True))
def test_all_round_trips(network: ReactionNetwork) -> None:
    """The language, SBML, and from each to the other and back."""
    same_in_the_language(network)
    same_in_sbml(network)
    there = through_sbml(kx.parse(network.to_text()))
    assert kx.parse(there.to_text()).fingerprint == network.fingerprint
    assert through_sbml(there).fingerprint == network.fingerprint


@pytest.mark.parametrize("path", sorted((ROOT / "examples" / "models").glob("*.*t")), ids=lambda p: p.name)
def test_the_zoo_goes_both_ways(path: Path) -> None:
    network = kx.load(path)
    same_in_the_language(network)
    same_in_sbml(network)
    assert kx.load(path.with_suffix(".xml")).fingerprint == network.fingerprint


@pytest.mark.parametrize("name", WORDS)
def test_every_word_can_be_a_name(name: str) -> None:
    """As species, with a law that has the time and the constants of mathematics beside it."""
    network = decay(name, symbol("k") * symbol(name) * (1 + sympy.exp(-TIME)) + sympy.pi)
    assert through_sbml(network).fingerprint == network.fingerprint
    text = network.to_text()
    again = kx.parse(text)
    assert again.fingerprint == network.fingerprint
    if again.species_names != (name,):
        assert again.species_names == (f"{name}_",)
        assert f"{name} is {name}_" in text.splitlines()[0]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.floats(1e-290, 1e290))
def test_numbers_to_the_last_bit(value: float) -> None:
    """Found wrong: 17 digits of a mantissa that libsbml rounds before it multiplies."""
    from kinetix.importers.sbml_digits import _parts

    mantissa, _, exponent = _parts(value).partition("e")
    assert float(f"{float(mantissa)!r}e{exponent}" if exponent else mantissa) == value


@pytest.mark.parametrize(
    "value", [9.790547871234568e-22, 2.3e-308, 1.7976931348623157e308, 0.1, 1 / 3, 2**53 - 1.0, 1e16]
)
def test_awkward_numbers(value: float) -> None:
    network = decay("X", symbol("k") * X, value=value)
    assert through_sbml(network).parameters[0].value == value
    assert kx.parse(network.to_text()).parameters[0].value == value


K, Y = symbol("k"), symbol("Y")
TRICKY = [
    *(K * (X - 1) * (Y + 2), K / (X + Y), -K * X, 1 / (K * X), K * X / (Y * (1 + X)), X - (Y - K), -(X + Y) / K),
    *((X + Y) ** 2, (X * Y) ** K, X ** (K + 1), X ** (-K), (X**K) ** Y, sympy.Pow(-X, K), X ** sympy.Rational(3, 2)),
    *(sympy.Mod(X - Y, 3), sympy.Mod(X, K) * 2, 2 * (X + Y), sympy.Rational(2, 3) * X, sympy.Float(-0.3) ** K),
    *(sympy.sqrt(X + 1), sympy.exp(-K * X), sympy.Min(X, Y, K), sympy.Max(X - Y, 0), sympy.ceiling(X / 2)),
    sympy.Piecewise((X, (X > 3) & ((Y < 2) | sympy.Not(sympy.Eq(X, Y)))), (K, sympy.Ne(X, 1)), (0, True)),
    sympy.Piecewise((X, sympy.Xor(X > 3, Y > 2)), (0, True)),
]


@pytest.mark.parametrize("law", TRICKY, ids=str)
def test_laws_that_need_their_parentheses(law: sympy.Expr) -> None:
    """Mutants seen to fail: no parentheses around a sum in a product, or around a power or a sign in a base."""
    network = ReactionNetwork(
        [Species("X", 3), Species("Y", 2)], [Parameter("k", 2)], [Reaction("r", {}, {"X": 1}, law)]
    )
    assert through_sbml(network).fingerprint == network.fingerprint
    assert kx.parse(network.to_text()).fingerprint == network.fingerprint


def test_laws_that_kinetix_wrote_are_read_as_they_are() -> None:
    """Mutants seen to fail: a power read as pairs, a difference split or complained of, in a file of our own."""
    power = ReactionNetwork([Species("X", 9)], [], [Reaction("r", {"X": 2}, {}, X**2)])
    net = ReactionNetwork([Species("X", 9), Species("Y", 0)], [], [Reaction("r", {"X": 1}, {"Y": 1}, X - symbol("Y"))])
    for network in (power, net):
        again = through_sbml(network)
        assert again.fingerprint == network.fingerprint
        assert not again.report


def test_a_reaction_or_a_species_called_time() -> None:
    """Found wrong: libsbml took the time for the element of that name, and the file was not valid."""
    for name, label in (("X", "time"), ("time", "r")):
        law = symbol("k") * symbol(name) * TIME
        network = ReactionNetwork([Species(name, 3)], [Parameter("k", 2)], [Reaction(label, {name: 1}, {}, law)])
        assert through_sbml(network).fingerprint == network.fingerprint


def test_a_reaction_called_as_its_species_keeps_its_name() -> None:
    network = ReactionNetwork([Species("X", 3)], [], [Reaction("X", {"X": 1}, {}, X)], name="X")
    again = through_sbml(network)
    assert (again.reactions[0].name, again.name) == ("X", "X")


def test_amounts_that_vary_get_names() -> None:
    """One that equals a rule takes its name; the second of its kind, and one without a rule, a new one."""
    both = {"X": symbol("Y") + 1, "Y": symbol("Y") + 1}
    network = ReactionNetwork(
        [Species("X", 3), Species("Y", 2)],
        [],
        [Reaction("r", {}, both, X), Reaction("s", {}, {"X": symbol("q"), "Y": TIME}, X)],
        constants=[Parameter("q", 2)],
        variables={"n": symbol("Y") + 1},
        rate_rules={"q": X},
    )
    text = network.to_text()
    assert "r:  -> n X + n Y; X" in text.replace("r: ->", "r:  ->")
    assert "q X + s_Y Y" in text
    through = through_sbml(network)
    assert set(through.variables) == {"n", "r_Y", "s_Y"}
    assert [dict(r.products) for r in through.reactions] == [dict(r.products) for r in network.reactions]
    assert through_sbml(through).fingerprint == through.fingerprint
    assert kx.parse(through.to_text()).fingerprint == through.fingerprint
    assert kx.parse(kx.parse(text).to_text()).fingerprint == kx.parse(text).fingerprint


def test_what_is_written_is_valid_for_others(tmp_path: Path) -> None:
    network = ReactionNetwork(
        [Species("A", 5, "cell"), Species("B", 0)],
        [Parameter("k", 0.25)],
        [
            Reaction(
                "r", {"A": 2}, {"B": 1}, symbol("k") * symbol("A") * (symbol("A") - 1) * symbol("S") / symbol("cell")
            )
        ],
        constants=[Parameter("cell", 2.5, "compartment"), Parameter("S", 7, "boundary")],
        variables={"total": symbol("A") + 2 * symbol("B"), "R": symbol("A"), "V": 1 + TIME},
        events=[Event("r", TIME > 3, {"A": symbol("k"), "k": TIME}, at_start=True, persistent=False)],
        rate_rules={"cell": symbol("A") / 100},
        homes={"R": "V", "S": "cell"},
    )
    network.to_sbml(tmp_path / "a.xml")
    document = libsbml.readSBML(str(tmp_path / "a.xml"))
    document.checkConsistency()
    errors = [document.getError(i) for i in range(document.getNumErrors())]
    assert not [e.getMessage() for e in errors if e.getSeverity() >= libsbml.LIBSBML_SEV_ERROR]
    model = document.getModel()
    assert [s.getId() for s in model.getListOfSpecies()] == ["A", "B", "S", "R"]
    assert model.getSpecies("S").getBoundaryCondition()
    assert [m.getSpecies() for m in model.getReaction(0).getListOfModifiers()] == ["S"]
    again = kx.load(tmp_path / "a.xml")
    assert again.fingerprint == network.fingerprint
    assert dict(again.homes) == dict(network.homes)
    assert kx.parse(network.to_text()).fingerprint == network.fingerprint


def test_starts_beyond_64_bits_are_refused_in_the_language_too() -> None:
    with pytest.raises(kx.KinetixError, match=r"line 1.*'X' starts at 1e\+20, more than"):
        kx.parse("species X = 1e20")


def test_what_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    odd = decay("a b", symbol("a b"))
    with pytest.raises(kx.KinetixError, match="'a b' cannot be an id in SBML"):
        odd.to_sbml(tmp_path / "odd.xml")
    with pytest.raises(kx.KinetixError, match="'a b' cannot be written"):
        odd.to_text()
    with pytest.raises(kx.KinetixError, match="too large to be written exactly"):
        decay("X", X * (2**60 + 1)).to_sbml(tmp_path / "large.xml")
    with pytest.raises(kx.KinetixError, match="too small to be written"):
        decay("X", X, value=5e-324).to_sbml(tmp_path / "tiny.xml")
    assert not list(tmp_path.iterdir())
