"""MathML to sympy, node by node, through a list of the operations that are allowed.

No text is evaluated. Functions that the file defines are written out here, under a budget, because
libsbml's own expansion of nested definitions can take for ever.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import libsbml
import sympy

from kinetix.errors import KinetixError, ModelError, UnsupportedFeature
from kinetix.expressions import TIME, number

from .sbml_formula import Formula, checked, combine, real_numbers, require_shallow

AVOGADRO = 6.02214179e23
"""The value that the SBML specification gives to its symbol `avogadro`."""
BUDGET = 200_000
"""Nodes that are visited for one model, functions written out each time they are called."""
_NESTED = 150

_NUMERIC: Mapping[int, Callable[..., Any]] = {
    libsbml.AST_FUNCTION_EXP: sympy.exp,
    libsbml.AST_FUNCTION_LN: sympy.log,
    libsbml.AST_FUNCTION_ABS: sympy.Abs,
    libsbml.AST_FUNCTION_FLOOR: sympy.floor,
    libsbml.AST_FUNCTION_CEILING: sympy.ceiling,
    libsbml.AST_FUNCTION_FACTORIAL: sympy.factorial,
    libsbml.AST_FUNCTION_MIN: sympy.Min,
    libsbml.AST_FUNCTION_MAX: sympy.Max,
    libsbml.AST_FUNCTION_POWER: sympy.Pow,
    libsbml.AST_POWER: sympy.Pow,
    libsbml.AST_FUNCTION_LOG: lambda base, x: sympy.log(x) / sympy.log(base),
    libsbml.AST_FUNCTION_ROOT: lambda degree, x: sympy.Pow(x, 1 / degree),
    libsbml.AST_FUNCTION_REM: lambda a, b: sympy.Piecewise(
        (sympy.Mod(a, sympy.Abs(b)), a >= 0), (-sympy.Mod(-a, sympy.Abs(b)), True)
    ),
    libsbml.AST_FUNCTION_QUOTIENT: lambda a, b: sympy.Piecewise(
        (sympy.floor(a / b), a / b >= 0), (sympy.ceiling(a / b), True)
    ),
} | {
    getattr(libsbml, f"AST_FUNCTION_{prefix}{name.upper()}{suffix}"): getattr(
        sympy, f"{'a' if prefix else ''}{name}{suffix.lower()}"
    )
    for name in ("sin", "cos", "tan", "sec", "csc", "cot")
    for prefix in ("", "ARC")
    for suffix in ("", "H")
}
_UNARY = {
    kind
    for kind, operation in _NUMERIC.items()
    if operation not in (sympy.Min, sympy.Max, sympy.Pow) and getattr(operation, "__name__", "") != "<lambda>"
}
_RELATIONS: Mapping[int, Callable[..., Any]] = {
    libsbml.AST_RELATIONAL_EQ: sympy.Eq,
    libsbml.AST_RELATIONAL_NEQ: sympy.Ne,
    libsbml.AST_RELATIONAL_GT: sympy.Gt,
    libsbml.AST_RELATIONAL_GEQ: sympy.Ge,
    libsbml.AST_RELATIONAL_LT: sympy.Lt,
    libsbml.AST_RELATIONAL_LEQ: sympy.Le,
}
_LOGIC: Mapping[int, Callable[..., Any]] = {
    libsbml.AST_LOGICAL_AND: sympy.And,
    libsbml.AST_LOGICAL_OR: sympy.Or,
    libsbml.AST_LOGICAL_XOR: sympy.Xor,
    libsbml.AST_LOGICAL_NOT: sympy.Not,
    libsbml.AST_LOGICAL_IMPLIES: lambda a, b: sympy.Or(sympy.Not(a), b),
}
_CONSTANTS: Mapping[int, Any] = {
    libsbml.AST_CONSTANT_PI: sympy.pi,
    libsbml.AST_CONSTANT_E: sympy.E,
    libsbml.AST_CONSTANT_TRUE: sympy.true,
    libsbml.AST_CONSTANT_FALSE: sympy.false,
}
_REFUSED: Mapping[int, str] = {
    libsbml.AST_FUNCTION_DELAY: "delay",
    libsbml.AST_FUNCTION_RATE_OF: "rateOf",
    libsbml.AST_LAMBDA: "lambda inside a formula",
    libsbml.AST_CSYMBOL_FUNCTION: "csymbol function",
}
_REAL = {libsbml.AST_REAL, libsbml.AST_REAL_E}
_GROUPED = {libsbml.AST_TIMES, libsbml.AST_DIVIDE}


@dataclass(frozen=True)
class Function:
    """A function definition: the names of its arguments and its body."""

    arguments: tuple[str, ...]
    body: Any


@dataclass
class MathReader:
    """Reads the formulas of one model; `left` is what remains of the budget of nodes."""

    functions: Mapping[str, Function]
    left: int = BUDGET
    _calls: list[str] = field(default_factory=list)
    _nested: int = 0

    def read(self, node: Any, names: Mapping[str, Formula], place: str) -> Formula:
        """The formula of a libsbml node, names looked up in `names`; errors say `place`."""
        self._calls.clear()
        self._nested = 0
        try:
            with real_numbers():
                return self._formula(node, names)
        except KinetixError as problem:
            raise type(problem)(problem.reason, place=place, mend=problem.mend) from problem

    def _formula(self, node: Any, names: Mapping[str, Formula]) -> Formula:
        self.left -= 1
        self._nested += 1
        if self.left < 0:
            raise UnsupportedFeature(
                f"the model's formulas have more than {BUDGET} nodes with all functions written out"
            )
        if self._nested > _NESTED:
            raise UnsupportedFeature(f"functions and formulas are nested more than {_NESTED} deep")
        result = self._dispatch(node, names)
        self._nested -= 1
        return result

    def _dispatch(self, node: Any, names: Mapping[str, Formula]) -> Formula:
        kind = node.getType()
        if (leaf := _leaf(node, kind)) is not None:
            return leaf
        if kind == libsbml.AST_NAME:
            return _lookup(node.getName(), names)
        if kind == libsbml.AST_FUNCTION:
            return self._call(node, names)
        if kind in _GROUPED or (kind == libsbml.AST_MINUS and node.getNumChildren() == 1):
            return combine(sympy.Mul, list(self._factors(node, names)))
        if kind in (libsbml.AST_PLUS, libsbml.AST_MINUS):
            return self._sum(node, kind, names)
        if kind == libsbml.AST_FUNCTION_PIECEWISE:
            return self._piecewise(node, names)
        parts = [self._formula(child, names) for child in _children(node)]
        if kind in _RELATIONS:
            return _chain(_RELATIONS[kind], parts)
        if kind in _LOGIC:
            return combine(_LOGIC[kind], parts, conditions=True)
        if kind in _NUMERIC:
            return _function(kind, parts)
        raise UnsupportedFeature(f"{_REFUSED.get(kind) or _word(node)!r} is not a function that kinetix can treat")

    def _factors(self, node: Any, names: Mapping[str, Formula]) -> Iterator[Formula]:
        """The factors of nested products and quotients as one flat list, so that 2*(x + 1)/y stays as it is."""
        waiting = [(node, False)]  # the next one last, and whether it is divided by
        while waiting:
            current, inverse = waiting.pop()
            kind, children = current.getType(), _children(current)
            if kind == libsbml.AST_MINUS and len(children) == 1:
                yield Formula(sympy.Integer(-1), constant=True)
                waiting.append((children[0], inverse))
            elif kind == libsbml.AST_TIMES:
                waiting += [(child, inverse) for child in reversed(children)]
            elif kind == libsbml.AST_DIVIDE:
                _require(len(children) == 2, "divide", "two arguments")
                waiting += [(children[1], not inverse), (children[0], inverse)]
            else:
                factor = self._formula(current, names)
                yield combine(lambda x: sympy.Pow(x, -1), [factor]) if inverse else factor

    def _sum(self, node: Any, kind: int, names: Mapping[str, Formula]) -> Formula:
        if kind == libsbml.AST_PLUS:
            return combine(sympy.Add, [self._formula(term, names) for term in _terms(node)])
        parts = [self._formula(child, names) for child in _children(node)]
        _require(len(parts) == 2, "minus", "one or two arguments")
        if (modulo := _as_modulo(*parts)) is not None:
            return modulo
        return combine(lambda a, b: sympy.Add(a, sympy.Mul(-1, b)), parts)

    def _piecewise(self, node: Any, names: Mapping[str, Formula]) -> Formula:
        parts = [self._formula(child, names) for child in _children(node)]
        if len(parts) % 2 == 0:
            if not parts or sympy.Or(*(p.condition for p in parts[1::2])) != sympy.true:
                raise UnsupportedFeature("a piecewise formula has no <otherwise>", mend="say what holds elsewhere")
            parts.pop()  # the last piece holds wherever the others do not
        if all(part.expression in (sympy.true, sympy.false) or part.expression.is_Boolean for part in parts[::2]):
            return combine(_choice, parts, conditions=True)
        values, conditions = [p.number for p in parts[::2]], [p.condition for p in parts[1::2]]

        require_shallow(*conditions)

        def build(*_: Any) -> Any:
            return sympy.Piecewise(*zip(values, [*conditions, sympy.true], strict=True))

        return combine(build, parts)

    def _call(self, node: Any, names: Mapping[str, Formula]) -> Formula:
        name = node.getName()
        if name not in self.functions:
            raise ModelError(f"the function {name!r} is not defined")
        if name in self._calls:
            cycle = " -> ".join([*self._calls[self._calls.index(name) :], name])
            raise ModelError(f"the function {name!r} calls itself: {cycle}", mend="break the cycle")
        function = self.functions[name]
        given = [self._formula(child, names) for child in _children(node)]
        if len(given) != len(function.arguments):
            raise ModelError(f"the function {name!r} takes {len(function.arguments)} arguments, not {len(given)}")
        self._calls.append(name)
        result = self._formula(function.body, dict(zip(function.arguments, given, strict=True)))
        self._calls.pop()
        return result


def require_known(node: Any, place: str) -> None:
    """Refuse a formula with a function that is not read, or with too few or too many arguments for one that is."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        kind = current.getType()
        if kind in _REFUSED and kind != libsbml.AST_LAMBDA:
            reason = f"{_REFUSED[kind]!r} is not a function that kinetix can treat"
            raise UnsupportedFeature(reason, place=place)
        wanted = 1 if kind in _UNARY else 2
        plain = kind in _NUMERIC and _NUMERIC[kind] not in (sympy.Min, sympy.Max)
        if plain and current.getNumChildren() != wanted:
            reason = f"{_word(current)!r} needs {wanted} argument{'s' * (wanted > 1)}, not {current.getNumChildren()}"
            raise ModelError(reason, place=place)
        waiting += _children(current)


