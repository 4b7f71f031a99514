"""A second device that is not there: it says "lazy", computes on the CPU, and counts what a real one would wait for.

Tensors made on it refuse to meet tensors of the CPU, so a run under :func:`pretended_device` shows every tensor that
was left behind, every synchronisation and every byte that is copied, with the numbers of the CPU run to compare with.
The type "lazy" is an old backend that torch still knows by name; "cuda" itself cannot be pretended, since torch starts
the driver as soon as a tensor is asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ContextDecorator, ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from leadbench.core import device as devices

NAME = "lazy"
DEVICE = torch.device(NAME, 0)
_MOVES = {"aten::_to_copy", "aten::copy_"}  # the operators that may see both devices
_HOST_ARGUMENTS = {"aten::_pack_padded_sequence"}  # lengths are on the CPU whatever the device of the sequences
_WAITS = {
    "aten::_local_scalar_dense",
    "aten::nonzero",
    "aten::masked_select",
    "aten::equal",
    "aten::is_nonzero",
    "aten::_unique2",
    "aten::repeat_interleave",
}
_INDEXING = {"aten::index", "aten::index_put_", "aten::_index_put_impl_"}  # by booleans, they count them first


class Far(torch.Tensor):
    """A tensor that says it is on the pretended device; ``near`` holds its values."""

    near: torch.Tensor

    @staticmethod
    def __new__(cls, near: torch.Tensor) -> Far:
        self = torch.Tensor._make_wrapper_subclass(
            cls,
            near.shape,
            strides=near.stride(),
            storage_offset=near.storage_offset(),
            dtype=near.dtype,
            device=DEVICE,
        )
        self.near = near
        return self

    def tolist(self) -> Any:
        """As of any tensor: a copy back to the host, which torch refuses to subclasses."""
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        raise RuntimeError(f"{func}: a tensor of the pretended device is used outside of it")


class Pretended(TorchDispatchMode):
    """Inside, the device "lazy" works.

    Attributes:
        waits: operators for which the host would have waited, copies back to it among them ("copy back").
        to_host, to_device: copied bytes.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.reset()

    def reset(self) -> None:
        """Count from here on."""
        self.waits: Counter[str] = Counter()
        self.to_host = 0
        self.to_device = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = func._schema.name
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        far = [t for t in tensors if isinstance(t, Far)]
        near = [t for t in tensors if not isinstance(t, Far) and t.dim() > 0]  # scalars of the CPU may meet any device
        if far and near and name not in _MOVES | _HOST_ARGUMENTS:
            raise RuntimeError(f"{name}: tensors of two devices meet: {[tuple(t.shape) for t in near]} is on the CPU")
        asked = kwargs.get("device")
        goes_far = asked is not None and torch.device(asked).type == DEVICE.type
        goes_near = asked is not None and not goes_far
        self._count(name, args, far, tensors, goes_far, goes_near)
        if asked is not None:
            kwargs["device"] = "cpu"
        out = func(*tree_map(_unwrapped, args), **tree_map(_unwrapped, kwargs))
        if out is None or goes_near or not (far or goes_far):
            return out
        if name == "aten::copy_":
            return args[0]
        if name == "aten::_pack_padded_sequence":
            return Far(out[0]), out[1]  # the sizes of its batches are on the CPU, as the recurrences want them
        if func._schema.is_mutable and name.rstrip("_") != name:
            return args[0]
        return tree_map(lambda x: Far(x) if isinstance(x, torch.Tensor) else x, out)

    def _count(
        self, name: str, args: Any, far: list[Far], tensors: list[torch.Tensor], goes_far: bool, goes_near: bool
    ) -> None:
        if far and name in _WAITS:
            self.waits[name] += 1
        if far and name in _INDEXING and any(i is not None and i.dtype is torch.bool for i in args[1]):
            self.waits[f"{name} by booleans"] += 1
        into_host = name == "aten::copy_" and far and not isinstance(args[0], Far)
        if (far and goes_near) or into_host:
            self.waits["copy back"] += 1
            self.to_host += sum(t.near.nbytes for t in far)
        into_device = name == "aten::copy_" and isinstance(args[0], Far) and not isinstance(args[1], Far)
        if not far and goes_far:
            self.to_device += sum(t.nbytes for t in tensors)
        elif into_device:
            self.to_device += args[1].nbytes


@contextmanager
def waits_inside(mode: Pretended, *methods: tuple[type, str]) -> Iterator[list[int]]:
    """Within it, waits inside of each call of some methods, given as a class and a name."""
    found: list[int] = []

    def watched(plain: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any, **options: Any) -> Any:
            before = sum(mode.waits.values())
            made = plain(*arguments, **options)
            found.append(sum(mode.waits.values()) - before)
            return made

        return counting

    with ExitStack() as stack:
        for owner, name in methods:
            stack.enter_context(patch.object(owner, name, watched(getattr(owner, name))))
        yield found


def _unwrapped(x: Any) -> Any:
    return x.near if isinstance(x, Far) else x


class _Nothing(ContextDecorator):
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


@contextmanager
def pretended_device() -> Iterator[Pretended]:
    """``--device lazy`` works inside, and ``auto`` means it."""
    with (
        patch.object(devices, "KINDS", (*devices.KINDS, NAME)),
        patch.object(devices, "accelerator", lambda: NAME),
        # tensors made in inference mode have no version counter, which a wrapper needs
        patch.object(torch, "inference_mode", lambda mode=True: torch.no_grad() if mode else _Nothing()),
        Pretended() as mode,
    ):
        yield mode
