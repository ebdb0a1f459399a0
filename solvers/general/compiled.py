"""Kernels as machine code, kept on disk where there is a folder for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """The function as machine code; divisions follow numpy, without exceptions."""
    try:
        return njit(nogil=True, cache=True, error_model="numpy")(function)  # type: ignore[no-any-return]
    except RuntimeError:  # no folder for the machine code
        return njit(nogil=True, error_model="numpy")(function)  # type: ignore[no-any-return]
