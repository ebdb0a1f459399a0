"""The reaction language: what every construct means, and how every mistake is refused."""

import math

import pytest
import sympy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinetix.compiler import compile_network
from kinetix.errors import KinetixError, ModelError, UnsupportedFeature
from kinetix.expressions import TIME, symbol
from kinetix.importers import parse
from kinetix.importers.dsl_words import FUNCTIONS
from kinetix.network import ReactionNetwork

X, Y, K = symbol("X"), symbol("Y"), symbol("k")
START = "species X = 3, Y = 4; k = 2\n"

TELEGRAPH = """
# telegraph gene
model telegraph
  species G = 1, Gs = 0, M = 0, D = 0
  on:  G -> Gs; mass_action(kon, koff)    // two constants: forward and back, two reactions
  tx:  G -> G + M; mass_action(ktx)
  deg: M -> ; dm*M                        // any explicit law is the propensity, in counts
  dim: 2 M -> D; kd*M*(M-1)/2
  kon = 0.1; koff = 0.2; ktx = 10; dm = 1; kd = 0.01
end
"""


def law(formula: str, before: str = START) -> sympy.Expr:
    """The propensity of one reaction with this law."""
    return parse(f"{before}X -> ; {formula}").reactions[0].propensity


def value(formula: str) -> float:
    """What a formula is worth as the value of a parameter."""
    return next(p.value for p in parse(f"{START}v = {formula}").parameters if p.name == "v")


# what it means -----------------------------------------------------------------------------------


def test_the_example_of_the_documentation() -> None:
    network = parse(TELEGRAPH)
    assert network.name == "telegraph"
    assert network.species_names == ("G", "Gs", "M", "D")
    assert network.theta_names == ("kon", "koff", "ktx", "dm", "kd")
    assert [r.name for r in network.reactions] == ["on", "on_reverse", "tx", "deg", "dim"]
    assert network.stoichiometry.tolist() == [[-1, 1, 0, 0], [1, -1, 0, 0], [0, 0, 1, 0], [0, 0, -1, 0], [0, 0, -2, 1]]
    assert [s.initial for s in network.species] == [1, 0, 0, 0]
    counts = compile_network(network).propensities([1, 2, 5, 0], compile_network(network).theta)
    assert counts == pytest.approx([0.1, 0.4, 10, 5, 0.01 * 5 * 4 / 2])


def test_mass_action_counts_distinct_combinations() -> None:
    """Mutant: plain powers k*X^2 pass every model whose molecules never meet their own kind."""
    reactions = parse(START + "d: 2 X + Y -> 3 X; mass_action(k, 2*k)").reactions
    assert sympy.expand(reactions[0].propensity - K * X * (X - 1) / 2 * Y) == 0
    assert sympy.expand(reactions[1].propensity - 2 * K * X * (X - 1) * (X - 2) / 6) == 0
    assert dict(reactions[1].reactants) == {"X": 3}
    assert dict(reactions[1].products) == {"X": 2, "Y": 1}


def test_explicit_laws_are_verbatim() -> None:
    assert law("k*X^2") == K * X**2
    assert law("k", START) == K


def test_both_arrows_go_one_way_and_one_constant_is_enough() -> None:
    one, two = parse(START + "X -> Y; mass_action(k)\nX => Y; mass_action(k)").reactions
    assert one.propensity == two.propensity == K * X
    assert (one.name, two.name) == ("J0", "J1")


def test_unnamed_reactions_avoid_names_in_use() -> None:
    assert [r.name for r in parse(START + "J0 = 1; J1: X -> ; X\n X -> Y; J0*X").reactions] == ["J1", "J2"]