def names_used(node: Any) -> set[str]:
    """The names in a formula that are not functions or predefined symbols."""
    found, waiting = set(), [node]
    while waiting:
        current = waiting.pop()
        if current.getType() == libsbml.AST_NAME:
            found.add(current.getName())
        waiting += _children(current)
    return found


def _leaf(node: Any, kind: int) -> Formula | None:
    if kind == libsbml.AST_INTEGER:
        return Formula(sympy.Integer(node.getInteger()), constant=True)
    if kind == libsbml.AST_RATIONAL:
        return checked(Formula(sympy.Rational(node.getNumerator(), node.getDenominator()), constant=True))
    if kind in _REAL:
        return Formula(number(_real(node, kind)), constant=True)
    if kind == libsbml.AST_NAME_AVOGADRO:
        return Formula(number(AVOGADRO), constant=True)
    if kind == libsbml.AST_NAME_TIME:
        return Formula(TIME)
    if kind in _CONSTANTS:
        return Formula(_CONSTANTS[kind], constant=True)
    return None


def _real(node: Any, kind: int) -> float:
    """The double nearest to the decimal in the file: libsbml multiplies mantissa and power, and so rounds twice."""
    value = float(node.getReal())
    if kind == libsbml.AST_REAL_E and abs(value) < float("inf"):
        value = float(f"{node.getMantissa()!r}e{node.getExponent()}") if "e" not in repr(node.getMantissa()) else value
    if abs(value) < float("inf"):
        return value
    raise ModelError(f"a formula contains {value}, which is not a finite number")


