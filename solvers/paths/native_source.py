"""Kernels in Python (see `pointers`) to the text of LLVM's language, in milliseconds.

The language of the kernels is small and its types are plain, so that one walk over the syntax tree
writes the code; numba needs seconds for the same. LLVM makes registers of the variables and does all
the optimisation.
"""

from __future__ import annotations

import ast
import inspect
import math
import struct
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import numpy as np

WHOLE, WORD, REAL, TRUTH = "i", "u", "f", "b"
_LLVM = {WHOLE: "i64", WORD: "i64", REAL: "double", TRUTH: "i1"}
TAGS = {REAL: "!4", WHOLE: "!5", WORD: "!6"}

METADATA = """
!0 = !{!"memory"}
!1 = !{!"real", !0, i64 0}
!2 = !{!"whole", !0, i64 0}
!3 = !{!"word", !0, i64 0}
!4 = !{!1, !1, i64 0}
!5 = !{!2, !2, i64 0}
!6 = !{!3, !3, i64 0}
"""
"""Real numbers, whole numbers and words never share memory: LLVM may keep one while another is stored."""

FUNCTIONS: dict[Any, str] = {
    math.log: "llvm.log.f64",
    math.exp: "llvm.exp.f64",
    math.sqrt: "llvm.sqrt.f64",
    math.sin: "llvm.sin.f64",
    math.cos: "llvm.cos.f64",
    abs: "llvm.fabs.f64",
    np.floor: "llvm.floor.f64",
    np.ceil: "llvm.ceil.f64",
    np.rint: "llvm.rint.f64",
    math.tan: "tan",
    np.arcsin: "asin",
    np.arccos: "acos",
    math.atan: "atan",
    math.sinh: "sinh",
    math.cosh: "cosh",
    math.tanh: "tanh",
    np.arcsinh: "asinh",
    np.arccosh: "acosh",
    np.arctanh: "atanh",
    math.gamma: "tgamma",
    math.lgamma: "lgamma",
}
ARITHMETIC = {
    ast.Add: ("add", "fadd"),
    ast.Sub: ("sub", "fsub"),
    ast.Mult: ("mul", "fmul"),
    ast.BitAnd: ("and", ""),
    ast.BitOr: ("or", ""),
    ast.BitXor: ("xor", ""),
    ast.LShift: ("shl", ""),
    ast.Div: ("", "fdiv"),
}
COMPARISONS = {
    ast.Lt: ("slt", "olt"),
    ast.LtE: ("sle", "ole"),
    ast.Gt: ("sgt", "ogt"),
    ast.GtE: ("sge", "oge"),
    ast.Eq: ("eq", "oeq"),
    ast.NotEq: ("ne", "une"),
}


class Value(NamedTuple):
    """A number or pointer ("*" and the kind it points to) in LLVM's text."""

    kind: str
    text: str

    @property
    def type(self) -> str:
        """Its type in LLVM."""
        return "ptr" if self.kind.startswith("*") else _LLVM[self.kind]


class Entries(NamedTuple):
    """An array: its first entry and its extents."""

    start: Value
    shape: tuple[Value, ...]


class Slot(NamedTuple):
    """A variable: a place in the frame of a function."""

    kind: str
    text: str


def constant(value: Any) -> Value:
    """A number that is known while the kernel is compiled."""
    if isinstance(value, bool | np.bool_):
        return Value(TRUTH, "true" if value else "false")
    if isinstance(value, np.uint64):
        return Value(WORD, str(int(value) - (2**64 if value >= np.uint64(2**63) else 0)))
    if isinstance(value, int | np.integer):
        return Value(WHOLE, str(int(value)))
    return Value(REAL, "0x" + struct.pack(">d", float(value)).hex().upper())


def flat(value: Any) -> list[Value]:
    """The numbers and pointers in nested tuples, in order."""
    return [value] if isinstance(value, Value) else [part for entry in value for part in flat(entry)]


def rebuilt(like: Any, parts: list[Value]) -> Any:
    """The same nested tuples around other numbers; `parts` is used up from the front."""
    if isinstance(like, Value):
        return parts.pop(0)
    made = [rebuilt(entry, parts) for entry in like]
    return type(like)(*made) if hasattr(like, "_fields") else tuple(made)


@cache
def tree(function: Callable[..., Any]) -> ast.FunctionDef:
    """The syntax of a function."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(tree, ast.FunctionDef)
    return tree


@dataclass
class Frame:
    """The lines of one LLVM function; variables have their places at its beginning."""

    writer: Any
    lines: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    count: int = 0

    def name(self) -> str:
        """A new name."""
        self.count += 1
        return f"v{self.count}"

    def new(self, kind: str, text: str) -> str:
        """The name of the result of an instruction."""
        name = f"%{self.name()}"
        self.lines.append(f"{name} = {text}")
        return name

    def slot(self, kind: str) -> Slot:
        """A new variable."""
        name = f"%{self.name()}"
        self.places.append(f"{name} = alloca {Value(kind, '').type}")
        return Slot(kind, name)

    def store(self, slot: Slot, value: Value) -> None:
        """Give a variable a value of its kind."""
        self.lines.append(f"store {value.type} {value.text}, ptr {slot.text}")

    def load(self, slot: Slot) -> Value:
        """The value of a variable."""
        kind = Value(slot.kind, "").type
        return Value(slot.kind, self.new(kind, f"load {kind}, ptr {slot.text}"))

    def jump(self, label: str) -> None:
        """Go on at a label."""
        self.lines.append(f"br label %{label}")

    def branch(self, condition: Value, yes: str, no: str) -> None:
        """Go on at one of two labels."""
        self.lines.append(f"br i1 {condition.text}, label %{yes}, label %{no}")

    def label(self, name: str) -> None:
        """Here is the label."""
        self.lines.append(f"{name}:")

    def text(self, head: str) -> str:
        """The function."""
        return "\n".join([head + " {", *self.places, *self.lines, "}"])
