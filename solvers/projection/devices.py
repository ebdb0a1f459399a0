"""Where a finite state projection runs: the compiled engine of this machine's cores, or torch on a device."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kinetix.errors import SettingError

if TYPE_CHECKING:
    import torch

COMPILED = "cpu"
"""The compiled engine, one rate vector a thread."""

_NAMES = re.compile(r"cpu|auto|mps(:\d+)?|cuda(:\d+)?|torch:[a-z]+(:\d+)?")

_MEND = "use cpu (compiled), cuda, cuda:1, auto, or torch: and a device of torch (torch:cpu)"


def require_device(name: object) -> None:
    """SettingError for what names no device, or one without numbers of 64 bits; torch is not loaded."""
    if not isinstance(name, str) or not _NAMES.fullmatch(name):
        raise SettingError(f"device is {name!r}", place="fsp", mend=_MEND)
    if "mps" in name:
        reason = f"device {name!r} has no numbers of 64 bits, without which no error of a law can be stated"
        raise SettingError(reason, place="fsp", mend="use cpu")


def is_compiled(name: str) -> bool:
    """Whether the compiled engine answers; `auto` is the first GPU of CUDA where there is one."""
    if name != "auto":
        return name == COMPILED
    import torch

    return not torch.cuda.is_available()


def torch_device(name: str) -> torch.device:
    """The device of torch: SettingError where this machine or this torch has none of that name."""
    import torch

    wanted = "cuda" if name == "auto" else name.removeprefix("torch:")
    try:
        device = torch.device(wanted)
        torch.zeros(1, dtype=torch.float64, device=device)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as problem:
        said = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise SettingError(f"device {name!r} is not there: {said}", place="fsp", mend=_MEND) from problem
    return device