def test_a_species_twice_on_a_side_is_two_of_it() -> None:
    reaction = parse(START + "X + X -> 2 Y; mass_action(k)").reactions[0]
    assert dict(reaction.reactants) == {"X": 2}
    assert sympy.expand(reaction.propensity - K * X * (X - 1) / 2) == 0


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("-X^2", -(X**2)),
        ("X^2^3", X**8),
        ("2^-X", sympy.Pow(2, -X)),
        ("X - Y - 1", X - Y - 1),
        ("X/Y/2", X / Y / 2),
        ("X/Y*2", 2 * X / Y),
        ("--X", X),
        ("+X", X),
        ("time*X", TIME * X),
        ("pi*X", sympy.pi * X),
        ("exponentiale^X", sympy.exp(X)),
        ("ln(X)", sympy.log(X)),
        ("log(X)", sympy.log(X)),
        ("log10(X)", sympy.log(X) / sympy.log(10)),
        ("log(2, X)", sympy.log(X) / sympy.log(2)),
        ("sqrt(X)", sympy.sqrt(X)),
        ("root(3, X)", sympy.Pow(X, sympy.Rational(1, 3))),
        ("pow(X, 2)", X**2),
        ("ceil(X/2) + floor(Y/2)", sympy.ceiling(X / 2) + sympy.floor(Y / 2)),
        ("min(X, Y, 3)", sympy.Min(X, Y, 3)),
        ("arcsin(X)", sympy.asin(X)),
        ("piecewise(1, X > 2, 3)", sympy.Piecewise((1, X > 2), (3, True))),
        (
            "piecewise(1, X > 2 && Y <= 1 || !(X == 0), X, X != 1, 3)",
            sympy.Piecewise(
                (1, sympy.Or(sympy.And(X > 2, Y <= 1), sympy.Not(sympy.Eq(X, 0)))), (X, sympy.Ne(X, 1)), (3, True)
            ),
        ),
        ("piecewise(1, and(X > 2, not(Y < 1)), 0)", sympy.Piecewise((1, sympy.And(X > 2, Y >= 1)), (0, True))),
        ("1.5e2*X", 150 * X),
        (".5*X", 0.5 * X),
        ("1/3*X", X / 3),
        ("10000000000000000000001*X", 10000000000000000000001 * X),
    ],
)
def test_formulas(formula: str, expected: sympy.Expr) -> None:
    assert law(formula) == expected


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("log(exponentiale^3)", 3),
        ("log10(1000)", 3),
        ("ln(exponentiale)", 1),
        ("2^3^2", 512),
        ("-2^2", -4),
        ("1/3", 1 / 3),
        ("factorial(5) + sqr(3)", 129),
        ("piecewise(1, 2 > 3, 4, 5 > 3, 6)", 4),
        ("max(1, 2) + min(3, 4) + abs(-5)", 10),
        ("X*k + sin(pi/2)", 7),
        ("sec(0) + acot(1)*4 - pi", 1),
        ("mod(7, 3) + ceil(1.2) + floor(-1.2)", 1),
    ],
)
def test_values_are_worked_out_on_loading(formula: str, expected: float) -> None:
    assert value(formula) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_function_means_the_same_in_sympy_and_in_floats(name: str) -> None:
    """Mutant: acot written as 1/atan agrees with nothing here."""
    function = FUNCTIONS[name]
    arguments = {"root": (3, 5), "mod": (7.5, 2), "factorial": (4,), "acosh": (1.5,), "arccosh": (1.5,)}.get(name)
    if function.condition:
        arguments = (True,) if function.most == 1 else (True, False)
    elif arguments is None:
        large = name.removeprefix("arc").removeprefix("a") in ("sec", "csc", "coth")
        arguments = (1.5 if large else 0.5,) * function.fewest
    wrapped = (sympy.true if a is True else sympy.false if a is False else sympy.Float(a) for a in arguments)
    built = function.build(*wrapped)
    if function.condition:
        assert bool(built) == function.value(*arguments)
    else:
        assert float(built) == pytest.approx(function.value(*arguments), rel=1e-14)


def test_values_may_be_used_before_they_are_given() -> None:
    network = parse("X -> ; a*X; a = b/2; species X = 2*n; b = n + 1; n = 3")
    assert {p.name: p.value for p in network.parameters} == {"a": 2, "b": 4, "n": 3}
    assert network.species[0].initial == 6