def _lookup(name: str, names: Mapping[str, Formula]) -> Formula:
    if name not in names:
        raise ModelError(f"{name!r} is not declared or has no value")
    return names[name]


def _children(node: Any) -> list[Any]:
    return [node.getChild(i) for i in range(node.getNumChildren())]


def _terms(node: Any) -> list[Any]:
    """The terms of nested sums as one flat list: libsbml reads a sum of many as one of two, of two, ..."""
    found, waiting = [], [node]
    while waiting:
        current = waiting.pop()
        if current.getType() == libsbml.AST_PLUS:
            waiting += reversed(_children(current))
        else:
            found.append(current)
    return found


def _function(kind: int, parts: Sequence[Formula]) -> Formula:
    operation = _NUMERIC[kind]
    wanted = 1 if kind in _UNARY else 2
    if operation in (sympy.Min, sympy.Max):
        _require(bool(parts), "min and max", "at least one argument")
    else:
        _require(len(parts) == wanted, "a function", f"{wanted} argument{'s' * (wanted > 1)}")
    return combine(operation, parts)


def _chain(relation: Callable[..., Any], parts: Sequence[Formula]) -> Formula:
    """A relation of many arguments holds between each and the next."""
    _require(len(parts) >= 2, "a relation", "at least two arguments")
    pairs = [combine(relation, pair) for pair in itertools.pairwise(parts)]
    return pairs[0] if len(pairs) == 1 else combine(sympy.And, pairs, conditions=True)


def _choice(*conditions: Any) -> Any:
    """Conditions chosen by conditions: value, condition, value, condition, ..., otherwise."""
    *pairs, result = conditions
    for value, condition in reversed(list(zip(pairs[::2], pairs[1::2], strict=True))):
        result = sympy.ITE(condition, value, result)
    return result


def _as_modulo(a: Formula, b: Formula) -> Formula | None:
    """Mod(x, y) where the difference is x - y*floor(x/y), the way to say it in MathML."""
    for floor in b.number.atoms(sympy.floor) if not a.constant else ():
        divisor = b.number / floor
        if not divisor.has(floor) and floor.args[0] == a.number / divisor:
            return combine(sympy.Mod, [a, Formula(divisor, b.size, b.depth, b.constant)])
    return None


def _require(holds: bool, what: str, wanted: str) -> None:
    if not holds:
        raise ModelError(f"{what} needs {wanted}")


def _word(node: Any) -> str:
    return str(node.getName() or node.getOperatorName() or f"MathML node of type {node.getType()}")
