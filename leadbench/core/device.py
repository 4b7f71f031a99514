"""Where tensors live and what networks compute in: one choice for every command, resolved in one place."""

from __future__ import annotations

import os
import platform
import re
import resource
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from leadbench.core.errors import ConfigError, nearest, unknown_name

AUTO = "auto"
EVERY = "cuda:all"
"""All GPUs of this machine, a process each."""

KINDS: tuple[str, ...] = ("cpu", "cuda", "mps", "xpu")
PRECISIONS = MappingProxyType({"float32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16})

_HOST = torch.device("cpu")
_NAME = re.compile(r"([a-z]+)(?::(\d+))?")


@dataclass(frozen=True)
class Compute:
    """The device of a command and the precision of its networks.

    Attributes:
        device: where networks, data and everything between them live.
        precision: what networks compute in: ``float32``, ``tf32`` (products of float32 rounded to 10 bits, on CUDA) or
            ``bf16``. Text encoders, evaluators and metrics stay float32, statistics float64.
    """

    device: torch.device = _HOST
    precision: str = "float32"

    @property
    def dtype(self) -> torch.dtype:
        """Type of the networks' weights and products."""
        return PRECISIONS[self.precision]

    @property
    def accelerated(self) -> bool:
        """Whether asking the device for a number is a wait (:func:`accelerated`)."""
        return accelerated(self.device)

    @contextmanager
    def networks(self) -> Iterator[None]:
        """Within it products of float32 are rounded as the precision says; elsewhere they never are."""
        if self.precision != "tf32" or self.device.type != "cuda":
            yield
            return
        products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn  # pragma: cuda
        before = products.allow_tf32, convolutions.allow_tf32  # pragma: cuda
        products.allow_tf32 = convolutions.allow_tf32 = True  # pragma: cuda
        try:  # pragma: cuda
            yield
        finally:  # pragma: cuda
            products.allow_tf32, convolutions.allow_tf32 = before

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """Within it, modules that were not made for bfloat16 compute in it where that was asked for."""
        with self.networks():
            if self.dtype is torch.float32:
                yield
            else:
                with torch.autocast(self.device.type, self.dtype):
                    yield

    def describe(self) -> dict[str, Any]:
        """The device by its name in torch, what it is, its memory in GiB, and the precision."""
        name, memory = device_name(self.device), device_memory(self.device)
        return {
            "device": str(self.device),
            "name": name,
            "memory_gib": None if memory is None else round(memory / 2**30, 1),
            "precision": self.precision,
        }


CPU = Compute()


def placed(part: Any, compute: Compute) -> None:
    """Move what a factory returned to a device, where it was not made there.

    By its own ``at(compute)`` or ``to(device)``, else the torch modules and tensors among its attributes; an
    autoencoder that a backbone brings along is moved with it. What has none of them stays as it is.
    """
    if hasattr(part, "at"):
        part.at(compute)
    elif not compute.accelerated:
        return
    elif hasattr(part, "to"):
        part.to(compute.device)
    else:
        attributes = getattr(part, "__dict__", {})
        for name, held in list(attributes.items()):
            if isinstance(held, torch.nn.Module):
                held.to(compute.device)
            elif isinstance(held, Tensor) or _moves_as_one(held):
                attributes[name] = held.to(compute.device)
    if hasattr(part, "autoencoder"):
        placed(part.autoencoder, compute)


def _moves_as_one(held: object) -> bool:
    """Statistics of motions, conditions, and other frozen objects of tensors."""
    return is_dataclass(held) and not isinstance(held, type) and hasattr(held, "to")


def place_of(part: Any) -> torch.device:
    """Where a part works: an evaluator, an autoencoder or a dataset, by the statistics of its motions."""
    found: torch.device = part.motion.mean.device
    return found


def compute_for(device: str = AUTO, precision: str = "float32", where: str = "--device") -> Compute:
    """What a user asked for.

    Args:
        device: ``auto``, or a kind of device, with a number where there are several.
        precision: one of ``PRECISIONS``.
        where: begins the message about a device.

    Raises:
        ConfigError: no such device, or it is not here.
        UnknownNameError: no such precision.

    >>> compute_for("cpu").device
    device(type='cpu')
    """
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS, where="--precision")
    return Compute(resolve_device(device, where), precision)


def resolve_device(name: str, where: str = "--device") -> torch.device:
    """The device of a name; ``auto`` is the machine's accelerator if torch finds one, ``cuda:all`` its first GPU.

    Raises:
        ConfigError: no such device, or it is not here.
    """
    asked = name.strip().lower()
    if asked == AUTO:
        asked = accelerator() or "cpu"
    if asked == EVERY:
        asked = "cuda"
    found = _NAME.fullmatch(asked)
    kind, number = (found[1], found[2]) if found else (asked, None)
    if kind not in KINDS or (kind == "cpu" and number):
        guess = nearest(kind, [AUTO, *KINDS])
        hint = f"; did you mean {guess!r}?" if guess else ""
        allowed = ", ".join((AUTO, *KINDS, "cuda:N", EVERY))
        raise ConfigError(f"{where} {name}: no such device (allowed: {allowed}{hint})")
    if kind == "cpu":
        return torch.device("cpu")
    there = device_count(kind)
    if not there:
        raise ConfigError(f"{where} {name}: torch finds no such device here (here: {accelerator() or 'cpu'})")
    if int(number or 0) >= there:
        raise ConfigError(f"{where} {name}: there is no such number here (allowed: {kind}:0 to {kind}:{there - 1})")
    return torch.device(kind, int(number or 0))


def every_device(name: str) -> list[torch.device]:
    """The devices that a name stands for: all GPUs for ``cuda:all``, else the one."""
    first = resolve_device(name)
    if name.strip().lower() != EVERY:
        return [first]
    return [torch.device("cuda", number) for number in range(device_count("cuda"))]


def device_count(kind: str) -> int:
    """How many devices of a kind torch finds here."""
    if kind == "cuda":
        return torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "xpu":
        return torch.xpu.device_count() if hasattr(torch, "xpu") and torch.xpu.is_available() else 0
    if kind == "mps":
        return int(torch.backends.mps.is_available())
    return int(accelerator() == kind)


def accelerator() -> str | None:
    """Kind of the machine's accelerator, if torch finds one that leadbench knows."""
    return next((kind for kind in KINDS if kind != "cpu" and device_count(kind)), None)


def device_name(device: torch.device) -> str:
    """What the device is."""
    if device.type == "cuda":  # pragma: cuda
        return torch.cuda.get_device_name(device)
    if device.type == "xpu":  # pragma: cuda
        return str(torch.xpu.get_device_name(device))
    return processor_name() if device.type in ("cpu", "mps") else device.type


def device_memory(device: torch.device) -> int | None:
    """Bytes of memory of the device; None where torch does not tell."""
    if device.type == "cuda":  # pragma: cuda
        return int(torch.cuda.get_device_properties(device).total_memory)
    if device.type == "xpu":  # pragma: cuda
        return int(torch.xpu.get_device_properties(device).total_memory)
    if device.type in ("cpu", "mps"):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None


def free_memory(device: torch.device) -> int | None:
    """Bytes that can still be allocated on the device; None where nobody tells."""
    if device.type == "cuda":  # pragma: cuda
        free, _ = torch.cuda.mem_get_info(device)
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + held)
    if device.type == "cpu":
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    return None