def test_rules_are_kept_as_variables_and_written_out_in_laws() -> None:
    network = parse(START + "X -> ; rate*X\nrate := k*total; total := X + Y")
    assert dict(network.variables) == {"rate": K * symbol("total"), "total": X + Y}
    assert network.reactions[0].propensity == K * (X + Y) * X
    assert network.theta_names == ("k",)


def test_a_value_may_use_a_rule_at_the_start() -> None:
    network = parse(START + "total := X + Y + time; half = total/2")
    assert {p.name: p.value for p in network.parameters}["half"] == 3.5


def test_boundary_species_are_constants_that_reactions_leave_alone() -> None:
    for text in (
        "species $E = 5, X = 0; $E -> E + X; mass_action(k); k = 1",
        "const E; species X = 0, E = 5; E -> E + X; mass_action(k); k = 1",
    ):
        network = parse(text)
        assert network.species_names == ("X",)
        assert [(c.name, c.value, c.kind) for c in network.constants] == [("E", 5, "boundary")]
        assert network.reactions[0].propensity == K * symbol("E")
        assert network.stoichiometry.tolist() == [[1]]


def test_a_boundary_species_by_rule_is_written_out() -> None:
    network = parse(START + "$E := 2*Y; $E + X -> ; mass_action(k)")
    assert network.reactions[0].propensity == 2 * K * X * Y
    assert network.constants == ()


def test_compartments() -> None:
    network = parse(
        "compartment C = 1, V = 2; species X in C = 3; substanceOnly species Y in V; Y = 4\n"
        "substanceOnly const species Z in V = 1\n"
        "J in V: X -> Y; X*V*Z"
    )
    assert [(s.name, s.compartment) for s in network.species] == [("X", "C"), ("Y", "V")]
    assert [(c.name, c.value, c.kind) for c in network.constants] == [
        ("C", 1, "compartment"),
        ("V", 2, "compartment"),
        ("Z", 1, "boundary"),
    ]


def test_a_reaction_puts_its_species_into_its_compartment() -> None:
    with pytest.raises(ModelError, match="X' lies in 'V' of size 2"):
        parse(START + "compartment V = 2; X -> ; k*X in V")


def test_functions_of_the_file_are_written_out() -> None:
    text = "function hill(x, n)\n  x^n/(1 + x^n)\nend\nfunction twice(y) 2*hill(y, 2); end\nmodel m\n" + START
    assert parse(text + "X -> ; k*twice(X)\nend").reactions[0].propensity == 2 * K * X**2 / (1 + X**2)


@pytest.mark.parametrize("name", ["e", "I", "S", "N", "E", "lambda", "beta", "pi", "exp", "from", "Q", "gene", "true"])
def test_names_that_mean_something_elsewhere(name: str) -> None:
    network = parse(f"species X = 1; {name} = 4; X -> ; {name}*X")
    assert network.reactions[0].propensity == symbol(name) * X
    assert network.theta_names == (name,)


def test_events() -> None:
    """Mutant seen to fail: t0 taken for at_start, which is its opposite."""
    network = parse(
        START + "total := X + Y; E0 = 1\n"
        "feed: at (time >= 25): X = total, k = 2*k\n"
        "at X > 5 && time > 1, t0=false, persistent=false,\n  fromTrigger=false:\n  Y = 0; at (X < 1): ;"
    )
    feed, other, nothing = network.events
    assert (feed.name, feed.trigger, dict(feed.assignments)) == ("feed", TIME >= 25, {"X": X + Y, "k": 2 * K})
    assert (feed.at_start, feed.persistent, feed.from_trigger) == (False, True, True)
    assert (other.name, other.trigger, dict(other.assignments)) == ("E1", sympy.And(X > 5, TIME > 1), {"Y": 0})
    assert (other.at_start, other.persistent, other.from_trigger) == (True, False, False)
    assert (nothing.trigger, dict(nothing.assignments)) == (X < 1, {})
    assert parse(network.to_text()).fingerprint == network.fingerprint


