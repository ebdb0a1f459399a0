"""Expressions of a kernel as LLVM's text: numbers, comparisons, calls (see `native_source`)."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable
from typing import Any

import numpy as np

from .native_source import (
    ARITHMETIC,
    COMPARISONS,
    FUNCTIONS,
    REAL,
    TAGS,
    TRUTH,
    WHOLE,
    WORD,
    Entries,
    Frame,
    Slot,
    Value,
    constant,
    flat,
)
from .pointers import CALLED, get, pointer, put, shift


class Expressions:
    """Writes expressions into a frame, with the names of one function: variables, and tuples while compiling."""

    def __init__(self, frame: Frame, scope: dict[str, Any], inline: Callable[..., Any]) -> None:
        self.frame, self.scope, self.inline = frame, scope, inline
        self.names: dict[str, Any] = {}

    def value(self, node: ast.expr) -> Any:
        """A `Value`, or a tuple or function that exists only while the kernel is compiled."""
        method: Callable[[Any], Any] | None = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            raise TypeError(f"kernels know no {ast.unparse(node)!r}")
        return method(node)

    def number(self, node: ast.expr, kind: str) -> Value:
        """The expression as a number of one kind."""
        return self.cast(self.value(node), kind)

    def cast(self, value: Value, kind: str) -> Value:
        """The same number in another kind: truths and whole numbers widen, nothing narrows by itself."""
        if value.kind == kind:
            return value
        if kind == TRUTH and value.kind in (WHOLE, WORD):
            return Value(TRUTH, self.frame.new("i1", f"icmp ne i64 {value.text}, 0"))
        if kind == TRUTH and value.kind == REAL:
            return Value(TRUTH, self.frame.new("i1", f"fcmp une double {value.text}, 0.0"))
        if kind == WHOLE and value.kind == TRUTH:
            return Value(WHOLE, self.frame.new("i64", f"zext i1 {value.text} to i64"))
        if kind == REAL and value.kind in (TRUTH, WHOLE):
            whole = self.cast(value, WHOLE)
            return Value(REAL, self.frame.new("double", f"sitofp i64 {whole.text} to double"))
        raise TypeError(f"{value.kind!r} is no {kind!r}")

    def _constant(self, node: ast.Constant) -> Value:
        value: Any = node.value
        return constant(value)

    def _name(self, node: ast.Name) -> Any:
        if node.id in self.names:
            found = self.names[node.id]
            return self.frame.load(found) if isinstance(found, Slot) else found
        found = self.scope[node.id] if node.id in self.scope else getattr(builtins, node.id)
        return constant(found) if isinstance(found, bool | int | float | np.number) else found

    def _attribute(self, node: ast.Attribute) -> Any:
        found = getattr(self.value(node.value), node.attr)
        return constant(found) if isinstance(found, bool | int | float | np.number) else found

    def _tuple(self, node: ast.Tuple) -> tuple[Any, ...]:
        return tuple(self.value(entry) for entry in node.elts)

    def _subscript(self, node: ast.Subscript) -> Any:
        base = self.value(node.value)
        if isinstance(base, tuple) and not isinstance(base, Entries | Value):
            index: Any = node.slice
            return base[index.value]
        return self.load(base.start if isinstance(base, Entries) else base, self.number(node.slice, WHOLE))

    def at(self, start: Value, index: Value) -> str:
        """The address of an entry."""
        inner = Value(start.kind[1:], "").type
        return self.frame.new("ptr", f"getelementptr inbounds {inner}, ptr {start.text}, i64 {index.text}")

    def load(self, start: Value, index: Value) -> Value:
        """The entry at an index."""
        kind, at = start.kind[1:], self.at(start, index)
        inner = Value(kind, "").type
        return Value(kind, self.frame.new(inner, f"load {inner}, ptr {at}, !tbaa {TAGS[kind]}"))

    def store(self, start: Value, index: Value, value: Value) -> None:
        """Set the entry at an index."""
        kind = start.kind[1:]
        value, at = self.cast(value, kind), self.at(start, index)
        self.frame.lines.append(f"store {value.type} {value.text}, ptr {at}, !tbaa {TAGS[kind]}")

    def _binop(self, node: ast.BinOp) -> Value:
        return self.combined(self.value(node.left), node.op, self.value(node.right))

    def combined(self, a: Value, op: ast.operator, b: Value) -> Value:
        """Two numbers under an operator, in the wider of their kinds."""
        if isinstance(op, ast.Pow):
            return self._call_real("llvm.pow.f64", [a, b])
        if {a.kind, b.kind} == {WORD, WHOLE} or (WORD in (a.kind, b.kind) and REAL in (a.kind, b.kind)):
            raise TypeError("words mix with nothing else")
        kind = REAL if isinstance(op, ast.Div) or REAL in (a.kind, b.kind) else WORD if a.kind == WORD else WHOLE
        a, b = self.cast(a, kind), self.cast(b, kind)
        if isinstance(op, ast.RShift):
            name = "lshr" if kind == WORD else "ashr"
        elif isinstance(op, ast.FloorDiv) and kind == WHOLE:
            return self._floored(a, b)
        else:
            name = ARITHMETIC[type(op)][kind == REAL]
        return Value(kind, self.frame.new(a.type, f"{name} {a.type} {a.text}, {b.text}"))

    def _floored(self, a: Value, b: Value) -> Value:
        """The floor of a / b, for b > 0."""
        rest = self.frame.new("i64", f"srem i64 {a.text}, {b.text}")
        quotient = self.frame.new("i64", f"sdiv i64 {a.text}, {b.text}")
        below = self.frame.new("i1", f"icmp slt i64 {rest}, 0")
        less = self.frame.new("i64", f"zext i1 {below} to i64")
        return Value(WHOLE, self.frame.new("i64", f"sub i64 {quotient}, {less}"))

    def _unaryop(self, node: ast.UnaryOp) -> Value:
        if isinstance(node.op, ast.Not):
            value = self.number(node.operand, TRUTH)
            return Value(TRUTH, self.frame.new("i1", f"xor i1 {value.text}, true"))
        value = self.value(node.operand)
        if value.kind == REAL:
            return Value(REAL, self.frame.new("double", f"fneg double {value.text}"))
        return self.combined(constant(0), ast.Sub(), value)

    def _compare(self, node: ast.Compare) -> Value:
        left, result = self.value(node.left), None
        for op, other in zip(node.ops, node.comparators, strict=True):
            right = self.value(other)
            single = self.compared(left, op, right)
            joined = (
                single if result is None else Value(TRUTH, self.frame.new("i1", f"and i1 {result.text}, {single.text}"))
            )
            left, result = right, joined
        assert result is not None
        return result

    def compared(self, a: Value, op: ast.cmpop, b: Value) -> Value:
        """Whether a comparison holds; none holds of what is not a number, but `!=`."""
        kind = REAL if REAL in (a.kind, b.kind) else WHOLE
        a, b = self.cast(a, kind), self.cast(b, kind)
        name = COMPARISONS[type(op)][kind == REAL]
        return Value(
            TRUTH, self.frame.new("i1", f"{'f' if kind == REAL else 'i'}cmp {name} {a.type} {a.text}, {b.text}")
        )

    def _boolop(self, node: ast.BoolOp) -> Value:
        """The later parts are looked at only where they matter."""
        frame, stop = self.frame, isinstance(node.op, ast.Or)
        result, end = frame.slot(TRUTH), frame.name()
        for k, part in enumerate(node.values):
            value = self.number(part, TRUTH)
            frame.store(result, value)
            if k < len(node.values) - 1:
                following = frame.name()
                frame.branch(value, *((end, following) if stop else (following, end)))
                frame.label(following)
        frame.jump(end)
        frame.label(end)
        return frame.load(result)

    def _ifexp(self, node: ast.IfExp) -> Value:
        condition = self.number(node.test, TRUTH)
        if all(isinstance(part, ast.Constant | ast.Name) for part in (node.body, node.orelse)):
            return self._selected(condition, self.value(node.body), self.value(node.orelse))
        frame = self.frame
        yes, no, end = frame.name(), frame.name(), frame.name()
        frame.branch(condition, yes, no)
        frame.label(yes)
        first = self.value(node.body)
        result = frame.slot(first.kind)
        frame.store(result, first)
        frame.jump(end)
        frame.label(no)
        frame.store(result, self.number(node.orelse, first.kind))
        frame.jump(end)
        frame.label(end)
        return frame.load(result)

    def _selected(self, condition: Value, a: Value, b: Value) -> Value:
        kind = REAL if REAL in (a.kind, b.kind) else a.kind
        a, b = self.cast(a, kind), self.cast(b, kind)
        return Value(kind, self.frame.new(a.type, f"select i1 {condition.text}, {a.type} {a.text}, {b.type} {b.text}"))

    def _call(self, node: ast.Call) -> Any:
        function, given = self.value(node.func), [self.value(argument) for argument in node.args]
        if isinstance(function, type) and issubclass(function, tuple):
            return function(*given)
        if mark := vars(function).get("compiled_as") if hasattr(function, "__dict__") else None:
            return self._called(function, given) if mark == CALLED else self.inline(function, given)
        if function in FUNCTIONS:
            return self._call_real(FUNCTIONS[function], given)
        return self._memory(function, given)

    def _memory(self, function: Any, given: list[Any]) -> Any:
        if function is get:
            return self.load(*given)
        if function is put:
            return self.store(*given)
        if function is shift:
            return Value(given[0].kind, self.at(*given))
        if function is pointer:
            return given[0].start
        return self._builtin(function, given)

    def _builtin(self, function: Any, given: list[Value]) -> Value:
        if function in (min, max):
            least = given[0]
            for other in given[1:]:
                better = self.compared(other, ast.Lt() if function is min else ast.Gt(), least)
                least = self._selected(better, other, least)
            return least
        (value,) = given
        if function is np.isnan:
            return self.compared(value, ast.NotEq(), value)
        if function is float:
            return self.cast(value, REAL)
        if function in (int, np.int64) and value.kind == REAL:
            return Value(WHOLE, self.frame.new("i64", f"fptosi double {value.text} to i64"))
        if function in (int, np.int64, np.uint64) and value.kind in (WHOLE, WORD):
            return Value(WORD if function is np.uint64 else WHOLE, value.text)
        raise TypeError(f"kernels cannot call {function!r}")

    def _call_real(self, name: str, given: list[Value]) -> Value:
        """A function of real numbers, LLVM's own or the C library's."""
        taken = [self.cast(value, REAL) for value in given]
        kinds = ", ".join("double" for _ in taken)
        self.frame.writer.declared[name] = f"declare double @{name}({kinds})"
        text = ", ".join(f"double {value.text}" for value in taken)
        return Value(REAL, self.frame.new("double", f"call double @{name}({text})"))

    def _called(self, function: Callable[..., Any], given: list[Any]) -> Value | None:
        name, kind = self.frame.writer.callee(function, given)
        text = ", ".join(f"{value.type} {value.text}" for value in flat(given))
        if kind is None:
            self.frame.lines.append(f"call void {name}({text})")
            return None
        inner = Value(kind, "").type
        return Value(kind, self.frame.new(inner, f"call {inner} {name}({text})"))
