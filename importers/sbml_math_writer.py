"""Sympy trees to the expression nodes of libsbml, through an explicit list of operations.

libsbml prints numbers with 15 digits, too few for a double, so the writer keeps every real number it
makes, in document order; `sbml_writer` puts them back in full.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import libsbml
import sympy

from kinetix.errors import UnsupportedFeature
from kinetix.expressions import TIME

_FUNCTIONS: Mapping[str, int] = {
    "exp": libsbml.AST_FUNCTION_EXP,
    "log": libsbml.AST_FUNCTION_LN,
    "Abs": libsbml.AST_FUNCTION_ABS,
    "floor": libsbml.AST_FUNCTION_FLOOR,
    "ceiling": libsbml.AST_FUNCTION_CEILING,
    "factorial": libsbml.AST_FUNCTION_FACTORIAL,
    "Min": libsbml.AST_FUNCTION_MIN,
    "Max": libsbml.AST_FUNCTION_MAX,
    "And": libsbml.AST_LOGICAL_AND,
    "Or": libsbml.AST_LOGICAL_OR,
    "Not": libsbml.AST_LOGICAL_NOT,
    "Xor": libsbml.AST_LOGICAL_XOR,
    "Equality": libsbml.AST_RELATIONAL_EQ,
    "Unequality": libsbml.AST_RELATIONAL_NEQ,
    "StrictGreaterThan": libsbml.AST_RELATIONAL_GT,
    "GreaterThan": libsbml.AST_RELATIONAL_GEQ,
    "StrictLessThan": libsbml.AST_RELATIONAL_LT,
    "LessThan": libsbml.AST_RELATIONAL_LEQ,
} | {
    name: getattr(libsbml, f"AST_FUNCTION_{name.replace('a', 'ARC', 1).upper() if name[0] == 'a' else name.upper()}")
    for base in ("sin", "cos", "tan", "sec", "csc", "cot")
    for name in (base, f"a{base}", f"{base}h", f"a{base}h")
}
_CONSTANTS = (
    (sympy.pi, libsbml.AST_CONSTANT_PI),
    (sympy.E, libsbml.AST_CONSTANT_E),
    (sympy.true, libsbml.AST_CONSTANT_TRUE),
    (sympy.false, libsbml.AST_CONSTANT_FALSE),
)
_INTEGER = 2**31
_EXACT = 2**53


@dataclass
class MathWriter:
    """Makes libsbml nodes, `rates` first in products; `reals` collects the real numbers made, in document order."""

    rates: frozenset[str] = frozenset()
    time: str = "time"
    """What the symbol for the time is called: a name of no element, or libsbml takes the one for the other."""
    reals: list[float] = field(default_factory=list)

    def node(self, expression: sympy.Basic) -> Any:
        """The libsbml node of an expression; refuses an operation that has no place in SBML."""
        for constant, kind in _CONSTANTS:
            if expression == constant:
                return libsbml.ASTNode(kind)
        if isinstance(expression, sympy.Symbol):
            return self._name(expression)
        if isinstance(expression, sympy.Number):
            return self._number(expression)
        name = type(expression).__name__
        special: dict[str, Callable[[Any], Any]] = {
            "Add": self._sum,
            "Mul": self._product,
            "Pow": self._power,
            "Piecewise": self._piecewise,
            "ITE": self._choice,
            "Mod": self._modulo,
        }
        if name in special:
            return special[name](expression)
        if name not in _FUNCTIONS:
            raise UnsupportedFeature(f"the operation {name!r} cannot be written as SBML: {expression}")
        return self._apply(_FUNCTIONS[name], expression.args)

    def _name(self, symbol: sympy.Symbol) -> Any:
        node = libsbml.ASTNode(libsbml.AST_NAME_TIME if symbol == TIME else libsbml.AST_NAME)
        node.setName(self.time if symbol == TIME else symbol.name)
        return node

    def _apply(self, kind: int, arguments: Iterable[sympy.Basic]) -> Any:
        return _apply(kind, [self.node(argument) for argument in arguments])

    def _number(self, value: sympy.Number) -> Any:
        if isinstance(value, sympy.Float):
            return self._real(float(value))
        top, bottom = int(value.p), int(value.q)
        if bottom != 1:
            return _apply(libsbml.AST_DIVIDE, [self._integer(top), self._integer(bottom)])
        return self._integer(top)

    def _integer(self, value: int) -> Any:
        if abs(value) < _INTEGER:
            node = libsbml.ASTNode(libsbml.AST_INTEGER)
            node.setValue(value)
            return node
        if abs(value) >= _EXACT:
            raise UnsupportedFeature(f"the whole number {value} is too large to be written exactly as SBML")
        return self._real(float(value))

    def _real(self, value: float) -> Any:
        self.reals.append(value)
        node = libsbml.ASTNode(libsbml.AST_REAL)
        node.setValue(value)
        return node

    def _sum(self, expression: sympy.Add) -> Any:
        terms = expression.as_ordered_terms()
        if len(terms) == 2 and _negative(terms[1]) and not _negative(terms[0]):
            return self._apply(libsbml.AST_MINUS, [terms[0], -terms[1]])
        return self._apply(libsbml.AST_PLUS, terms)

    def _product(self, expression: sympy.Mul) -> Any:
        if _negative(expression):
            return self._apply(libsbml.AST_MINUS, [_times(-expression.args[0], expression.args[1:])])
        above: list[sympy.Basic] = []
        below: list[sympy.Basic] = []
        for factor in sorted(expression.args, key=self._place):
            if isinstance(factor, sympy.Rational) and factor.q != 1:
                above += [sympy.Integer(factor.p)] if factor.p != 1 else []
                below.append(sympy.Integer(factor.q))
            elif isinstance(factor, sympy.Pow) and _negative(factor.exp):
                below.append(sympy.Pow(factor.base, -factor.exp))
            else:
                above.append(factor)
        if not below:
            return self._many(above)
        return _apply(libsbml.AST_DIVIDE, [self._many(above), self._many(below)])

    def _place(self, factor: sympy.Basic) -> int:
        """Numbers, then rate constants, then the rest, as k*X*(X - 1) is commonly written."""
        return 0 if factor.is_Number else 1 if factor.is_Symbol and factor.name in self.rates else 2

    def _many(self, factors: Sequence[sympy.Basic]) -> Any:
        if len(factors) == 1:
            return self.node(factors[0])
        return self._apply(libsbml.AST_TIMES, factors) if factors else self._integer(1)

    def _power(self, expression: sympy.Pow) -> Any:
        if _negative(expression.exp):
            inverse = sympy.Pow(expression.base, -expression.exp)
            return self._apply(libsbml.AST_DIVIDE, [sympy.Integer(1), inverse])
        return self._apply(libsbml.AST_FUNCTION_POWER, expression.args)

    def _piecewise(self, expression: sympy.Piecewise) -> Any:
        parts: list[sympy.Basic] = []
        for value, condition in expression.args:
            parts += [value] if condition == sympy.true else [value, condition]
        return self._apply(libsbml.AST_FUNCTION_PIECEWISE, parts)

    def _choice(self, expression: sympy.ITE) -> Any:
        condition, then, otherwise = expression.args
        return self._apply(libsbml.AST_FUNCTION_PIECEWISE, [then, condition, otherwise])

    def _modulo(self, expression: sympy.Mod) -> Any:
        """Mod takes the sign of its divisor: a - b*floor(a/b), unlike MathML's rem."""
        a, b = expression.args
        first, second = self.node(a), self.node(b)
        quotient = _apply(libsbml.AST_FUNCTION_FLOOR, [self._apply(libsbml.AST_DIVIDE, [a, b])])
        return _apply(libsbml.AST_MINUS, [first, _apply(libsbml.AST_TIMES, [second, quotient])])


def _negative(expression: sympy.Basic) -> bool:
    head = expression.args[0] if isinstance(expression, sympy.Mul) else expression
    return bool(isinstance(head, sympy.Number) and head < 0)


def _times(coefficient: sympy.Number, rest: Sequence[sympy.Basic]) -> sympy.Expr:
    """The product without the distribution over a sum that sympy makes of 2*(x + 1)."""
    factors = [*([] if coefficient == 1 else [coefficient]), *rest]
    return factors[0] if len(factors) == 1 else sympy.Mul(*factors, evaluate=False)


def _apply(kind: int, children: Sequence[Any]) -> Any:
    def with_child(node: Any, child: Any) -> Any:
        node.addChild(child)
        return node

    return reduce(with_child, children, libsbml.ASTNode(kind))
