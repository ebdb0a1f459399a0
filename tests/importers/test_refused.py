"""What SBML can say and counts cannot mean exactly: each construct refused by its name and its element's id."""

import pytest

from tests.importers.small_sbml import (
    compartment,
    element,
    event,
    function,
    listed,
    load,
    math,
    model,
    parameter,
    reaction,
    refusal,
    rule,
    species,
)

X, K, Q = species("X"), parameter("k"), parameter("q", constant=False)
FIRST = reaction("X ->", "k*X")


def one(law: str, equation: str = "X ->", **options: object) -> str:
    return model(reaction(equation, law), species_=X, parameters=(K, Q), **options)


def changed(old: str, new: str, text: str = "", **options: object) -> str:
    text = text or one("k*X", **options)
    assert old in text
    return text.replace(old, new)


CONSTRUCTS = {
    "concentration of the trigger's time in a volume that moves": (
        model(
            FIRST,
            species_=(X, species("Y", hasOnlySubstanceUnits=False)),
            parameters=K,
            compartments=compartment(constant=False),
            rules=rule("c", "1", "rate"),
            after=listed("Events", event("X < 3", "boom", inside=element("delay", math("2")), Y="X")),
        ),
        "event 'boom': sets a concentration to a value of the trigger's time in a volume that may have changed since",
    ),
    "delay in a delay": (
        one("k*X", after=listed("Events", event("X > 3", "boom", inside=element("delay", math("delay(X, 2)")), q="1"))),
        "event 'boom': 'delay' is not a function",
    ),
    "rate of in a trigger": (
        one("k*X", after=listed("Events", event("rateOf(q) > 3", "boom", q="1"))),
        "event 'boom': 'rateOf' is not a function",
    ),
    "event that sets the volume it needs": (
        model(
            FIRST,
            species_=(X, species("Y", hasOnlySubstanceUnits=False)),
            parameters=(K, Q),
            compartments=(compartment(constant=False), compartment("d")),
            rules=rule("c", "1 + Z"),
        )
        .replace("</listOfSpecies>", species("Z", hasOnlySubstanceUnits=False, compartment="d") + "</listOfSpecies>")
        .replace("</model>", listed("Events", event("X > 3", "boom", Y="2", Z="3")) + "</model>"),
        "event 'boom': sets 'Y', and with it the size of the compartment that 'Y' lies in",
    ),
    "algebraic": (one("k*X", rules=rule("", "q - k", "algebraic")), "algebraic rule: algebraic rules"),
    "fast": (
        model(reaction("X ->", "k*X", fast=True), species_=X, parameters=K, level=(3, 1)),
        "reaction 'r': fast reactions are not supported",
    ),
    "delay": (one("k*delay(X, 2)"), "reaction 'r': 'delay' is not a function"),
    "rate of": (one("k*rateOf(q)"), "reaction 'r': 'rateOf' is not a function"),
    "unset stoichiometry": (changed(' stoichiometry="1"', ""), "reaction 'r': the stoichiometry of 'X' is not set"),
    "infinite stoichiometry": (changed('stoichiometry="1"', 'stoichiometry="INF"'), "reaction 'r': takes or makes inf"),
    "delay in a stoichiometry": (
        changed('stoichiometry="1" constant="true"', 'id="s" constant="false"', rules=rule("s", "delay(X, 2)")),
        "rule of 's': 'delay' is not a function",
    ),
    "size that follows a species in it": (
        model(
            FIRST.replace("<ci> X </ci>", "<ci> Y </ci>"),
            species_=species("Y", hasOnlySubstanceUnits=False),
            parameters=K,
            compartments=compartment(constant=False),
            rules=rule("c", "1 + Y*k"),
        ).replace('species="X"', 'species="Y"'),
        "initial values depend on one another in a circle: ",
    ),
    "constraint": (
        changed("<listOfReactions>", listed("Constraints", element("constraint", math("X > 3"))) + "<listOfReactions>"),
        "constraint 1: constraints are not supported",
    ),
    "no otherwise": (one("piecewise(k, X > 3)"), "reaction 'r': a piecewise formula has no <otherwise>"),
    "level 1": (
        '<sbml xmlns="http://www.sbml.org/sbml/level1" level="1" version="2"><model/></sbml>',
        "SBML Level 1 is not read; convert the file to Level 2 or 3",
    ),
}

