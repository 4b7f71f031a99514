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
from torch.utils._pytree import tree_map

from leadbench.core.config import LoopConfig, OptimizerConfig
from leadbench.core.device import CPU, Compute, peak_memory
from leadbench.core.errors import ConfigError, NonFiniteError
from leadbench.core.random import stream
from leadbench.nn.transformer import SkipTransformerDecoder, SkipTransformerEncoder, TransformerEncoder
from leadbench.training.checkpoint import CheckpointFile
from leadbench.training.launch import LONE, Launch
from leadbench.training.rows import DividedTask, require_mean

READ_EVERY = 50
"""Steps on an accelerator after which losses and gradient norms are read, all at once."""

FUSED = ("cpu", "cuda", "mps", "xpu")
"""Devices for which torch has a fused AdamW."""

BACKEND = "inductor"
"""What compiles transformer stacks."""

ESTIMATED = 10
"""Steps after which the time of a training is estimated."""


class Task(Protocol):
    """What a stage gives to the loop."""

    name: str
    model: nn.Module

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Loss of step ``step`` (0-based) and figures to show, scalars on its device; must depend on ``step`` and
        torch's RNG alone."""
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
    """What the loop tells after a step; ``validation`` holds figures where the step ended with them."""

    stage: str
    step: int
    steps: int
    figures: Mapping[str, float]
    seconds_left: float
    validation: Mapping[str, float] = field(default_factory=dict)


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
        compute: where the model is trained, and what it computes in.
        compile: compile the transformer stacks (torch.compile).
        say: called with what the training needs, before it and after its first steps.
        launch: the processes that train together; each computes its rows of a batch, the first one does all else.
    """

    optimizer: OptimizerConfig
    loop: LoopConfig
    checkpoint: CheckpointFile | None = None
    checkpoint_seconds: float = 60.0
    compute: Compute = CPU
    compile: bool = False
    say: Callable[[str], None] = lambda _: None
    launch: Launch = LONE

    def run(self, task: Task, report: Callable[[Progress], None] | None = None) -> TrainState:
        """Train ``task.model``; on return it holds the weights selected on the validation split.

        The model is moved to the device; losses, gradient norms and figures are read from there once in a while.

        Raises:
            NonFiniteError: the loss became NaN or infinite; the message names stage and step.
            CheckpointError: the checkpoint is of another training, or damaged.
            ConfigError: several processes train, and the loss is no mean over rows.
            Released: several processes train, and this is not the first; the others' part ends with the last step.
        """
        task.model.to(self.compute.device)
        optimizer = self._optimizer(task.model)
        average = copy.deepcopy(task.model).requires_grad_(False).eval() if self.loop.ema else None
        if average is not None and hasattr(task, "set_target"):
            task.set_target(average)
        if self.compile:
            compile_stacks(task.model)
        state = self._resume(task, optimizer, average)
        if self.launch.several:
            require_mean(task, self.loop.seed, state.step * self.loop.accumulate, self.launch)
        divided = DividedTask(task, self.loop.seed, self.compute, self.launch)
        clock, pending = _Clock(self, task, state), _Figures(task.name, self.launch)
        while state.step < self.loop.steps:
            pending.add(state.step, self._step(divided, optimizer, average, state.step))
            state.step += 1
            state.seconds = clock.seconds()
            validates = state.step % self.loop.validate_every == 0 or state.step == self.loop.steps
            due = validates or len(pending) >= self._read_every
            saves = self._saves(clock, due)
            if due or saves:
                pending.read()
            if validates and self.launch.first:
                self._validate(task, average, state)
            if report is not None and not len(pending):
                found = state.history[-1] if validates and state.history else {}
                left = clock.seconds_left()
                report(Progress(task.name, state.step, self.loop.steps, pending.last, left, found))
            clock.tell_estimate()
            if saves:
                self._save(task, optimizer, average, state)
                clock.saved()
        self.launch.release()
        if self.checkpoint is not None:
            self._save(task, optimizer, average, state)
        if self.loop.select == "last":
            state.best = dict((task.model if average is None else average).state_dict())
            state.best_step, state.best_score = state.step, state.history[-1]["score"]
        task.model.load_state_dict(state.best)
        task.model.eval()
        return state

    @property
    def _read_every(self) -> int:
        """Steps between two looks at their figures: reading is free on a CPU, and a wait elsewhere."""
        return READ_EVERY if self.compute.accelerated else 1

    def _saves(self, clock: _Clock, due: bool) -> bool:
        """Whether a checkpoint is to be written. Of several processes all must read at the same steps, so there it
        waits for one where figures are read anyway."""
        if self.checkpoint is None or not self.launch.first or (self.launch.several and not due):
            return False
        return clock.since_save() > self.checkpoint_seconds

    def _optimizer(self, model: nn.Module) -> torch.optim.AdamW:
        return torch.optim.AdamW(
            model.parameters(),
            lr=self.optimizer.learning_rate,
            weight_decay=self.optimizer.weight_decay,
            betas=(0.9, 0.99),
            fused=self.compute.device.type in FUSED,
        )

    def _step(
        self, task: DividedTask, optimizer: torch.optim.Optimizer, average: nn.Module | None, step: int
    ) -> dict[str, Tensor]:
        """One step; its figures stay where they were computed, and are this process's part of the sums."""
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(self.optimizer, step, self.loop.steps)
        task.model.train()
        optimizer.zero_grad(set_to_none=True)
        count = self.loop.accumulate
        losses: list[Tensor] = []
        figures: Mapping[str, Tensor] = {}
        for number in range(step * count, (step + 1) * count):
            loss, figures = task.backward(number, count, last=number + 1 == (step + 1) * count)
            losses.append(loss)
        norm = torch.nn.utils.clip_grad_norm_(task.model.parameters(), self.optimizer.gradient_clip)
        optimizer.step()
        if average is not None:
            update_average(average, task.model, self.loop.ema, step)
        return {"loss": torch.stack(losses).mean(), "gradient_norm": norm / self.launch.place.world, **figures}

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
        content = {
            "model": task.model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "average": None if average is None else average.state_dict(),
            "state": vars(state),
        }
        # on the CPU, so that any device may continue
        self.checkpoint.save(tree_map(lambda held: held.cpu() if isinstance(held, Tensor) else held, content))

    def _resume(self, task: Task, optimizer: torch.optim.Optimizer, average: nn.Module | None) -> TrainState:
        file = self.checkpoint
        payload = None if file is None else self.launch.told(file.load)
        if payload is None:
            return TrainState()
        task.model.load_state_dict(payload["model"])
        optimizer.load_state_dict(payload["optimizer"])
        if average is not None:
            average.load_state_dict(payload["average"])
        return TrainState(**payload["state"])


