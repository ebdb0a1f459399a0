"""Sealed folders: tensors in safetensors beside a manifest that vouches for every byte.

The manifest carries the SHA-256 and size of each file and of its own content, and must be byte for
byte what this writer writes: a flipped bit anywhere is refused. No pickle. Writing is atomic per
file, with the manifest last.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from kinetix.disk import sync_folder
from kinetix.errors import CheckpointError, SaveError
from kinetix.storage import replacing

MANIFEST = "manifest.json"
LARGEST = 4 * 2**30
"""Bytes of a file that is still read."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: int = Field(ge=0, le=LARGEST)


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    format: str
    content: dict[str, Any]
    files: dict[str, _File]
    sha256: str


def write_sealed(folder: Path, kind: str, content: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """Write `files` (name -> bytes) and the manifest with `content` (plain JSON values) into `folder`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            _write(folder / name, data)
        listed = {name: {"sha256": _sha(data), "bytes": len(data)} for name, data in files.items()}
        _write(folder / MANIFEST, _manifest_bytes(kind, dict(content), listed))
        sync_folder(folder)
    except OSError as problem:
        sizes = sum(map(len, files.values()))
        raise SaveError(f"cannot write {sizes} bytes: {problem.strerror or problem}", file=str(folder)) from problem


def kind_of(folder: Path) -> str:
    """What a folder says it holds, "" where it says nothing; whether that is true is for `read_sealed` to find out."""
    try:
        told = json.loads(_read(folder / MANIFEST, LARGEST))["format"]
    except (CheckpointError, ValueError, RecursionError, TypeError, KeyError):
        return ""
    return told if isinstance(told, str) else ""


def read_sealed(folder: Path, kind: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The content and files that `write_sealed` wrote; any damage is a CheckpointError naming the file."""
    path = folder / MANIFEST
    if not folder.exists():
        raise CheckpointError("there is no such folder", file=str(folder), mend="check the path")
    raw = _read(path, LARGEST)
    try:
        manifest = _Manifest.model_validate(json.loads(raw))
    except (ValidationError, ValueError, RecursionError) as problem:
        raise CheckpointError("the manifest is damaged or of another version", file=str(path)) from problem
    listed = {name: item.model_dump() for name, item in manifest.files.items()}
    if manifest.format != kind:
        raise CheckpointError(f"this is {manifest.format[:40]!r}, not {kind!r}", file=str(path))
    if _manifest_bytes(kind, manifest.content, listed) != raw:
        raise CheckpointError("the manifest was changed after it was written", file=str(path))
    files = {}
    for name, item in manifest.files.items():
        if Path(name).name != name or name in {"", ".", ".."}:
            raise CheckpointError("the manifest names a file outside its folder", file=str(path))
        data = _read(folder / name, item.bytes)
        if len(data) != item.bytes or _sha(data) != item.sha256:
            raise CheckpointError("the file was changed after it was written (SHA-256)", file=str(folder / name))
        files[name] = data
    return manifest.content, files


def pack(tensors: Mapping[str, Tensor]) -> bytes:
    """Named tensors as the bytes of a safetensors file."""
    return bytes(save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}))


def weights_digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of named tensors: the same for a net in memory and for its weights file."""
    return _sha(pack(tensors))


def unpack(data: bytes, file: str) -> dict[str, Tensor]:
    """The tensors of `pack`; NaN or infinite entries are refused."""
    try:
        tensors: dict[str, Tensor] = load(data)
    except (SafetensorError, ValueError, KeyError) as problem:
        raise CheckpointError("not a safetensors file", file=file) from problem
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise CheckpointError(f"the tensor {name!r} holds NaN or infinite numbers", file=file)
    return tensors


def shapes_in(data: bytes, file: str) -> dict[str, tuple[int, ...]]:
    """The shapes that a safetensors file declares, from its header alone."""
    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        return {name: tuple(map(int, item["shape"])) for name, item in header.items() if name != "__metadata__"}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise CheckpointError("not a safetensors file", file=file) from problem


def plain(value: Any) -> Any:
    """A value as JSON holds it: mappings and sequences all the way down, non-finite numbers as None."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _manifest_bytes(kind: str, content: dict[str, Any], files: dict[str, dict[str, Any]]) -> bytes:
    body = {"format": kind, "content": content, "files": files}
    try:
        inner = json.dumps(body, sort_keys=True, allow_nan=False, separators=(",", ":"))
        sealed = {**body, "sha256": _sha(inner.encode())}
        return (json.dumps(sealed, sort_keys=True, allow_nan=False, indent=1) + "\n").encode()
    except (ValueError, RecursionError) as problem:
        raise CheckpointError(f"the manifest holds a value that JSON cannot: {problem}") from problem


def _write(path: Path, data: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def _read(path: Path, most: int) -> bytes:
    try:
        if path.stat().st_size > most:
            raise CheckpointError("the file is larger than its manifest says", file=str(path))
        return path.read_bytes()
    except FileNotFoundError as problem:
        raise CheckpointError("the file is missing", file=str(path)) from problem
    except (NotADirectoryError, IsADirectoryError) as problem:
        raise CheckpointError("not a saved folder", file=str(path)) from problem
    except OSError as problem:
        raise SaveError(f"cannot be read: {problem.strerror}", file=str(path)) from problem


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