def test_rate_rules_and_their_kinds() -> None:
    network = parse(START + "z = 1; z' = -k*z*s; s := X + 1; S = 4; species S; S' = 2*time; compartment C = 2; C' = S")
    z, s = symbol("z"), symbol("S")
    assert dict(network.rate_rules) == {"z": -K * z * (X + 1), "S": 2 * TIME, "C": s}
    assert [(c.name, c.kind) for c in network.constants] == [("S", "boundary"), ("C", "compartment")]
    assert network.theta_names == ("k", "z", "S", "C")
    assert network.species_names == ("X", "Y")


def test_amounts_that_are_no_whole_numbers() -> None:
    """Amounts by name are rules, or numbers, where nothing changes them, and then no parameters."""
    reactions = "a: 1.5 X -> n Y + X; k*n\nb: X -> m Y; k\nc: X -> q Y + q $W; k\n"
    network = parse(START + reactions + "n = 0.5; W = 7; m := n*k; q = 1\nat (X > 5): q = 2")
    assert [dict(r.reactants) for r in network.reactions[:2]] == [{"X": 1.5}, {"X": 1}]
    assert [dict(r.products) for r in network.reactions] == [{"X": 1, "Y": 0.5}, {"Y": 0.5 * K}, {"Y": symbol("q")}]
    assert network.reactions[0].propensity == 0.5 * K
    assert network.theta_names == ("k", "q", "W")
    assert network.constants[0].kind == "parameter"
    assert dict(network.variables) == {"m": 0.5 * K, "n": 0.5}
    assert parse(network.to_text()).fingerprint == network.fingerprint
    assert {"KX105"} <= set(network.check().codes)


def test_compartments_whose_size_varies() -> None:
    text = "compartment C = 2, D := 1 + time; substanceOnly species $B in C = 5, Q in D = 3, R in C := k; C' = 0.1"
    network = parse(START + text)
    assert dict(network.homes) == {"B": "C", "R": "C"}
    assert [s.compartment for s in network.species] == [None, None, "D"]
    again = parse(network.to_text())
    assert again.fingerprint == network.fingerprint
    assert (again.homes, again.species) == (network.homes, network.species)


def test_comments_lines_and_remarks() -> None:
    network = parse(
        "/* one\n two */ model *m()  # three\r\n  species X = 3; // four # five\r\n\r\n;;"
        'X is "the // molecule"\n X identity "http://x.org/y", "z"\n'
        "X -> ; X*(1\n + 2 /* six */\n)\n\nend\n# the end"
    )
    assert network.reactions[0].propensity == 3 * X


def test_modules_need_not_be_wrapped_and_names_are_taken_from_the_call() -> None:
    assert parse("species X = 1", name="bare").name == "bare"
    assert parse("model m\nspecies X = 1\nend", name="bare").name == "m"


def test_fractional_starts_are_kept_for_check_to_say() -> None:
    assert "KX106" in parse("species X = 1.5; X -> ; X").check().codes


