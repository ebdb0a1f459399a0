"""Plain memory for compiled code: pointers into arrays, without checks and without reference counts.

An index of an array is checked for counting from the end, and an array that a compiled function
takes is counted; both cost more than the work of the table-driven kernel. The arrays behind the
pointers belong to the caller, who keeps them alive.
"""

from __future__ import annotations

from typing import Any

from numba import njit, types
from numba.extending import intrinsic

# ruff: noqa: ARG001 - numba calls the functions below with all that it knows


def _intrinsic(function: Any) -> Any:
    return intrinsic(function)


def part(function: Any) -> Any:
    """A part of the kernel, compiled into it."""
    return njit(nogil=True, error_model="numpy", forceinline=True)(function)


def called(function: Any) -> Any:
    """A part that is called: seldom run, or large."""
    return njit(nogil=True, error_model="numpy")(function)


def kept(function: Any) -> Any:
    """The kernel itself, kept on disk."""
    try:
        return njit(nogil=True, cache=True, error_model="numpy")(function)
    except RuntimeError:  # no folder to keep the compiled code in
        return njit(nogil=True, error_model="numpy")(function)


@_intrinsic
def pointer(context: Any, array: Any) -> Any:
    """The address of the first entry of an array whose entries follow one another (C order)."""
    if array.layout != "C":
        raise TypeError("entries must follow one another")

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), build


@_intrinsic
def get(context: Any, start: Any, index: Any) -> Any:
    """The entry at `index` from a pointer on."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(builder.gep(arguments[0], [arguments[1]]))

    return start.dtype(start, types.int64), build


@_intrinsic
def put(context: Any, start: Any, index: Any, value: Any) -> Any:
    """Set the entry at `index` from a pointer on."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], builder.gep(arguments[0], [arguments[1]]))
        return context.get_dummy_value()

    return types.void(start, types.int64, start.dtype), build


@_intrinsic
def shift(context: Any, start: Any, distance: Any) -> Any:
    """The pointer `distance` entries further on."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return start(start, types.int64), build
