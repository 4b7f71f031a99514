"""Several processes that train one model together: ``accelerate launch -m leadbench train ...``, or ``torchrun``.

Hugging Face Accelerate joins them and picks their devices; torch's DistributedDataParallel averages gradients.
Everything else is the loop's: one process validates, keeps checkpoints and writes; the others compute their rows.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch import distributed as dist

from leadbench.core.device import AUTO, EVERY
from leadbench.core.errors import ConfigError, LeadbenchError
from leadbench.core.processes import is_launched
from leadbench.core.reading import reason
from leadbench.core.shards import ALONE, Place

if TYPE_CHECKING:
    from accelerate import Accelerator

_PATIENCE = timedelta(hours=2)
"""What a process waits for the others at most: the first validates and writes while they wait."""

_REFUSED = {
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed",
    "ACCELERATE_USE_FSDP": "FSDP",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "a parallelism configuration",
    "ACCELERATE_USE_FP8": "FP8",
}


class _Terminated(Exception):  # noqa: N818
    """Whoever started the processes ends this one."""


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Within it SIGTERM is an exception; after any error it is passed over.

    Where a process dies the launcher ends the others a tenth of a second later, which is less than it takes to say why.
    """
    if threading.current_thread() is not threading.main_thread():  # Python lets no other thread hear signals
        yield
        return

    def end(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise _Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except BaseException:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise
    signal.signal(signal.SIGTERM, before)


class Released(Exception):  # noqa: N818
    """A process has done its part of a launch; the first one goes on alone."""


@dataclass(frozen=True)
class Launch:
    """The processes that train together.

    Attributes:
        place: of this process.
        accelerator: Accelerate's; None: this process is alone.
    """

    place: Place = ALONE
    accelerator: Accelerator | None = None

    @property
    def first(self) -> bool:
        """Whether this is the process that validates and writes."""
        return self.place.rank == 0

    @property
    def several(self) -> bool:
        """Whether there are others."""
        return self.place.world > 1

    def prepared(self, module: nn.Module) -> nn.Module:
        """A module whose gradients are averaged over the processes, and whose weights are the first one's."""
        if self.accelerator is None:
            return module
        prepared: nn.Module = self.accelerator.prepare_model(module)
        return prepared

    @contextmanager
    def averaging(self, module: nn.Module, wanted: bool) -> Iterator[None]:
        """Within it gradients are averaged where ``wanted``, else kept for a later step of the same update."""
        with nullcontext() if self.accelerator is None or wanted else self.accelerator.no_sync(module):
            yield

    def total(self, numbers: Tensor) -> Tensor:
        """Sum over the processes."""
        if self.several:
            dist.all_reduce(numbers)
        return numbers

    def told(self, value: Callable[[], Any]) -> Any:
        """What ``value`` returns in the first process, known to all; also the error that it raises.

        Raises:
            LeadbenchError: the first process raised it.
        """
        if not self.several:
            return value()
        held: list[Any] = [None, None]
        if self.first:
            try:
                held[0] = value()
            except LeadbenchError as exc:
                held[1] = exc
        dist.broadcast_object_list(held, src=0, device=self._device)
        if held[1] is not None:
            raise held[1]
        return held[0]

    def release(self) -> None:
        """Training is over: no process waits for another any more.

        Raises:
            Released: this is not the first one.
        """
        if self.several and not self.first:
            raise Released

    @contextmanager
    def together(self, what: str) -> Iterator[None]:
        """Within it the loss of another process is one clear error, said by the first one.

        Raises:
            ConfigError: another process ended, or whoever started them all ends them.
        """
        try:
            with _sigterm_raises() if self.several and self.first else nullcontext():
                yield
        except (RuntimeError, _Terminated) as exc:
            if not self.several or not (isinstance(exc, _Terminated) or _is_lost(exc)):
                raise
            raise ConfigError(
                f"{what}: another process of this launch ended, or all were stopped; start the same command again to "
                f"go on from the last checkpoint"
            ) from exc

    @property
    def _device(self) -> torch.device:
        assert self.accelerator is not None
        found: torch.device = self.accelerator.device
        return found


LONE = Launch()
"""A process without others."""


def device_of_launch(device: str) -> str:
    """The device of this process, where a user asked for ``device`` in all of them.

    Raises:
        ConfigError: a certain device was asked for, which would then be everybody's.
    """
    kind, _, number = device.strip().lower().partition(":")
    if number and device.strip().lower() != EVERY:
        raise ConfigError(
            f"--device {device}: each process of a launch takes its own (allowed: auto, cpu, cuda; "
            f"accelerate launch --gpu_ids chooses)"
        )
    if kind not in (AUTO, "cuda"):
        return kind
    if os.environ.get("ACCELERATE_USE_CPU", "false").lower() in ("1", "true", "yes") or not torch.cuda.is_available():
        return "cpu" if kind == AUTO else device
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"  # pragma: cuda


def join_launch(device: torch.device) -> Launch:
    """Wait for the other processes, and join them.

    Args:
        device: of this process.

    Raises:
        ConfigError: Accelerate is missing, the launch asks for what is not data-parallel, or they do not find each
            other.
    """
    for variable, name in _REFUSED.items():
        if os.environ.get(variable, "false").lower() in ("1", "true", "yes"):
            raise ConfigError(f"accelerate launch: {name} was asked for; trainings are data-parallel alone")
    if os.environ.get("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "1") not in ("", "1"):
        raise ConfigError("accelerate launch: accumulation is the preset's; give --set loop.accumulate=N instead")
    if os.environ.get("ACCELERATE_MIXED_PRECISION", "no").lower() not in ("", "no"):
        raise ConfigError("accelerate launch: --mixed_precision is not used; give leadbench train --precision bf16")
    if not is_launched():
        return LONE
    try:
        from accelerate import Accelerator, DistributedDataParallelKwargs, InitProcessGroupKwargs
    except ImportError as exc:
        raise ConfigError("accelerate launch: Accelerate is missing: pip install 'leadbench[cluster]'") from exc
    try:
        accelerator = Accelerator(
            cpu=device.type == "cpu",
            mixed_precision="no",
            kwargs_handlers=[
                DistributedDataParallelKwargs(find_unused_parameters=True),
                InitProcessGroupKwargs(timeout=_PATIENCE),
            ],
        )
    except (RuntimeError, ValueError, OSError) as exc:
        raise ConfigError(f"accelerate launch: the processes do not find each other ({reason(exc)})") from exc
    atexit.register(_leave)
    return Launch(Place(accelerator.process_index, accelerator.num_processes), accelerator)


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def _is_lost(error: RuntimeError) -> bool:
    """Whether an error tells that another process cannot be reached: NCCL's and the store's have classes, gloo's
    a text."""
    return isinstance(error, dist.DistError) or "gloo" in str(error) or "onnection" in str(error)
