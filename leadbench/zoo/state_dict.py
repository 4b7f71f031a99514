"""The state dict of a checkpoint, however a training wrapped it: which of its tables, and names without prefixes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from leadbench.core.errors import WeightsError

_TABLES = ("state_dict", "model_state_dict", "model", "module", "net", "weights")
_AVERAGE = re.compile(r"(?:^|[^a-z])(?:ema|swa)(?:[^a-z]|$)|averag|^ema|EMA")
_WRAPPERS = ("module.", "_orig_mod.", "_forward_module.", "_fsdp_wrapped_module.", "model.", "net.")
"""DataParallel, torch.compile, Lightning's Fabric, FSDP, and the names that trainers give their network."""


@dataclass(frozen=True, eq=False)
class StateDict:
    """Named tensors, and what of a checkpoint was not looked at: name -> reason."""

    tensors: Mapping[str, Tensor]
    left_out: Mapping[str, str] = field(default_factory=dict)


def find_state_dict(checkpoint: Any, path: Path) -> StateDict:
    """The named tensors of a checkpoint, under a key or bare, without the prefixes of wrappers.

    Raises:
        WeightsError: there are none; the message names what is there.
    """
    if not isinstance(checkpoint, Mapping):
        raise WeightsError(f"checkpoint {path}: holds {type(checkpoint).__name__}, no state dict")
    key = next((key for key in _TABLES if _is_state(checkpoint.get(key))), None)
    table = checkpoint if key is None else checkpoint[key]
    if not _is_state(table):
        keys = ", ".join(str(name)[:40] for name in list(checkpoint)[:8]) or "nothing"
        raise WeightsError(f"checkpoint {path}: holds no state dict (keys: {keys}; looked for: {', '.join(_TABLES)})")
    left_out = {
        name: "moving-average weights, which lie beside the weights that are used"
        for name in _averages(checkpoint)
        if key is not None and name != key
    }
    return StateDict(without_wrappers({str(name): tensor for name, tensor in table.items()}), left_out)


def without_wrappers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names without a wrapper's prefix where all of a group carry it: the whole state, or one network of it.

    >>> sorted(without_wrappers({"module.vae.a": torch.ones(1), "module.denoiser._orig_mod.b": torch.ones(1)}))
    ['denoiser.b', 'vae.a']
    """
    found = _stripped(dict(tensors))
    groups = {name.partition(".")[0] for name in found if "." in name}
    for group in groups:
        inner = {name.removeprefix(f"{group}."): t for name, t in found.items() if name.startswith(f"{group}.")}
        short = _stripped(inner)
        if short.keys() != inner.keys():
            others = {name: tensor for name, tensor in found.items() if not name.startswith(f"{group}.")}
            found = others | {f"{group}.{name}": tensor for name, tensor in short.items()}
    return found


def common_prefix(names: Mapping[str, Any]) -> str:
    """What all names begin with, up to its last dot; empty: nothing.

    >>> common_prefix({"student.vae.a": 1, "student.vae.b": 2})
    'student.vae.'
    """
    first, last = min(names), max(names)  # of sorted names the two that share least
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[: first[:length].rfind(".") + 1]


def require_finite(tensors: Mapping[str, Tensor], path: object) -> None:
    """Raise WeightsError where weights hold NaN or infinity."""
    bad = [name for name, tensor in tensors.items() if isinstance(tensor, Tensor) and not _finite(tensor)]
    if bad:
        raise WeightsError(f"{path}: {bad[0]!r} holds NaN or infinity ({len(bad)} of {len(tensors)} tensors do)")


def _finite(tensor: Tensor) -> bool:
    return tensor.is_meta or not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())


def _averages(checkpoint: Mapping[Any, Any]) -> list[str]:
    """Entries, and callbacks, that hold a moving average of the weights, by their names."""
    callbacks = checkpoint.get("callbacks")
    inner = callbacks if isinstance(callbacks, Mapping) else {}
    places = {
        **{str(name): value for name, value in checkpoint.items()},
        **{f"callbacks.{n}": v for n, v in inner.items()},
    }
    return [name for name, value in places.items() if _AVERAGE.search(name) and isinstance(value, Mapping) and value]


def _is_state(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(isinstance(tensor, Tensor) for tensor in value.values())


def _stripped(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    while True:
        prefix = next((p for p in _WRAPPERS if tensors and all(name.startswith(p) for name in tensors)), None)
        if prefix is None:
            return tensors
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
