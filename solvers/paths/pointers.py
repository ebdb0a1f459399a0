"""The words of the kernels that `native` compiles: marks for functions, and plain memory.

A kernel is Python under these marks, in a small language: whole numbers, words of 64 bits, real
numbers, pointers, tuples of them that exist only while it is compiled; `if`, `while`, `for` over a
range. Pointers are not checked: the arrays behind them belong to the caller, who keeps them alive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

PART, CALLED = "part", "called"


def part(function: Callable[..., Any]) -> Callable[..., Any]:
    """A part of a kernel, written out wherever it is used."""
    vars(function)["compiled_as"] = PART
    return function


def called(function: Callable[..., Any]) -> Callable[..., Any]:
    """A part that is called: seldom run, or large."""
    vars(function)["compiled_as"] = CALLED
    return function


def pointer(array: Any) -> Any:
    """The address of the first entry of an array whose entries follow one another (C order)."""
    raise NotImplementedError


def get(start: Any, index: Any) -> Any:
    """The entry at `index` from a pointer on."""
    raise NotImplementedError


def put(start: Any, index: Any, value: Any) -> None:
    """Set the entry at `index` from a pointer on."""
    raise NotImplementedError


def shift(start: Any, distance: Any) -> Any:
    """The pointer `distance` entries further on."""
    raise NotImplementedError
