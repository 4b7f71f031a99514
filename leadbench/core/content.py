"""What a part of a plugin holds, as one hash: weights, tables and settings, whatever way they were loaded."""

from __future__ import annotations

import enum
import functools
import hashlib
import sys
import types
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_PLAIN = (str, bytes, bool, int, float, complex, type(None), np.generic, torch.dtype)
_OPENED = ("leadbench.zoo", "leadbench.plugins", "leadbench.data", "leadbench.text", "leadbench.tasks")
"""Where classes of opened models and datasets are defined: what a run reads of them is in its identity already."""
_CARRIED = ("fingerprint", "identity")  # what parts of leadbench itself say of their content


def content_digest(part: object) -> str:
    """SHA-256 over everything that a part holds; its own ``digest()`` where it has one.

    Modules, tensors, arrays, containers, functions with what they enclose, and the attributes of objects are followed;
    locks, generators, devices and whatever else holds no content count by their type alone. A part that reads its
    weights on first use, or in a way that cannot be followed, tells them by a method ``digest() -> str``.

    >>> content_digest([1.0, 2.0]) == content_digest([1.0, 2.0]), content_digest([1.0]) == content_digest([2.0])
    (True, False)
    """
    return _Walk().of(part).hex()


class _Walk:
    """One traversal; an object that is met again is named by the order in which it was met first."""

    def __init__(self) -> None:
        self._met: dict[int, int] = {}
        self._kept: list[object] = []  # alive until the end, so that no two share an address

    def of(self, value: object) -> bytes:
        """Digest of a value."""
        if isinstance(value, _PLAIN):
            return _hash(type(value).__name__, repr(value))
        if id(value) in self._met:
            return _hash("again", str(self._met[id(value)]))
        self._met[id(value)] = len(self._met)
        self._kept.append(value)
        return _hash(type(value).__qualname__, *self._pieces(value))

    def _pieces(self, value: Any) -> Iterator[bytes | str]:
        told = _told(value)
        if told is not None:
            yield told
        elif isinstance(value, Tensor):
            whole = value.detach().cpu().contiguous()
            yield f"{whole.dtype} {list(whole.shape)}"
            yield whole.view(-1).view(torch.uint8).numpy().tobytes() if whole.numel() else b""
        elif isinstance(value, np.ndarray):
            yield f"{value.dtype} {value.shape}"
            yield from map(self.of, value.ravel().tolist()) if value.dtype.hasobject else (value.tobytes(),)
        elif isinstance(value, Mapping):
            yield from sorted(self.of(key) + self.of(held) for key, held in value.items())
        elif isinstance(value, set | frozenset):
            yield from sorted(self.of(held) for held in value)
        elif isinstance(value, list | tuple | deque):
            yield from map(self.of, value)
        elif isinstance(value, Path | enum.Enum):
            yield str(value)
        elif isinstance(value, nn.Module):
            yield from self._module(value)
        else:
            yield from self._object(value)

    def _module(self, value: nn.Module) -> Iterator[bytes | str]:
        for name, held in value.state_dict().items():
            yield name
            yield self.of(held) if isinstance(held, Tensor) else self.of(repr(held))
        for name, held in sorted(vars(value).items()):
            if not name.startswith("_") and name != "training" and isinstance(held, (*_PLAIN, list, tuple, dict)):
                yield name
                yield self.of(held)
        for child in value.children():
            yield self.of(child)

    def _object(self, value: Any) -> Iterator[bytes | str]:
        if isinstance(value, functools.partial):
            yield from map(self.of, (value.func, value.args, value.keywords))
        elif isinstance(value, types.MethodType):
            yield from map(self.of, (value.__func__, value.__self__))
        elif isinstance(value, types.FunctionType):
            yield value.__qualname__
            yield value.__code__.co_code
            constants = [held for held in value.__code__.co_consts if isinstance(held, _PLAIN)]
            enclosed = [cell.cell_contents for cell in value.__closure__ or () if _filled(cell)]
            yield from map(self.of, (constants, enclosed, value.__defaults__ or (), value.__kwdefaults__ or {}))
        elif isinstance(value, types.SimpleNamespace) or not _opaque(value):
            slots = [name for kind in type(value).__mro__ for name in _names(getattr(kind, "__slots__", ()))]
            held = {name: getattr(value, name) for name in slots if hasattr(value, name)}
            for name, attribute in sorted({**held, **getattr(value, "__dict__", {})}.items()):
                yield name
                yield self.of(attribute)


def _told(value: object) -> str | None:
    """What a part says of its own content."""
    if isinstance(value, type):
        return value.__qualname__
    digest = getattr(value, "digest", None)
    if callable(digest):
        return str(digest())
    home = type(value).__module__
    if home.startswith("leadbench."):
        for name in _CARRIED:
            carried = getattr(value, name, None)
            if isinstance(carried, str) and carried:
                return carried
    return "" if home.startswith(_OPENED) else None


def _opaque(value: object) -> bool:
    """Loggers, locks, files, generators: objects of the standard library are tools, not content."""
    return isinstance(value, torch.Generator) or type(value).__module__.partition(".")[0] in sys.stdlib_module_names


def _names(slots: str | tuple[str, ...]) -> tuple[str, ...]:
    named = (slots,) if isinstance(slots, str) else tuple(slots)
    return tuple(name for name in named if name not in ("__dict__", "__weakref__"))


def _filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 -- asking is the test
    except ValueError:
        return False
    return True


def _hash(*pieces: bytes | str) -> bytes:
    digest = hashlib.sha256()
    for piece in pieces:
        content = piece.encode() if isinstance(piece, str) else piece
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.digest()
