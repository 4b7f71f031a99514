"""The training loop that every stage shares: schedule, moving average, validation, checkpoints that resume exactly.

All randomness of a step is a function of (seed, stage, step), so a resumed training makes the very steps that an
uninterrupted one makes.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from leadbench.core.config import LoopConfig, OptimizerConfig
from leadbench.core.errors import NonFiniteError
from leadbench.core.random import seeded, stream
from leadbench.training.checkpoint import CheckpointFile


class Task(Protocol):
    """What a stage gives to the loop."""

    name: str
    model: nn.Module

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, float]]:
        """Loss of step ``step`` (0-based) and figures to show; must depend on ``step`` and torch's RNG alone."""
        ...

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """Figures on the validation split; ``score`` (lower is better) selects the weights to keep."""
        ...


class TargetTask(Task, Protocol):
    """A task that needs the moving average itself, as consistency distillation does."""

    def set_target(self, target: nn.Module) -> None:
        """Receive the moving-average model, before the first step."""
        ...


@dataclass(frozen=True)
class Progress:
    """What the loop tells after a step."""

    stage: str
    step: int
    steps: int
    figures: Mapping[str, float]
    seconds_left: float


@dataclass
class TrainState:
    """Everything that a checkpoint holds."""

    step: int = 0
    best_score: float = math.inf
    best: dict[str, Tensor] = field(default_factory=dict)
    best_step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Trainer:
    """Settings of one training.

    Args:
        optimizer: AdamW, learning-rate schedule and clipping.
        loop: steps, batch, seed, moving average.
        checkpoint: where to resume from and to save to; None: no checkpoints.
        checkpoint_seconds: least time between two checkpoints.
    """

    optimizer: OptimizerConfig
    loop: LoopConfig
    checkpoint: CheckpointFile | None = None
    checkpoint_seconds: float = 60.0

    def run(self, task: Task, report: Callable[[Progress], None] | None = None) -> TrainState:
        """Train ``task.model``; on return it holds the weights selected on the validation split.

        Raises:
            NonFiniteError: the loss became NaN or infinite; the message names stage and step.
            CheckpointError: the checkpoint is of another training, or damaged.
        """
        optimizer = torch.optim.AdamW(
            task.model.parameters(),
            lr=self.optimizer.learning_rate,
            weight_decay=self.optimizer.weight_decay,
            betas=(0.9, 0.99),
            fused=True,
        )
        average = copy.deepcopy(task.model).requires_grad_(False).eval() if self.loop.ema else None
        if average is not None and hasattr(task, "set_target"):
            task.set_target(average)
        state = self._resume(task, optimizer, average)
        last_save = time.monotonic()
        began, first = time.monotonic(), state.step
        base_seconds = state.seconds
        while state.step < self.loop.steps:
            figures = self._step(task, optimizer, average, state.step)
            state.step += 1
            state.seconds = base_seconds + time.monotonic() - began
            if state.step % self.loop.validate_every == 0 or state.step == self.loop.steps:
                self._validate(task, average, state)
            if report is not None:
                left = (time.monotonic() - began) / (state.step - first) * (self.loop.steps - state.step)
                report(Progress(task.name, state.step, self.loop.steps, figures, left))
            if self.checkpoint is not None and time.monotonic() - last_save > self.checkpoint_seconds:
                self._save(task, optimizer, average, state)
                last_save = time.monotonic()
        if self.checkpoint is not None:
            self._save(task, optimizer, average, state)
        if self.loop.select == "last":
            state.best = dict((task.model if average is None else average).state_dict())
            state.best_step, state.best_score = state.step, state.history[-1]["score"]
        task.model.load_state_dict(state.best)
        task.model.eval()
        return state

    def _step(
        self, task: Task, optimizer: torch.optim.Optimizer, average: nn.Module | None, step: int
    ) -> dict[str, float]:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(self.optimizer, step, self.loop.steps)
        task.model.train()
        with seeded(self.loop.seed, f"train:{task.name}", step):
            loss, figures = task.loss(step)
        if not torch.isfinite(loss):
            raise NonFiniteError(f"training {task.name}: loss is {float(loss.detach())} at step {step}")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(task.model.parameters(), self.optimizer.gradient_clip)
        optimizer.step()
        if average is not None:
            update_average(average, task.model, self.loop.ema, step)
        return {"loss": float(loss.detach()), "gradient_norm": float(norm), **figures}

    def _validate(self, task: Task, average: nn.Module | None, state: TrainState) -> None:
        model = task.model if average is None else average
        model.eval()
        with torch.no_grad():
            figures = dict(task.validate(model))
        state.history.append({"step": float(state.step), **figures})
        if figures["score"] <= state.best_score:
            state.best_score, state.best_step = figures["score"], state.step
            state.best = {name: t.detach().clone() for name, t in model.state_dict().items()}

    def _save(self, task: Task, optimizer: torch.optim.Optimizer, average: nn.Module | None, state: TrainState) -> None:
        assert self.checkpoint is not None
        self.checkpoint.save(
            {
                "model": task.model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "average": None if average is None else average.state_dict(),
                "state": vars(state),
            }
        )

    def _resume(self, task: Task, optimizer: torch.optim.Optimizer, average: nn.Module | None) -> TrainState:
        payload = None if self.checkpoint is None else self.checkpoint.load()
        if payload is None:
            return TrainState()
        task.model.load_state_dict(payload["model"])
        optimizer.load_state_dict(payload["optimizer"])
        if average is not None:
            average.load_state_dict(payload["average"])
        return TrainState(**payload["state"])


def learning_rate(config: OptimizerConfig, step: int, steps: int) -> float:
    """Learning rate at ``step``: linear warm-up, then cosine decay to ``final_rate`` of the peak.

    >>> learning_rate(OptimizerConfig(learning_rate=1.0, warmup_steps=10, final_rate=0.0), 4, 100)
    0.5
    """
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    done = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return config.learning_rate * (config.final_rate + (1 - config.final_rate) * cosine)


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Move ``average`` towards ``model``; the decay is lower in the first steps so that the start is forgotten."""
    decay = min(decay, (step + 1) / (step + 10))
    mine: list[Tensor] = [parameter.data for parameter in average.parameters()]
    theirs: list[Tensor] = [parameter.data for parameter in model.parameters()]
    torch._foreach_lerp_(mine, theirs, 1.0 - decay)


def epoch_batch(seed: int, name: str, step: int, batch: int, count: int) -> list[int]:
    """Indices of step ``step`` when ``count`` items are shuffled anew each epoch and cut into batches.

    The last incomplete batch of an epoch is dropped; with fewer items than a batch all are used.
    """
    per_epoch = max(1, count // batch)
    epoch, position = divmod(step, per_epoch)
    order = stream(seed, f"epoch:{name}", epoch).permutation(count)
    return [int(i) for i in order[position * batch : position * batch + batch]]