class _Figures:
    """Figures of steps on their device, until they are read."""

    def __init__(self, stage: str, launch: Launch) -> None:
        self._stage, self._launch = stage, launch
        self._steps: list[int] = []
        self._held: list[dict[str, Tensor]] = []
        self.last: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._held)

    def add(self, step: int, figures: dict[str, Tensor]) -> None:
        """Keep the figures of a step."""
        self._steps.append(step)
        self._held.append(figures)

    def read(self) -> None:
        """Take all of them from the device in one transfer; raises NonFiniteError for the first loss that is not
        finite."""
        if not self._held:
            return
        losses = torch.stack([figures["loss"] for figures in self._held])
        shown = torch.stack([torch.as_tensor(value).detach().float() for value in self._held[-1].values()])
        read = self._launch.total(torch.cat([losses, shown.to(losses.device)])).cpu().tolist()
        for step, loss in zip(self._steps, read, strict=False):
            if not math.isfinite(loss):
                raise NonFiniteError(f"training {self._stage}: loss is {loss} at step {step}")
        self.last = dict(zip(self._held[-1], read[len(self._held) :], strict=True))
        self._steps, self._held = [], []


class _Clock:
    """Time of a training: spent, left, since the last checkpoint; and what it says of them."""

    def __init__(self, trainer: Trainer, task: Task, state: TrainState) -> None:
        self._trainer, self._task, self._state = trainer, task, state
        self._base, self._first = state.seconds, state.step
        self._began = self._last_save = time.monotonic()
        weights = sum(parameter.nbytes for parameter in task.model.parameters())
        copies = 4 + (trainer.loop.ema > 0)  # weights, gradients, two moments, and the average
        self._told = trainer.loop.steps - state.step <= ESTIMATED
        if not self._told:
            loop, compute = trainer.loop, trainer.compute
            batch = f"{loop.batch:,}" if loop.accumulate == 1 else f"{loop.accumulate} x {loop.batch:,}"
            trainer.say(
                f"{task.name}: {loop.steps - state.step:,} steps of {batch} on {compute.device} in "
                f"{compute.precision}; weights, gradients and optimiser {copies * weights / 2**20:,.0f} MiB"
            )

    def seconds(self) -> float:
        """Spent on the training so far, also by earlier processes."""
        return self._base + time.monotonic() - self._began

    def seconds_left(self) -> float:
        """At the mean speed since this process began."""
        done = self._state.step - self._first
        return (time.monotonic() - self._began) / done * (self._trainer.loop.steps - self._state.step)

    def since_save(self) -> float:
        """Seconds since the last checkpoint."""
        return time.monotonic() - self._last_save

    def saved(self) -> None:
        """A checkpoint was written."""
        self._last_save = time.monotonic()

    def tell_estimate(self) -> None:
        """After the first steps, once, say what the whole will take."""
        if self._told or self._state.step - self._first < ESTIMATED:
            return
        self._told = True
        each, left = (time.monotonic() - self._began) / ESTIMATED, self.seconds_left()
        peak = peak_memory(self._trainer.compute.device) / 2**20
        self._trainer.say(
            f"{self._task.name}: {each:.3g} s a step, about {left / 60:,.0f} min in all; peak memory {peak:,.0f} MiB"
        )


def compile_stacks(model: nn.Module) -> None:
    """Compile a model's transformer stacks where they are; the state dict stays as it is.

    Raises:
        ConfigError: there is none.
    """
    kinds = (TransformerEncoder, SkipTransformerEncoder, SkipTransformerDecoder)
    stacks = [module for module in model.modules() if isinstance(module, kinds)]
    for stack in stacks:
        stack.compile(backend=BACKEND, dynamic=True)
    if not stacks:
        raise ConfigError("--compile: this model has no transformer to compile; leave it out")


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