# how mistakes are refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (START + "X -> ; kk*X", r"line 2, column 8: unknown name 'kk'; did you mean 'k'"),
        (START + "X -> ; zeta*X", r"unknown name 'zeta'; give it a value: zeta = "),
        (START + "X -> ; expp(X)", r"line 2, column 8: unknown function 'expp'; did you mean 'exp'"),
        (START + "X -> ; mass_acton(1)", r"unknown function 'mass_acton'; did you mean 'mass_action'"),
        (START + "X -> ; k*)X", r"line 2, column 10: unexpected '\)': expected an expression$"),
        (START + "X -> ; (k*X", r"line 2, column 12: unexpected end of the file: expected '\)'"),
        (START + "X -> Y\nk2 = 1", r"line 2, column 7: unexpected end of the line: expected ';' or '\+'"),
        (START + "X -> Y;\nk2 = 1", r"line 2, column 8: the reaction has no law; write it on the same line"),
        (START + "X -> ; k X", r"line 2, column 10: unexpected 'X': .*write \* between factors"),
        (START + "X -> ; k**X", r"powers are written with \^"),
        (START + "0 -> X; k", r"an empty side is written as nothing"),
        (START + "X <-> Y; k*X", r"write -> with two laws"),
        (START + "X -> ; k and X", r"write && for and"),
        ("modl m\nend", r"did you mean 'model'\?"),
        ("model m\nspecies X = 1", r"line 2, column 14: unexpected end of the file: .*'end'"),
        ("species X = 1 /* open", r"the comment is not closed by"),
        ("time = 3", r"'time' is a word of the language; use another name, as time_"),
        ("species in = 4", r"'in' is a word of the language"),
        ("β = 4", r"unexpected 'β'; names have letters"),
        ("<?xml version='1.0'?>", r"this is SBML"),
        (START + "X", r"'X' alone says nothing"),
        (START + "X = 5", r"line 2, column 1: 'X' is given a value twice, first in line 1; keep one"),
        (START + "X := 5", r"'X' has both a value \(=\) and a rule \(:=\)"),
        ("X -> Y; 1", r"species 'X' has no initial count; write species X = 0"),
        ("species Q, R = 1; Q -> R; 1", r"species 'Q' has no initial count; write species Q = 0$"),
        (START + "X -> Prot; 1; Protein = 1", r"species 'Prot' has no initial count; .*did you mean 'Protein'"),
        ("species X = -1", r"line 1, column 13: species 'X' starts at -1; give a count >= 0"),
        ("const k; species X = 1", r"'k' has no value; give it one"),
        ("compartment C", r"'C' has no value"),
        ("compartment C = 0", r"compartment 'C' has the size 0"),
        ("compartment X = 1; species X", r"'X' is both a species and a compartment"),
        (START + "0 X -> Y; k", r"the stoichiometry 0 is no number from above 0"),
        (START + "n X -> Y; k; n = 0", r"the amount of 'X' is 0; amounts are > 0"),
        (START + "1.5 X -> Y; mass_action(k)", r"counts whole molecules, and this takes 1.5 of 'X'; write the law out"),
        (START + "X -> X Y; k", r"line 2, column 6: the species 'X' stands before 'Y', .*; write \+ between species"),
        (START + "X -> n Y; k", r"line 2, column 6: 'n' stands before 'Y' as its amount, and has no value"),
        (
            START + "X -> ; piecewise(1, X > 1 || Y > 1 && X < 3, 2)",
            r"unexpected '&&': .*; put parentheses: a \|\| \(b",
        ),
        (START + "at (X > 3): Z = 3", r"line 2, column 13: unknown name 'Z'"),
        (START + "at (X > 3): k := 3", r"line 2, column 15: an event gives values with =; write k = "),
        (START + "at (X > 3): k = 3, k = 4", r"'k' is set twice, first in line 2"),
        (START + "at (X): k = 3", r"a number stands where a condition is wanted"),
        (START + "at (X > Z): k = 3", r"unknown name 'Z'"),
        (START + "at (X > 3), to=false: k = 3", r"events have no option 'to'; did you mean 't0'"),
        (START + "at (X > 3), t0=1: k = 3", r"the option t0 is true or false; write t0=false"),
        (START + "at (X > 3), t0=true, t0=true: k = 3", r"the option t0 is given twice"),
        (START + "at (X > 3) k = 3", r"unexpected 'k': expected .*':'"),
        (START + "at (X > 3): k = 3,", r"unexpected end of the file: expected a name"),
        (START + "e: at (X > 3): k = 3; e: at (X > 4): k = 3", r"the event 'e' is in line 2 too"),
        (START + "s := X; at (X > 3): s = 3", r"'s' is defined by a rule \(:=\), but an event sets it; keep one"),
        ("species X = 3; const k = 2; at (X > 3): k = 3", r"'k' is const, but an event varies it"),
        (START + "k' = X; k' = Y", r"'k' is given a rate rule twice"),
        (START + "z' = X", r"'z' has no value; give it one: z = "),
        (START + "X' = 2; X -> ; k", r"a rate rule sets 'X', and this reaction changes it; write \$X here"),
        (START + "k' := 2", r"a rate rule is written with =; write k' = "),
        ("compartment default_compartment = 2; species X = 1", r"species 'X' lies in 'default_compartment' of size 2"),
        (START + "V = 2; r: X -> ; k*X; r in V", r"species 'X' lies in 'V' of size 2"),
        (START + "compartment V := k; species Z in V = 1", r"species 'Z' lies in 'V' whose size varies"),
        (START + "a: X -> ; k\na: Y -> ; k", r"line 3, column 1: the reaction 'a' is in line 2 too"),
        (START + "a: X -> Y; mass_action(k, k)\na_reverse: Y -> ; k", r"the name 'a_reverse', which is in use"),
        (START + "X => Y; mass_action(k, k)", r"two constants, forward and back, need the arrow ->"),
        (START + "X -> Y; mass_action(k, k, k)", r"one or two constants, not 3"),
        (START + "X -> Y; 2*mass_action(k)", r"mass_action\(...\) is a whole law"),
        ("function mass_action(k) k; end", r"mass_action is a word of the language"),
        ("function f(x) x + y; end; species X = 1; X -> ; f(X)", r"the function f uses 'y'; its arguments are x"),
        ("function f(x) f(x); end; species X = 1; X -> ; f(X)", r"nested deeper"),
        ("function f(x) x; end; function f(y) y; end", r"'f' is defined twice"),
        (START + "a = b; b = c + 1; c = a", r"'\w' is defined by itself: \w needs \w needs \w needs \w"),
        (START + "a := b; b := a", r"is defined by itself"),
        (START + "X -> ; X/0", r"division by zero"),
        (START + "X -> ; X/(2 - 2)", r"division by zero"),
        (START + "X -> ; 1/(X - X)", r"no real value"),
        (START + "X -> ; sqrt(-1)*X", r"not a real number"),
        (START + "X -> ; 0^-1*X", r"division by zero"),
        (START + "v = ln(0)", r"not a real number"),
        (START + "v = 1e400", r"the number 1e400 is too large"),
        (START + "X -> ; 9^9^9^9*X", r"exponent .* is too large"),
        (START + "X -> ; ((2*X)^900)^900", r"exponent 900 is too large"),
        (START + "X -> ; factorial(10000000)*X", r"too large"),
        (START + "X -> ; floor(exp(exp(exp(99))))", r"too large"),
        (START + "X -> ; 1e308*X*10", r"too large or too small"),
        (START + "X -> ; (X > 2)*k", r"line 2, column 9: a condition stands where a number is wanted"),
        (START + "X -> ; piecewise(1, X, 2)", r"a number stands where a condition is wanted"),
        (START + "X -> ; piecewise(1)", r"piecewise\(value, condition"),
        (START + "X -> ; piecewise(1, X > 2, Y > 2)", r"mixes numbers and conditions"),
        (START + "X -> ; sin(X, Y)", r"sin\(\) takes 1 arguments, not 2"),
        (START + "X -> ; " + "(" * 200, r"nested deeper than 100"),
        (START + "X -> ; " + "-" * 200 + "X", r"nested deeper than 100"),
        (START + "s := X + Y; s -> ; k", r"a rule \(:=\) sets 's', and this reaction changes it"),
        (START + "const s := X + Y", r"'s' is const, but a rule"),
        ("const var k = 1", r"const var contradicts itself"),
        ("substanceOnly k = 1", r"only species can be substanceOnly"),
        ("model m\nend\nX = 3", r"line 3, column 1: this stands outside the model"),
        ("compartment C = 2; species X in C = 1", r"substanceOnly species X in C"),
    ],
)
def test_mistakes_are_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        parse(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("statement", "feature"),
    [
        ('import "other.txt"', "an import"),
        ("A: other(X)", "a submodel"),
        ("A.X = 3", "an element of a submodel"),
        ("J0 < 10", "a flux bound"),
        ("maximize J0", "a flux objective"),
        ("unit volume = 1e-3 litre", "a unit definition"),
        ("k has volume", "a unit"),
        ("s: --gene1--gene2--", "a DNA strand"),
        ("gene g1", "a DNA strand"),
        ("X is Z", "a second name"),
        ("model a\nend\nmodel b\nend", "a second model"),
        ("model a(k)\nend", "a model with arguments"),
        ("r: X -> ; k*X\nX -> ; r", "the rate of reaction 'r'"),
        ("X -> ; delay(X, 3)", r"the function delay\(\)"),
    ],
)
def test_what_antimony_has_and_kinetix_has_not_is_refused_by_name(statement: str, feature: str) -> None:
    with pytest.raises(UnsupportedFeature, match=feature):
        parse(statement if statement.startswith("model") else START + statement)


