"""A second device that any machine has: its numbers lie on the CPU, but it refuses what a GPU refuses.

Inside `far_device()` tensors can be made on, and moved to, the device `NAME`. What a GPU refuses fails there too:
tensors of two devices in one operation, `.numpy()` without `.cpu()`, a generator of the other device, products of
matrices of whole numbers. Draws are those of the CPU from the same seed, so whole runs can be compared to the bit.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

NAME = "lazy"
"""A kind of device that torch knows the name of, and has nothing behind."""
FAR = torch.device(NAME, 0)

PLACES = {"aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"}
"""Operations that take places on the CPU into tensors of a GPU."""
PRODUCTS = {"aten::mm", "aten::bmm", "aten::addmm", "aten::baddbmm", "aten::mv", "aten::addmv"}
"""Operations that a GPU has for floating-point numbers only."""


class Far(torch.Tensor):
    """A tensor of the far device; `inner` holds its numbers."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            device=FAR,
        )  # fmt: skip

    def __init__(self, inner):
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return _run(operation, args, kwargs or {})

    def __repr__(self):
        return f"Far({self.inner})"


class _Mode(TorchDispatchMode):
    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        return _run(operation, args, kwargs or {})


class _Generator(torch.Generator):
    """A generator of the far device or of the CPU; torch forgets the class, so the far ones are known by their seed."""

    seeds: ClassVar[set[int]] = set()

    def __new__(cls, device="cpu"):
        return super().__new__(cls)

    def __init__(self, device="cpu"):
        self.far = torch.device(device).type == NAME

    def manual_seed(self, seed):
        if self.far:
            self.seeds.add(seed)
        return super().manual_seed(seed)


@contextmanager
def far_device() -> Iterator[str]:
    """The far device by name, for as long as it is there."""
    _Generator.seeds = set()
    made = {name: _moved(getattr(torch, name)) for name in ("tensor", "as_tensor")}
    with mock.patch.multiple(torch, Generator=_Generator, **made), _Mode():
        yield NAME


def _moved(make):
    """A function that makes tensors and calls no operation that a mode sees: they are made here, and moved."""
    return lambda *args, device=None, **kwargs: make(*args, **kwargs).to(device)


def _run(operation, args, kwargs):
    """One operation of torch, on the far device where one of its tensors is there or it shall make one there."""
    name, leaves = operation.name(), tree_leaves((args, kwargs))
    there = {id(t.inner): t for t in leaves if isinstance(t, Far)}
    wanted = kwargs.get("device")
    onto = bool(there) if wanted is None else torch.device(wanted).type == NAME
    if name != "aten::_to_copy" and name != "aten::copy_":
        _require_one_device(name, leaves, onto)
    if wanted is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    found = operation(*tree_map(_inner, args), **tree_map(_inner, kwargs))
    if not onto:
        return args[0] if name == "aten::copy_" else found
    return tree_map(lambda t: there.get(id(t), _far(t)) if isinstance(t, torch.Tensor) else t, found)


def _require_one_device(name, leaves, onto):
    tensors = [t for t in leaves if isinstance(t, torch.Tensor)]
    far = [t for t in tensors if isinstance(t, Far)]
    strangers = [t for t in tensors if t.ndim and not isinstance(t, Far)] if far else []
    if name.split(".")[0] in PLACES:
        strangers = [t for t in strangers if t.dtype not in (torch.int64, torch.bool)]
    if strangers:
        raise RuntimeError(f"{name}: tensors of two devices, {[tuple(t.shape) for t in strangers]} on the CPU")
    if name.split(".")[0] in PRODUCTS and far and not far[0].is_floating_point():
        raise RuntimeError(f"{name}: not there for {far[0].dtype}")
    for generator in (g for g in leaves if isinstance(g, torch._C.Generator)):
        if onto and generator.initial_seed() not in _Generator.seeds:
            raise RuntimeError(f"{name}: a generator of the CPU on the far device")


def _far(tensor):
    return tensor if isinstance(tensor, Far) else Far(tensor)


def _inner(value):
    return value.inner if isinstance(value, Far) else value
