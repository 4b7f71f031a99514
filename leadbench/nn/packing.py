"""Linear maps whose weights are laid out once for the CPU's matrix kernels, and a store of what was prepared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import RLock
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Prepared = TypeVar("Prepared")

_ORDINARY = ContextVar("ordinary", default=False)

_PREPARED: WeakKeyDictionary[nn.Module, dict[torch.dtype, tuple[object, Any]]] = WeakKeyDictionary()

_MAKING = RLock()


def prepared(
    module: nn.Module, make: Callable[[Any, torch.dtype], Prepared], dtype: torch.dtype = torch.float32
) -> Prepared:
    """What ``make(module, dtype)`` gives, made again only after a parameter or buffer of the module has changed.

    Threads may ask at once.
    """
    version = tuple((t.data_ptr(), t._version) for t in _tensors(module))
    with _MAKING:
        kept = _PREPARED.setdefault(module, {})
        if dtype not in kept or kept[dtype][0] != version:
            with torch.no_grad():
                kept[dtype] = (version, make(module, dtype))
        found: Prepared = kept[dtype][1]
    return found


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    """Parameters and buffers. Asked for in every call, so without the names that torch's own iterators make: they
    take a millisecond for a denoiser."""
    left = [module]
    while left:
        part = left.pop()
        left.extend(child for child in part._modules.values() if child is not None)
        for held in (part._parameters, part._buffers):
            yield from (tensor for tensor in held.values() if tensor is not None)


@contextmanager
def ordinary_kernels() -> Iterator[None]:
    """Inside, every linear map runs as torch's own operator, which tools that count operations know."""
    token = _ORDINARY.set(True)
    try:
        yield
    finally:
        _ORDINARY.reset(token)


def ordinary_wanted() -> bool:
    """Whether the caller is inside :func:`ordinary_kernels`."""
    return _ORDINARY.get()


def can_pack(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether oneDNN's prepared linear maps, which torch's own compiler uses, exist for this type and device."""
    operators = torch.ops.mkldnn
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    if not (hasattr(operators, "_reorder_linear_weight") and hasattr(operators, "_linear_pointwise")):
        return False
    if dtype is torch.bfloat16:
        return bool(operators._is_mkldnn_bf16_supported())
    return dtype is torch.float32


class PackedLinear:
    """x W^T + b for rows [R, I], optionally followed by the exact GELU, without autograd.

    On a CPU the weight is kept in oneDNN's blocked layout. A plain product lays out its operands in every call, which
    for a few rows costs more than the product: 6 rows of width 256 take 40 % of the time. Elsewhere it is an ordinary
    linear map.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, dtype: torch.dtype = torch.float32) -> None:
        self.weight = weight.detach().to(dtype).contiguous()
        self.bias = None if bias is None else bias.detach().to(dtype).contiguous()
        self._lay_out()

    def _lay_out(self) -> None:
        packs = can_pack(self.weight.device, self.weight.dtype)
        self._packed = torch.ops.mkldnn._reorder_linear_weight(self.weight, None) if packs else None
        self._run = torch.ops.mkldnn._linear_pointwise.default if packs else None

    def to(self, device: torch.device | str) -> None:
        """Move the weights to a device."""
        self.weight = self.weight.to(device)
        self.bias = None if self.bias is None else self.bias.to(device)
        self._lay_out()

    def __getstate__(self) -> dict[str, Tensor | None]:
        """For copies, which lay out their weights themselves: blocked tensors cannot be copied."""
        return {"weight": self.weight, "bias": self.bias}

    def __setstate__(self, state: dict[str, Tensor | None]) -> None:
        vars(self).update(state)
        self._lay_out()

    def __call__(self, rows: Tensor, gelu: bool = False) -> Tensor:
        if self._run is None or (rows.shape[0] == 1 and not gelu) or _ORDINARY.get():
            out = F.linear(rows, self.weight, self.bias)
            return F.gelu(out) if gelu else out
        done: Tensor = self._run(rows, self._packed, self.bias, "gelu" if gelu else "none", [], "none" if gelu else "")
        return done


def composed(outer: nn.Linear | tuple[Tensor, Tensor], inner: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Weight and bias of ``outer(inner(x))``, multiplied in float64."""
    weight, bias = (outer.weight, outer.bias) if isinstance(outer, nn.Linear) else outer
    joint = weight.double() @ inner[0].double()
    moved = weight.double() @ inner[1].double() + bias.double()
    return joint.to(weight.dtype), moved.to(weight.dtype)


class InferenceLinear(nn.Linear):
    """A linear map of any other library's module that runs prepared where no gradient is asked for, on a CPU."""

    def forward(self, input: Tensor) -> Tensor:
        """[..., I] to [..., O]."""
        if torch.is_grad_enabled() or not can_pack(self.weight.device, self.weight.dtype):
            return super().forward(input)
        rows = input.reshape(-1, self.in_features)
        return prepared(self, _as_packed)(rows).view(*input.shape[:-1], self.out_features)


def _as_packed(module: nn.Linear, dtype: torch.dtype) -> PackedLinear:
    return PackedLinear(module.weight, module.bias, dtype)


def prepare_linear_maps(module: nn.Module) -> None:
    """Replace every plain linear map inside a module by an :class:`InferenceLinear` of the same parameters.

    The prepared weights are kept beside the plain ones, which gradients need: the maps take twice the memory.
    """
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear:
                same = InferenceLinear(child.in_features, child.out_features, child.bias is not None, device="meta")
                same.weight, same.bias = child.weight, child.bias
                same.train(child.training)
                setattr(parent, name, same)