def test_the_excerpt_shows_the_place_and_survives_naming_the_file() -> None:
    with pytest.raises(ModelError) as caught:
        parse("species X = 1\n\tdeg: X -> ; k*)X")
    assert caught.value.place == "line 2, column 16"
    lines = (caught.value.within("m.ant").excerpt or "").splitlines()
    assert lines == ["2 | \tdeg: X -> ; k*)X", "  | \t              ^"]
    assert str(caught.value.within("m.ant")).startswith("m.ant: line 2, column 16: unexpected ')'")


def test_a_long_line_is_shown_in_part() -> None:
    with pytest.raises(ModelError) as caught:
        parse("species X = 1; X -> ; " + "X + " * 500 + ")")
    assert all(len(line) < 120 for line in (caught.value.excerpt or "").splitlines())


def test_functions_that_grow_without_end_are_refused() -> None:
    """Mutant: without the budget these forty lines write out 2^40 terms."""
    lines = ["function f0(x) x + 1; end"]
    lines += [f"function f{i}(x) f{i - 1}(x) + f{i - 1}(x)*x; end" for i in range(1, 40)]
    with pytest.raises(ModelError, match="more than 200,000 pieces"):
        parse("\n".join([*lines, START + "X -> ; f39(X)"]))


def test_rules_that_grow_without_end_are_refused() -> None:
    rules = ["r0 := X + 1", *(f"r{i} := r{i - 1}*(r{i - 1} + {i})" for i in range(1, 40))]
    with pytest.raises(ModelError, match="with its rules written out"):
        parse("\n".join([START, *rules, "X -> ; r39"]))