def peak_memory(device: torch.device) -> int:
    """Most bytes that were held: of the allocator on CUDA, else of the process."""
    if device.type == "cuda":  # pragma: cuda
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 2**10


def free_cached_memory() -> None:
    """Give back what the allocator of a GPU keeps for later."""
    if torch.cuda.is_available():  # pragma: cuda
        torch.cuda.empty_cache()


def is_out_of_memory(error: Exception) -> bool:
    """Whether an exception tells that memory, of the host or of a device, ran out.

    >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("shapes do not fit"))
    (True, False)
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return "can't allocate memory" in str(error) or "not enough memory" in str(error)


def processor_name() -> str:
    """The CPU's model as Linux tells it, else what Python's platform module tells."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def accelerated(device: torch.device) -> bool:
    """Whether a device works while Python goes on, so that asking it for a number is a wait."""
    return device.type != "cpu"


def sent(tensor: Tensor, device: torch.device | str) -> Tensor:
    """The tensor on a device. What goes from the host to CUDA goes through pinned memory, and nobody waits for it."""
    target = torch.device(device)
    if tensor.device == target or tensor.device.type == target.type == "cpu":
        return tensor
    if target.type == "cuda" and tensor.device.type == "cpu" and torch.cuda.is_available():  # pragma: cuda
        return tensor.pin_memory().to(target, non_blocking=True)
    return tensor.to(target)


def indices(rows: Sequence[int], device: torch.device | str) -> Tensor:
    """Rows as an index [n] int64 on a device."""
    return sent(torch.tensor(list(rows), dtype=torch.int64), device)


def normal_like(like: Tensor) -> Tensor:
    """Standard normal draws of the shape and type of a tensor, on its device: torch's CPU generator makes them, so that
    every device gets the same."""
    return sent(torch.randn(like.shape, dtype=like.dtype), like.device)
