"""What SBML can say and counts cannot mean exactly: each construct refused by its name and its element's id."""

import pytest

from tests.importers.small_sbml import (
    assignment,
    compartment,
    element,
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
EVENT = element(
    "event",
    element("trigger", math("time > 3"), initialValue=True, persistent=True)
    + listed("EventAssignments", element("eventAssignment", math("1"), variable="X")),
    useValuesFromTriggerTime=True,
)
STOICHIOMETRY = element("stoichiometryMath", math("k"))


def one(law: str, equation: str = "X ->", **options: object) -> str:
    return model(reaction(equation, law), species_=X, parameters=(K, Q), **options)


def changed(old: str, new: str, text: str = "", **options: object) -> str:
    text = text or one("k*X", **options)
    assert old in text
    return text.replace(old, new)


CONSTRUCTS = {
    "event": (
        one("k*X", after=listed("Events", EVENT.replace("<event ", '<event id="boom" '))),
        "event 'boom': events",
    ),
    "event without id": (one("k*X", after=listed("Events", EVENT)), "event 1: events are not supported"),
    "rate rule": (one("k*X", rules=rule("q", "k", "rate")), "rate rule of 'q': rate rules are not supported"),
    "algebraic": (one("k*X", rules=rule("", "q - k", "algebraic")), "algebraic rule: algebraic rules"),
    "fast": (
        model(reaction("X ->", "k*X", fast=True), species_=X, parameters=K, level=(3, 1)),
        "reaction 'r': fast reactions are not supported",
    ),
    "delay": (one("k*delay(X, 2)"), "reaction 'r': 'delay' is not a function"),
    "rate of": (one("k*rateOf(q)"), "reaction 'r': 'rateOf' is not a function"),
    "fractions": (
        one("k*X", "1.5 X ->"),
        "reaction 'r': takes or makes 1.5 of 'X'; counts change by whole numbers (KX105)",
    ),
    "negative": (one("k*X", "-1 X ->"), "reaction 'r': takes or makes -1 of 'X'"),
    "unset stoichiometry": (changed(' stoichiometry="1"', ""), "reaction 'r': the stoichiometry of 'X' is not set"),
    "computed stoichiometry": (
        changed("<speciesReference ", '<speciesReference id="s" ', assignments=assignment("s", "2")),
        "reaction 'r': the computed stoichiometry of 'X' is not supported",
    ),
    "varying stoichiometry": (
        changed(
            'stoichiometry="1" constant="true"',
            'id="s" stoichiometry="1" constant="false"',
            rules=rule("s", "1 + X"),
        ),
        "rule of 's': a stoichiometry that varies is not supported",
    ),
    "stoichiometryMath": (
        model(
            reaction("X ->", "k*X", level=2).replace(
                '<speciesReference species="X" stoichiometry="1"></speciesReference>',
                element("speciesReference", STOICHIOMETRY, species="X"),
            ),
            species_=X,
            parameters=K,
            level=(2, 4),
        ),
        "reaction 'r': the stoichiometryMath of 'X' is not supported",
    ),
    "varying volume": (
        model(FIRST, species_=X, parameters=K, compartments=compartment(constant=False), rules=rule("c", "1 + time")),
        "rule of 'c': a compartment whose size varies is not supported",
    ),
    "constraint": (
        changed("<listOfReactions>", listed("Constraints", element("constraint", math("X > 3"))) + "<listOfReactions>"),
        "constraint 1: constraints are not supported",
    ),
    "conversion factor": (one("k*X", conversionFactor="k"), "model: conversion factors are not supported"),
    "conversion factor of a species": (
        model(FIRST, species_=species("X", conversionFactor="k"), parameters=K),
        "species 'X': conversion factors are not supported",
    ),
    "more than can be counted": (
        model(FIRST, species_=species("X", 1e20), parameters=K),
        "species 'X': starts at 1e+20, more than the 4.61169e+18 molecules that can be counted",
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


@pytest.mark.parametrize("package", ["comp", "fbc", "qual", "multi", "distrib", "spatial", "arrays", "dyn"])
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
