"""One training step of several processes: each computes its rows of the batch, and gradients are averaged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from leadbench.core.device import Compute
from leadbench.core.errors import ConfigError
from leadbench.core.random import seeded
from leadbench.core.shards import ALONE, Place, sharded
from leadbench.training.launch import Launch

_TOLERANCE = 1e-3
"""Relative difference of the losses of a divided and of a whole batch that is put down to rounding."""


class _Losing(Protocol):
    """What is needed of a task here."""

    name: str
    model: nn.Module

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]: ...


class _Loss(nn.Module):
    """A task's loss as a module: what averages gradients watches the forward of one."""

    def __init__(self, task: _Losing, place: Place) -> None:
        super().__init__()
        self.network = task.model
        # A loss need not read every parameter, so what averages gradients looks for those that it leaves out, and warns
        # at length where there are none. There always is this one.
        self.never_read = nn.Parameter(next(task.model.parameters()).new_zeros(1)) if place.world > 1 else None
        self._task, self._place = task, place

    def forward(self, number: int) -> tuple[Tensor, dict[str, Tensor], float]:
        """Loss of this process's rows, figures, and the rows' share of the batch."""
        if self._place == ALONE:
            loss, figures = self._task.loss(number)
            return loss, dict(figures), 1.0
        with sharded(self._place) as batch:
            loss, figures = self._task.loss(number)
        return loss, dict(figures), batch.weight


class DividedTask:
    """A task whose batches are divided among the processes of a launch; alone it computes all of them."""

    def __init__(self, task: _Losing, seed: int, compute: Compute, launch: Launch) -> None:
        self.name, self.model = task.name, task.model
        self._seed, self._compute, self._launch = seed, compute, launch
        self._network = launch.prepared(_Loss(task, launch.place))

    def backward(self, number: int, count: int, *, last: bool) -> tuple[Tensor, dict[str, Tensor]]:
        """Add the gradients of batch ``number``, one of ``count`` of a step; with the ``last`` they are averaged.

        Returns:
            Loss and figures, detached, times the share of the batch that is this process's: sums over the processes
            are those of the whole batch.
        """
        with self._launch.averaging(self._network, last):
            with seeded(self._seed, f"train:{self.name}", number), self._compute.autocast():
                loss, figures, weight = self._network(number)
            # processes are averaged with equal weights, so a loss has the weight of its rows times their number
            (loss * (weight * self._launch.place.world) / count).backward()
        return loss.detach().float() * weight, {name: value.detach() * weight for name, value in figures.items()}


@torch.no_grad()
def require_mean(task: _Losing, seed: int, number: int, launch: Launch) -> None:
    """Compute one batch whole and divided, and compare.

    Raises:
        ConfigError: the losses differ: the loss is no mean over rows, or draws what is not keyed by row.
    """
    task.model.eval()
    with seeded(seed, f"train:{task.name}", number):
        whole = task.loss(number)[0].detach().double()
    with seeded(seed, f"train:{task.name}", number), sharded(launch.place) as batch:
        part = task.loss(number)[0].detach().double()
    divided = launch.total(part * batch.weight)
    if not bool((divided - whole).abs() <= _TOLERANCE * whole.abs().clamp(min=1e-6)):
        raise ConfigError(
            f"training {task.name}: the loss of a batch divided among {launch.place.world} processes is "
            f"{float(divided):.6g}, of the whole {float(whole):.6g}: a loss must be a mean over rows, pass what "
            f"needs all of them through leadbench.gathered, and draw from what it is given"
        )