BROKEN = {
    "no law": (model(reaction("X ->", None), species_=X), "reaction 'r': has no kinetic law"),
    "unset parameter": (model(FIRST, species_=X, parameters=parameter("k", None)), "parameter 'k': has no value"),
    "not a number": (model(FIRST, species_=X, parameters=parameter("k", "NaN")), "parameter 'k': has no value"),
    "infinite": (model(FIRST, species_=X, parameters=parameter("k", "INF")), "parameter 'k': has the value inf"),
    "unset local": (
        model(reaction("X ->", "k*X", local={"k": None}), species_=X),
        "reaction 'r', local parameter 'k': has no value",
    ),
    "unset species": (model(FIRST, species_=species("X", None), parameters=K), "species 'X': has no initial amount"),
    "negative start": (model(FIRST, species_=species("X", -3), parameters=K), "species 'X': starts at -3.0"),
    "flat compartment": (
        model(FIRST, species_=X, parameters=K, compartments=compartment(size=0)),
        "'c' has the size 0",
    ),
    "unknown name": (one("k*X*z"), "'z'"),
    "unknown function": (one("k*f(X)"), "f"),
    "wrong number of arguments": (one("k*f(X)", functions=function("f", "lambda(a, b, a*b)")), "f"),
    "circle of functions": (
        one("k*f(X)", functions=(function("f", "lambda(a, g(a))"), function("g", "lambda(a, f(a))"))),
        "f",
    ),
    "circle of rules": (
        model(
            FIRST, species_=X, parameters=(K, Q, parameter("p", constant=False)), rules=(rule("q", "p"), rule("p", "q"))
        ),
        "'q'",
    ),
    "division by zero": (one("k*X/0"), "reaction 'r': a formula contains a value that is not a finite real number"),
    "comparison of what is not real": (
        one("piecewise(k, ln(0*X - 1) > 2, X)"),
        "reaction 'r': a formula",
    ),
    "remainder of nothing": (one("k*rem(3, 0)"), "reaction 'r': a formula"),
    "large conditions on pieces": (
        one("piecewise(k, " + " + ".join(f"piecewise(X, X > {i}, {i})" for i in range(5)) + " > 3, q)"),
        "a condition on piecewise values has more than 30 terms",
    ),
    "imaginary": (one("k*X*sqrt(-1)"), "reaction 'r': a formula contains a value that is not a finite real number"),
    "twice": (model(FIRST, species_=(X, X), parameters=K), "'X'"),
    "a species as a parameter": (model(FIRST, species_=X, parameters=(K, parameter("X"))), "'X'"),
    "empty": ("", "is not well-formed XML: no element found"),
    "not sbml": ("<html/>", "not valid SBML"),
    "no model": ('<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2"/>', "no model"),
}


@pytest.mark.parametrize(("text", "line"), CONSTRUCTS.values(), ids=CONSTRUCTS)
def test_unsupported_constructs(text: str, line: str) -> None:
    """Mutant seen to fail, for each: its line in the audit deleted, so that the construct is dropped in silence."""
    assert refusal(text).startswith(line)


@pytest.mark.parametrize(("text", "part"), BROKEN.values(), ids=BROKEN)
def test_broken_models(text: str, part: str) -> None:
    assert part in refusal(text)


@pytest.mark.parametrize("package", ["fbc", "qual", "multi", "distrib", "spatial", "arrays", "dyn"])
def test_packages_that_are_needed(package: str) -> None:
    uri = f"http://www.sbml.org/sbml/level3/version1/{package}/version1"
    text = one("k*X", namespaces=f' xmlns:{package}="{uri}" {package}:required="true"')
    assert refusal(text).startswith(f"package: the model needs the SBML package '{package}'") or package == "fbc"


def test_packages_that_say_nothing_about_the_law() -> None:
    text = one(
        "k*X",
        namespaces=' xmlns:layout="http://www.sbml.org/sbml/level3/version1/layout/version1" layout:required="false"',
    )
    assert len(load(text).reactions) == 1