# any text ----------------------------------------------------------------------------------------

WORDS = """model end function species var const compartment substanceOnly at in import time unit X Y k kon J0 2 3.5 1e3
0 -> => : := = ; + - * / ^ ( ) , $ && || ! < > <= >= == != mass_action piecewise exp ln max ' . -- # // /* */ "
X Y k = ; -> X"""
PIECES = st.sampled_from([*WORDS.split(), "\n"])
JOINED = st.lists(PIECES, max_size=25).map(" ".join)
BEGUN = JOINED.map(lambda text: f"{START}X -> Y; {text}")


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(JOINED, BEGUN, st.text(max_size=60)))
def test_any_text_is_a_network_or_a_kinetix_error(text: str) -> None:
    try:
        result: object = parse(text)
    except KinetixError as refused:
        result = refused
    assert isinstance(result, ReactionNetwork) or "\n" not in str(result)


FORMULA = st.recursive(
    st.sampled_from(["X", "Y", "k", "2", "0", "1.5", "1000", "time", "pi"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "^"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(st.sampled_from(["exp", "ln", "sqrt", "abs", "floor", "factorial", "-"]), inner).map(
            lambda t: f"{t[0]}({t[1]})"
        ),
        st.tuples(inner, inner, inner).map(lambda t: f"piecewise({t[0]}, {t[1]} > {t[2]}, 1)"),
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(FORMULA)
def test_any_formula_is_a_law_of_doubles_or_a_kinetix_error(formula: str) -> None:
    try:
        expression = law(formula)
    except KinetixError:
        return
    assert all(math.isfinite(float(n)) for n in expression.atoms(sympy.Number))
