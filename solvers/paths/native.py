"""Kernels to machine code: LLVM alone, on text that `native_source` wrote, kept on disk.

numba, whose LLVM this is, takes five seconds for the table-driven kernel; this takes a few tenths,
and loads it again in some hundredths without an import of numba.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import importlib.util
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .kernels import folders, written
from .native_body import Writer
from .native_source import REAL, WHOLE, WORD, Entries, Value

OLDEST = 0, 45
"""The llvmlite from which pointers have no types."""

_KINDS = {np.dtype(np.float64): REAL, np.dtype(np.int64): WHOLE, np.dtype(np.uint64): WORD}
_LOCK = threading.Lock()


def available() -> bool:
    """Whether kernels can be compiled here: numba is installed, and its LLVM is new enough."""
    try:
        if importlib.util.find_spec("numba") is None:
            return False
        version = importlib.import_module("llvmlite").__version__
    except (ImportError, ValueError):
        return False
    return tuple(int(part) for part in version.split(".")[:2]) >= OLDEST


class Native:
    """A function of a kernel as machine code, made for the kinds of its first arguments."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.made: dict[Any, Callable[[int], None]] = {}

    def __call__(self, *arguments: Any) -> None:
        """Run it on numbers, arrays and named tuples of these; nothing else may hold the arrays' memory."""
        slots: list[Any] = []
        kinds = tuple(_taken(argument, slots) for argument in arguments)
        entry = self.made.get(kinds)
        if entry is None:
            with _LOCK:
                entry = self.made.get(kinds)
                if entry is None:
                    entry = self.made[kinds] = machine_code(self.text(kinds))
        row = np.zeros(len(slots), dtype=np.uint64)
        whole, real = row.view(np.int64), row.view(np.float64)
        for i, value in enumerate(slots):
            (real if isinstance(value, float) else row if isinstance(value, np.uint64) else whole)[i] = value
        entry(row.ctypes.data)

    def text(self, kinds: Any) -> str:
        """LLVM's text for arguments of these kinds."""
        return Writer().entry(self.function, tuple(_told(kind) for kind in kinds))


def _taken(argument: Any, slots: list[Any]) -> Any:
    """The kinds of an argument; its numbers and addresses go to the slots."""
    if isinstance(argument, tuple):
        return type(argument), tuple(_taken(entry, slots) for entry in argument)
    if isinstance(argument, np.ndarray):
        if not argument.flags.c_contiguous:
            raise TypeError("the entries of an array must follow one another")
        slots += [argument.ctypes.data, *argument.shape]
        return f"*{_KINDS[argument.dtype]}", argument.ndim
    slots.append(float(argument) if isinstance(argument, float) else argument)
    return REAL if isinstance(argument, float) else WORD if isinstance(argument, np.uint64) else WHOLE


def _told(kind: Any) -> Any:
    """Nested tuples of `Value` for the kinds of an argument."""
    if isinstance(kind, str):
        return Value(kind, "")
    first, rest = kind
    if isinstance(first, str):
        return Entries(Value(first, ""), tuple(Value(WHOLE, "") for _ in range(rest)))
    return first(*(_told(inner) for inner in rest))


# machine code ----------------------------------------------------------------------------------

_KEPT: list[Any] = []
"""What machine code needs to stay in memory."""


def machine_code(text: str) -> Callable[[int], None]:
    """The entry of a module: compiled, or found on disk. It runs without the interpreter's lock."""
    llvm = importlib.import_module("llvmlite.binding")
    target = _target(llvm)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)
    engine.add_object_file(llvm.ObjectFileRef.from_data(_object(llvm, target, text)))
    engine.finalize_object()
    _KEPT.append(engine)
    entry: Callable[[int], None] = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(engine.get_function_address("entry"))
    return entry


def _target(llvm: Any) -> Any:
    try:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
    except RuntimeError:  # later versions do it by themselves
        pass
    features = llvm.get_host_cpu_features().flatten()
    machine = llvm.Target.from_default_triple()
    return machine.create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features, opt=3, codemodel="jitdefault", jit=True
    )


def _object(llvm: Any, target: Any, text: str) -> bytes:
    """The object file of a module; on disk behind its own digest, for a damaged one would end the process."""
    version = importlib.import_module("llvmlite").__version__
    where = version, target.triple, llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    name = f"kinetix_native_{hashlib.sha256(repr((text, where)).encode()).hexdigest()[:32]}.o"
    for folder in folders():
        try:
            found = read(folder / name)
            if found is None:
                found = _compiled(llvm, target, text)
                written(folder / name, hashlib.sha256(found).digest() + found)
        except OSError:
            continue
        return found
    return _compiled(llvm, target, text)


def read(path: Path) -> bytes | None:
    """The content behind its digest, or None where there is none or it is damaged."""
    if not path.is_file():
        return None
    content = path.read_bytes()
    return content[32:] if hashlib.sha256(content[32:]).digest() == content[:32] else None


def _compiled(llvm: Any, target: Any, text: str) -> bytes:
    module = llvm.parse_assembly(text)
    module.triple, module.data_layout = target.triple, str(target.target_data)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    builder = llvm.create_pass_builder(target, options)
    builder.getModulePassManager().run(module, builder)
    found: bytes = target.emit_object(module)
    return found
