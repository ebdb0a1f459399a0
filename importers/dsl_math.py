"""Formulas of the reaction language: a syntax tree walked into sympy by an explicit allow-list.

Every constant piece is also worked out in plain floats, first: a division by zero, a root of a
negative number or an overflow is refused at its place, and no tower of powers reaches sympy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import sympy
from lark import Token, Tree

from kinetix.expressions import TIME, number

from .dsl_source import Source
from .dsl_syntax import MAX_DEPTH
from .dsl_words import CONSTANTS, FUNCTIONS, MASS_ACTION, PIECEWISE

MAX_STEPS = 200_000
"""Pieces of formulas that one file may hold after its functions are written out."""
MAX_EXPONENT = 1000
_BROKEN = (TypeError, ValueError, ArithmeticError, RecursionError)

_COMPARISONS: Mapping[str, tuple[Callable[..., Any], Callable[[float, float], bool]]] = {
    "<": (sympy.StrictLessThan, lambda a, b: a < b),
    "<=": (sympy.LessThan, lambda a, b: a <= b),
    ">": (sympy.StrictGreaterThan, lambda a, b: a > b),
    ">=": (sympy.GreaterThan, lambda a, b: a >= b),
    "==": (sympy.Eq, lambda a, b: a == b),
    "!=": (sympy.Ne, lambda a, b: a != b),
}


@dataclass(frozen=True, slots=True)
class Term:
    """A piece of a formula: its expression and, where it contains no names, its value."""

    expression: Any
    value: float | bool | None = None
    condition: bool = False


@dataclass(frozen=True, slots=True)
class Definition:
    """A function that the file defines: its name, arguments and the tree of its body."""

    name: Token
    arguments: tuple[Token, ...]
    body: Tree[Token]


@dataclass(frozen=True)
class Formulas:
    """Walks formulas of one source; `resolve` says what a name means there."""

    source: Source
    functions: Mapping[str, Definition] = field(default_factory=dict)
    _steps: list[int] = field(default_factory=lambda: [0])

    def number(self, tree: Tree[Token], resolve: Callable[[Token], Term], depth: int = 0) -> Term:
        """The formula as a number; a condition is refused."""
        term = self._walk(tree, resolve, depth)
        if term.condition:
            mend = "choose a number by it: piecewise(1, condition, 0)"
            raise self.source.refusal(tree, "a condition stands where a number is wanted", mend)
        return term

    def condition(self, tree: Tree[Token], resolve: Callable[[Token], Term], depth: int = 0) -> Term:
        """The formula as a condition; a number is refused."""
        term = self._walk(tree, resolve, depth)
        if not term.condition:
            raise self.source.refusal(tree, "a number stands where a condition is wanted", "compare it, as in X > 0")
        return term

    # one method a node of the grammar ------------------------------------------------------------

    def _walk(self, tree: Tree[Token], resolve: Callable[[Token], Term], depth: int) -> Term:
        self._steps[0] += 1
        if self._steps[0] > MAX_STEPS:
            raise self.source.refusal(tree, f"the formulas have more than {MAX_STEPS:,} pieces")
        if depth > MAX_DEPTH:
            raise self.source.refusal(tree, f"the formula is nested deeper than {MAX_DEPTH}", "split it by rules (:=)")
        children = tree.children
        match tree.data:
            case "number":
                return self._literal(_token(children[0]))
            case "time":
                return self._time(tree, resolve)
            case "name":
                return self._name(_token(children[0]), resolve)
            case "call":
                return self._call(tree, resolve, depth + 1)
            case "sum":
                return self._sum(tree, resolve, depth + 1)
            case "product":
                return self._product(tree, resolve, depth + 1)
            case "sign":
                return self._sign(tree, resolve, depth + 1)
            case "power":
                base, exponent = (self.number(_tree(c), resolve, depth + 1) for c in children)
                return self._power(tree, base, exponent)
            case "comparison":
                return self._comparison(tree, resolve, depth + 1)
            case "conjunction" | "disjunction" | "negation":
                return self._logic(tree, resolve, depth + 1)
        raise self.source.refusal(tree, f"{tree.data!s} has no meaning in a formula")

    def _literal(self, token: Token) -> Term:
        value = float(token)
        if not math.isfinite(value):
            raise self.source.refusal(token, f"the number {_short(token)} is too large", "the largest is 1.8e308")
        if token.isdigit():
            return Term(sympy.Integer(int(token)), value)
        return Term(number(value), value)

    def _time(self, tree: Tree[Token], resolve: Callable[[Token], Term]) -> Term:
        place = tree.meta
        return resolve(Token("_TIME", "time", line=place.line, column=place.column))

    def _name(self, token: Token, resolve: Callable[[Token], Term]) -> Term:
        return resolve(token)

    def _sum(self, tree: Tree[Token], resolve: Callable[[Token], Term], depth: int) -> Term:
        terms = [self.number(_tree(tree.children[0]), resolve, depth)]
        for operator, child in _pairs(tree.children[1:]):
            term = self.number(_tree(child), resolve, depth)
            terms.append(term if operator == "+" else self._negative(tree, term))
        return self._made(tree, sympy.Add, terms, lambda *values: sum(values[1:], start=values[0]))

    def _product(self, tree: Tree[Token], resolve: Callable[[Token], Term], depth: int) -> Term:
        first = self.number(_tree(tree.children[0]), resolve, depth)
        factors, value = [first.expression], first.value
        for operator, child in _pairs(tree.children[1:]):
            term = self.number(_tree(child), resolve, depth)
            if operator == "/" and term.value == 0:
                raise self.source.refusal(_tree(child), "division by zero")
            factors.append(self._reciprocal(tree, term) if operator == "/" else term.expression)
            if value is not None and term.value is not None:
                value = value * term.value if operator == "*" else value / term.value
            else:
                value = None
        return self._checked(tree, sympy.Mul, factors, value)

    def _sign(self, tree: Tree[Token], resolve: Callable[[Token], Term], depth: int) -> Term:
        term = self.number(_tree(tree.children[1]), resolve, depth)
        return self._negative(tree, term) if tree.children[0] == "-" else term

    def _negative(self, tree: Tree[Token], term: Term) -> Term:
        return self._checked(tree, sympy.Mul, [sympy.S.NegativeOne, term.expression], _negated(term.value))

    def _reciprocal(self, tree: Tree[Token], term: Term) -> Any:
        return self._checked(tree, sympy.Pow, [term.expression, sympy.S.NegativeOne], None).expression

    def _power(self, tree: Tree[Token], base: Term, exponent: Term) -> Term:
        if exponent.value is not None:
            coefficient = base.expression.as_coeff_Mul()[0]
            large = abs(exponent.value) * _size(coefficient) > 1024
            exact = not isinstance(base.expression, sympy.Float)
            if (abs(exponent.value) > MAX_EXPONENT and exact) or (base.value is None and large):
                raise self.source.refusal(tree, f"the exponent {exponent.value:g} is too large")
        if base.value == 0 and exponent.value is not None and exponent.value < 0:
            raise self.source.refusal(tree, "division by zero")
        return self._made(tree, sympy.Pow, [base, exponent], math.pow)

    def _comparison(self, tree: Tree[Token], resolve: Callable[[Token], Term], depth: int) -> Term:
        left, right = (self.number(_tree(c), resolve, depth) for c in (tree.children[0], tree.children[2]))
        build, value = _COMPARISONS[str(tree.children[1])]
        return self._made(tree, build, [left, right], value, condition=True)

    def _logic(self, tree: Tree[Token], resolve: Callable[[Token], Term], depth: int) -> Term:
        terms = [self.condition(_tree(c), resolve, depth) for c in tree.children]
        build, value = {
            "conjunction": (sympy.And, lambda *v: all(v)),
            "disjunction": (sympy.Or, lambda *v: any(v)),
            "negation": (sympy.Not, lambda v: not v),
        }[str(tree.data)]
        return self._made(tree, build, terms, value, condition=True)

    # calls -----------------------------------------------------------------------------------

    def _call(self, tree: Tree[Token], resolve: Callable[[Token], Term], depth: int) -> Term:
        name, arguments = _token(tree.children[0]), arguments_of(tree)
        if name == PIECEWISE:
            return self._piecewise(tree, arguments, resolve, depth)
        if name in self.functions:
            return self._defined(name, arguments, resolve, depth)
        if name == MASS_ACTION:
            raise self.source.refusal(name, "mass_action(...) is a whole law, not a part of one", "write out the law")
        if name not in FUNCTIONS:
            raise self._unknown_function(name)
        function = FUNCTIONS[name]
        if not function.fewest <= len(arguments) <= function.most:
            count = str(function.fewest) if function.fewest == function.most else f"{function.fewest} or more"
            raise self.source.refusal(name, f"{name}() takes {count} arguments, not {len(arguments)}")
        walk = self.condition if function.condition else self.number
        terms = [walk(argument, resolve, depth) for argument in arguments]
        if function.name == "pow":
            return self._power(tree, *terms)
        return self._made(tree, function.build, terms, function.value, condition=function.condition)

    def _piecewise(
        self, tree: Tree[Token], arguments: Sequence[Tree[Token]], resolve: Callable[[Token], Term], depth: int
    ) -> Term:
        """piecewise(value, condition, value, condition, ..., otherwise)."""
        if len(arguments) < 2:
            raise self.source.refusal(tree, "piecewise() is piecewise(value, condition, ..., otherwise)")
        values = [self._walk(a, resolve, depth) for a in arguments[::2]]
        conditions = [self.condition(a, resolve, depth) for a in arguments[1::2]]
        if len({term.condition for term in values}) > 1:
            raise self.source.refusal(tree, "piecewise() mixes numbers and conditions")
        if len(conditions) < len(values):
            conditions.append(Term(sympy.true, value=True, condition=True))
        value = _chosen(values, conditions)
        if not values[0].condition:
            pairs = [(v.expression, c.expression) for v, c in zip(values, conditions, strict=True)]
            return self._checked(tree, sympy.Piecewise, pairs, value)
        if len(values) != 2 or conditions[1].value is not True:
            raise self.source.refusal(tree, "a piecewise() of conditions is piecewise(condition, condition, otherwise)")
        parts = [conditions[0].expression, values[0].expression, values[1].expression]
        return self._checked(tree, sympy.ITE, parts, value, condition=True)

    def _defined(
        self, name: Token, arguments: Sequence[Tree[Token]], resolve: Callable[[Token], Term], depth: int
    ) -> Term:
        definition = self.functions[name]
        if len(arguments) != len(definition.arguments):
            wanted = len(definition.arguments)
            raise self.source.refusal(name, f"{name}() takes {wanted} arguments, not {len(arguments)}")
        terms = [self._walk(argument, resolve, depth) for argument in arguments]
        given = dict(zip(map(str, definition.arguments), terms, strict=True))

        def within(token: Token) -> Term:
            if token in given:
                return given[token]
            if token in CONSTANTS:
                return constant(token)
            mend = f"its arguments are {', '.join(given) or 'none'}; pass it as one"
            raise self.source.refusal(token, f"the function {name!s} uses {str(token)!r}", mend)

        return self._walk(definition.body, within, depth)

    def _unknown_function(self, name: Token) -> Exception:
        if name in {"delay", "rateOf"}:
            return self.source.unsupported(name, f"the function {name}()", "no solver runs it")
        near = get_close_matches(name, [*FUNCTIONS, PIECEWISE, MASS_ACTION, *self.functions], n=1)
        mend = f"did you mean {near[0]!r}?" if near else "write * between factors, or define the function"
        return self.source.refusal(name, f"unknown function {str(name)!r}", mend)

    # building --------------------------------------------------------------------------------

    def _made(
        self,
        tree: Tree[Token],
        build: Callable[..., Any],
        terms: Sequence[Term],
        value: Callable[..., Any],
        *,
        condition: bool = False,
    ) -> Term:
        """The node over its terms, with its value where every term has one."""
        worth = None
        if all(term.value is not None for term in terms):
            try:
                worth = value(*(term.value for term in terms))
            except _BROKEN as problem:
                raise self._impossible(tree, problem) from None
        return self._checked(tree, build, [term.expression for term in terms], worth, condition=condition)

    def _checked(
        self,
        tree: Tree[Token],
        build: Callable[..., Any],
        parts: Sequence[Any],
        value: float | bool | None,
        *,
        condition: bool = False,
    ) -> Term:
        if value is not None and not math.isfinite(value):
            raise self._impossible(tree, OverflowError("math range error"))
        try:
            return Term(build(*parts), value, condition)
        except _BROKEN as problem:
            raise self._impossible(tree, problem) from None

    def _impossible(self, tree: Tree[Token], problem: Exception) -> Exception:
        if isinstance(problem, ZeroDivisionError):
            return self.source.refusal(tree, "division by zero")
        if isinstance(problem, OverflowError):
            return self.source.refusal(tree, "the value is too large for a number", "the largest is 1.8e308")
        return self.source.refusal(tree, "the value is not a real number")


def constant(token: Token | str) -> Term:
    """A constant of the language, such as pi."""
    expression, value = CONSTANTS[str(token)]
    return Term(expression, value, condition=isinstance(value, bool))


def at_time() -> Term:
    """The time in a law or rule."""
    return Term(TIME)


def arguments_of(call: Tree[Token]) -> list[Tree[Token]]:
    """The arguments of a call, as trees."""
    listed = call.children[1]
    return [_tree(child) for child in listed.children] if isinstance(listed, Tree) else []


def names_of(tree: Tree[Token]) -> list[Token]:
    """The names in a formula, other than those of functions."""
    return [_token(node.children[0]) for node in tree.find_data("name")]


def _chosen(values: Sequence[Term], conditions: Sequence[Term]) -> float | bool | None:
    for value, condition in zip(values, conditions, strict=True):
        if condition.value is None:
            return None
        if condition.value:
            return value.value
    return None


def _size(coefficient: Any) -> float:
    """The magnitude of a number in binary digits, up or down."""
    try:
        return abs(math.log2(abs(float(coefficient)) or 1.0))
    except OverflowError:
        return math.inf


def _negated(value: float | bool | None) -> float | None:
    return None if value is None else -value


def _pairs(children: Sequence[Any]) -> list[tuple[str, Any]]:
    return [(str(children[i]), children[i + 1]) for i in range(0, len(children), 2)]


def _short(token: Token) -> str:
    return str(token) if len(token) <= 20 else f"{token[:17]}..."


def _token(item: Any) -> Token:
    assert isinstance(item, Token)
    return item


def _tree(item: Any) -> Tree[Token]:
    assert isinstance(item, Tree)
    return item
