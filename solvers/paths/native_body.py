"""Functions of a kernel, statement by statement, as LLVM's text (see `native_source`)."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from .native_source import METADATA, TRUTH, WHOLE, Entries, Frame, Slot, Value, constant, flat, rebuilt, tree
from .native_values import Expressions


class Body:
    """One function on its way into a frame, written out where it is used."""

    def __init__(self, frame: Frame, function: Callable[..., Any]) -> None:
        self.frame, self.function, self.tree = frame, function, tree(function)
        self.of = Expressions(frame, function.__globals__, lambda inner, given: Body(frame, inner).run(given))
        self.loops: list[tuple[str, str]] = []
        self.open = True
        self.end = frame.name()
        self.result: Any = None

    def run(self, given: Any) -> Any:
        """Write the function for these arguments; its result."""
        for argument, value in zip(self.tree.args.args, given, strict=True):
            self._bind(argument.arg, value)
        self._block(self.tree.body)
        if self.open:
            self.frame.jump(self.end)
        self.frame.label(self.end)
        return self.frame.load(self.result) if isinstance(self.result, Slot) else self.result

    def _bind(self, name: str, value: Any) -> None:
        names = self.of.names
        if not isinstance(value, Value) or value.kind.startswith("*"):
            names[name] = value
            return
        if not isinstance(names.get(name), Slot):
            names[name] = self.frame.slot(value.kind)
        self.frame.store(names[name], self.of.cast(value, names[name].kind))

    def _block(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            if not self.open:
                return
            method: Callable[[Any], None] | None = getattr(self, f"_{type(statement).__name__.lower()}", None)
            if method is None:
                raise TypeError(f"kernels know no {ast.unparse(statement)!r}")
            method(statement)

    def _expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.of.value(node.value)

    def _assign(self, node: ast.Assign) -> None:
        (target,) = node.targets
        self._set(target, self.of.value(node.value))

    def _augassign(self, node: ast.AugAssign) -> None:
        before = self.of.value(node.target)
        self._set(node.target, self.of.combined(before, node.op, self.of.value(node.value)))

    def _set(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            self._bind(target.id, value)
        elif isinstance(target, ast.Subscript):
            base = self.of.value(target.value)
            start = base.start if isinstance(base, Entries) else base
            self.of.store(start, self.of.number(target.slice, WHOLE), value)
        elif isinstance(target, ast.Tuple):
            for inner, part in zip(target.elts, value, strict=True):
                self._set(inner, part)
        else:
            raise TypeError(f"kernels cannot set {ast.unparse(target)!r}")

    def _return(self, node: ast.Return) -> None:
        if node.value is not None:
            value = self.of.value(node.value)
            if not isinstance(value, Value):
                self.result = value
            else:
                if self.result is None:
                    self.result = self.frame.slot(value.kind)
                self.frame.store(self.result, self.of.cast(value, self.result.kind))
        self._leave(self.end)

    def _leave(self, label: str) -> None:
        self.frame.jump(label)
        self.open = False

    def _break(self, _: ast.Break) -> None:
        self._leave(self.loops[-1][1])

    def _continue(self, _: ast.Continue) -> None:
        self._leave(self.loops[-1][0])

    def _pass(self, _: ast.Pass) -> None:
        pass

    def _if(self, node: ast.If) -> None:
        frame = self.frame
        condition = self.of.number(node.test, TRUTH)
        yes, no, end = frame.name(), frame.name(), frame.name()
        frame.branch(condition, yes, no)
        reached = False
        for label, statements in ((yes, node.body), (no, node.orelse)):
            frame.label(label)
            self.open = True
            self._block(statements)
            if self.open:
                frame.jump(end)
                reached = True
        self.open = reached
        if reached:
            frame.label(end)

    def _while(self, node: ast.While) -> None:
        frame = self.frame
        head, body, end = frame.name(), frame.name(), frame.name()
        frame.jump(head)
        frame.label(head)
        frame.branch(self.of.number(node.test, TRUTH), body, end)
        frame.label(body)
        self._loop(node.body, head, end)
        frame.label(end)
        self.open = True

    def _loop(self, statements: list[ast.stmt], again: str, end: str) -> None:
        self.loops.append((again, end))
        self._block(statements)
        self.loops.pop()
        if self.open:
            self.frame.jump(again)

    def _for(self, node: ast.For) -> None:
        """Over a range of one or two whole numbers; the variable is set anew in every round."""
        assert isinstance(node.iter, ast.Call)
        assert isinstance(node.target, ast.Name)
        frame, bounds = self.frame, [self.of.number(bound, WHOLE) for bound in node.iter.args]
        begin, stop = bounds if len(bounds) > 1 else [constant(0), bounds[0]]
        at = frame.slot(WHOLE)
        frame.store(at, begin)
        head, body, again, end = frame.name(), frame.name(), frame.name(), frame.name()
        frame.jump(head)
        frame.label(head)
        frame.branch(self.of.compared(frame.load(at), ast.Lt(), stop), body, end)
        frame.label(body)
        self._bind(node.target.id, frame.load(at))
        self._loop(node.body, again, end)
        frame.label(again)
        frame.store(at, self.of.combined(frame.load(at), ast.Add(), constant(1)))
        frame.jump(head)
        frame.label(end)
        self.open = True


class Writer:
    """The text of one module: an entry and every function that it calls."""

    def __init__(self) -> None:
        self.functions: list[str] = []
        self.declared: dict[str, str] = {}
        self.made: dict[Any, tuple[str, str | None]] = {}

    def entry(self, function: Callable[..., Any], arguments: Any) -> str:
        """The module whose `entry(slots)` runs the function on numbers that stand in a row of 64-bit slots.

        `arguments`: nested tuples of `Value`, whose texts do not matter.
        """
        frame = Frame(self)
        loaded = []
        for i, value in enumerate(flat(arguments)):
            at = frame.new("ptr", f"getelementptr i64, ptr %slots, i64 {i}")
            loaded.append(Value(value.kind, frame.new(value.type, f"load {value.type}, ptr {at}")))
        result = Body(frame, function).run(rebuilt(arguments, loaded))
        if result is not None:
            frame.lines.append(f"store {result.type} {result.text}, ptr %slots")
        frame.lines.append("ret void")
        self.functions.append(frame.text("define void @entry(ptr %slots) nounwind"))
        return "\n".join([*self.declared.values(), *self.functions, METADATA])

    def callee(self, function: Callable[..., Any], arguments: Any) -> tuple[str, str | None]:
        """The name of a function for arguments of these kinds, and the kind of its result, if any."""
        kinds = tuple(value.kind for value in flat(arguments))
        key = function, kinds
        if key not in self.made:
            frame, name = Frame(self), f"@f{len(self.made)}"
            parts = [Value(kind, f"%p{i}") for i, kind in enumerate(kinds)]
            head = ", ".join(f"{value.type} {value.text}" for value in parts)
            self.made[key] = name, None  # taken: no function here calls itself
            result = Body(frame, function).run(rebuilt(tuple(arguments), parts))
            frame.lines.append("ret void" if result is None else f"ret {result.type} {result.text}")
            given = "void" if result is None else result.type
            self.functions.append(frame.text(f"define internal {given} {name}({head}) noinline nounwind"))
            self.made[key] = name, None if result is None else result.kind
        return self.made[key]
