"""Latency (paper, section 5.3): seconds per prompt, stage by stage, with and without the projector.

Protocol ``latency``, docs/protocols.md: one prompt batch after the other, nothing cached between prompts but the
embedding of the empty text; every stage starts and ends on an idle device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from leadbench.core.contracts import Backbone, Projector
from leadbench.core.device import CPU, Compute, peak_memory
from leadbench.core.errors import ConfigError
from leadbench.core.provenance import hardware
from leadbench.core.random import NoiseSource
from leadbench.core.skeleton import get_skeleton
from leadbench.core.tensors import Condition, Latent, MotionBatch, mask_of
from leadbench.engine.compiled import compiling
from leadbench.motion.features import features_to_joints
from leadbench.nn.packing import ordinary_kernels
from leadbench.results.details import LatencyDetails
from leadbench.results.records import Record, record_key
from leadbench.results.rows import Row
from leadbench.tasks.latency.timing import Probe, Spread, in_turns, probe
from leadbench.tasks.shared.units import Task, Unit
from leadbench.zoo.projectors import AttachedProjector

STAGES = ("text", "denoise", "project", "decode", "joints")
AITS = ("text", "denoise", "project", "decode")
"""Stages that count as inference, as in the official codes; joints are recovered afterwards."""

CAPTIONS = (
    "a person walks forward and then turns around to the left.",
    "the man raises his right hand and waves.",
    "someone crouches down, then kicks with the left leg.",
    "a person jogs in a circle, slowing down towards the end.",
)


@dataclass(frozen=True)
class LatencyConfig:
    """What is timed.

    Attributes:
        preset: where the networks come from; part of the records.
        batches, frames, rounds: prompts at once, frames of every motion, and how often each is timed.
        compute: device and precision.
        compile: whether networks of small batches are compiled.
    """

    preset: str
    batches: tuple[int, ...] = (1, 8, 32)
    frames: int = 196
    rounds: int = 10
    compute: Compute = CPU
    compile: bool = False
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Subject:
    """A backbone at numbers of steps, with projectors to time beside it; ``timed_text`` is off for given text."""

    backbone: Backbone
    display: str
    steps: tuple[int, ...]
    projectors: tuple[AttachedProjector, ...] = ()
    timed_text: bool = True


@dataclass(eq=False)
class LatencyTask(Task):
    """Times subjects; a unit is one subject at one number of steps and one batch, with and without projectors.

    Every call is a run of its own: times are of a machine at a moment, and are not resumed.
    """

    subjects: Sequence[Subject]
    config: LatencyConfig
    started: str = field(default_factory=lambda: datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S%f"))
    name: str = "latency"

    def __post_init__(self) -> None:
        self.compute = self.config.compute
        self.names = {subject.backbone.name: subject.display for subject in self.subjects}
        self.names |= {p.name: p.display for subject in self.subjects for p in subject.projectors}

    @property
    def group(self) -> str:
        """The preset's name."""
        return f"preset-{self.config.preset}"

    def identity(self) -> dict[str, Any]:
        """What is timed, and when it started."""
        named = {subject.backbone.name: list(subject.steps) for subject in self.subjects}
        settings = {**asdict(self.config), "compute": self.config.compute.describe()}
        return {"backbones": named, **settings, "started": self.started}

    def units(self) -> list[Unit]:
        """Every subject, number of steps and batch."""
        return [
            self._unit(subject, steps, batch)
            for subject in self.subjects
            for steps in subject.steps
            for batch in self.config.batches
        ]

    def _unit(self, subject: Subject, steps: int, batch: int) -> Unit:
        rows = [_row(subject, steps, batch, projector) for projector in (None, *subject.projectors)]
        keys = tuple(record_key(row, 0) for row in rows)
        work = partial(self._cell, subject, steps, batch)
        return Unit(f"{subject.display}, {steps} steps, batch {batch}", keys, work)

    def _cell(self, subject: Subject, steps: int, batch: int) -> list[Record]:
        with compiling(self.config.compile):
            chain = Chain(subject, steps, batch, self.config)
            chain.check()
            times = in_turns(chain.works, self.config.rounds, self._device)
            machine = self._probe
            shared = LatencyDetails(
                notes=tuple(chain.notes),
                parameters=chain.parameters,
                multiply_accumulates=chain.multiply_accumulates(),
                peak_memory_mib=peak_memory(self._device) / 2**20,
                hardware=hardware(),
                probe=asdict(machine),
                frames=self.config.frames,
                batch=batch,
            )
        return [
            self._record(_row(subject, steps, batch, projector), times, shared, projector)
            for projector in (None, *subject.projectors)
        ]

    def _record(
        self, row: Row, times: Mapping[str, Spread], shared: LatencyDetails, projector: AttachedProjector | None
    ) -> Record:
        batch = shared.batch
        whole = times["end to end" if projector is None else f"end to end, {projector.name}"]
        own = "" if projector is None else f", {projector.name}"
        found = {name: times.get(f"{name}{own}" if name == "project" else name) for name in STAGES}
        stages = {name: spread for name, spread in found.items() if spread is not None}
        seconds = sum(spread.median for name, spread in stages.items() if name in AITS)
        metrics: dict[str, float | None] = {"aits": whole.median / batch, "aits_p95": whole.p95 / batch}
        metrics["aits_of_stages"] = seconds / batch
        for name, spread in stages.items():
            metrics[f"{name}.median"], metrics[f"{name}.p95"] = spread.median, spread.p95
        return Record(
            task=self.name,
            dataset=f"preset {self.config.preset}",
            protocol="latency",
            evaluator="none",
            row=row,
            seed=self.config.seed,
            metrics=metrics,
            details=shared.model_copy(update={"rounds": tuple(value / batch for value in whole.values)}),
            chunk_size=batch,
        )

    @property
    def _device(self) -> torch.device:
        return self.config.compute.device

    @cached_property
    def _probe(self) -> Probe:
        return probe(self._device)


class Chain:
    """One prompt batch through every stage; each stage is also callable alone, on the inputs that it would have."""

    def __init__(self, subject: Subject, steps: int, batch: int, config: LatencyConfig) -> None:
        backbone = self.backbone = subject.backbone
        if not backbone.supports_steps(steps):
            raise ConfigError(f"--steps {steps}: backbone {backbone.name!r} cannot run with that many")
        self.subject, self.steps, self.device = subject, steps, config.compute.device
        self.guidance = backbone.default_guidance(steps)
        self.captions = [CAPTIONS[i % len(CAPTIONS)] for i in range(batch)]
        self.mask = mask_of([config.frames] * batch, self.device)
        self.noise = NoiseSource(config.seed, tuple(f"prompt {i}" for i in range(batch)), device=self.device)
        self.notes = [] if subject.timed_text else ["text embeddings are given: the encoder is not timed"]
        if config.compile:
            self.notes.append("networks of small batches are compiled")
        backbone.text_encoder.null(1)  # the empty text is encoded once a run
        condition = self.encode()
        latent = self.sample(condition)
        motion = self.decode(latent)
        self.works: dict[str, Callable[[], object]] = {
            "text": self.encode,
            "denoise": lambda: self.sample(condition),
            "decode": lambda: self.decode(latent),
            "joints": lambda: self.joints(motion),
            "end to end": lambda: self.features(None),
        }
        if not subject.timed_text:
            del self.works["text"]
        for attached in subject.projectors:
            projector = attached.projector
            self.works[f"project, {attached.name}"] = partial(self.project, latent, projector)
            self.works[f"end to end, {attached.name}"] = partial(self.features, projector)

    def encode(self) -> Condition:
        """Embeddings of the prompts by the encoder itself, not by what remembers its answers."""
        encoder = self.backbone.text_encoder
        condition: Condition = getattr(encoder, "wrapped", encoder).encode(self.captions)
        return condition.to(self.device)

    def sample(self, condition: Condition) -> Latent:
        """Latents of a condition, at the backbone's own guidance."""
        return self.backbone.sample(condition, self.mask, self.noise, steps=self.steps, guidance=self.guidance)

    @torch.no_grad()
    def project(self, latent: Latent, projector: Projector) -> Latent:
        """The projector's round trip."""
        return projector.reproject(projector.project(latent))

    @torch.no_grad()
    def decode(self, latent: Latent) -> MotionBatch:
        """Normalised features."""
        return self.backbone.autoencoder.decode(latent, self.mask)

    def features(self, projector: Projector | None) -> MotionBatch:
        """Captions to features."""
        latent = self.sample(self.encode())
        return self.decode(latent if projector is None else self.project(latent, projector))

    @torch.no_grad()
    def joints(self, motion: MotionBatch) -> Tensor:
        """Joint positions of features."""
        skeleton = get_skeleton(self.backbone.autoencoder.motion.skeleton)
        return features_to_joints(motion.denormalize().features, skeleton)

    def check(self) -> None:
        """Raise ConfigError where what is about to be timed does not work."""
        for projector in (None, *(attached.projector for attached in self.subject.projectors)):
            features = self.features(projector).features
            if features.shape[:2] != self.mask.shape or not bool(torch.isfinite(features).all()):
                raise ConfigError(f"backbone {self.backbone.name!r}: its features are not finite or of another length")

    @cached_property
    def parameters(self) -> dict[str, int]:
        """Parameters by part, where the part has networks."""
        encoder = getattr(self.backbone.text_encoder, "wrapped", self.backbone.text_encoder)
        first = self.subject.projectors[0].projector if self.subject.projectors else None
        parts = {"text": encoder, "denoise": self.backbone, "project": first}
        parts["decode"] = self.backbone.autoencoder
        return {name: count for name, part in parts.items() if (count := _parameters(part))}

    def multiply_accumulates(self) -> dict[str, int]:
        """Of the matrix products and convolutions that torch's counter knows, by stage."""
        counts = {}
        first = [attached.name for attached in self.subject.projectors[:1]]
        for name, work in self.works.items():
            stage, _, whose = name.partition(", ")
            if stage in STAGES and whose in ("", *first):
                with ordinary_kernels(), FlopCounterMode(display=False) as counter:
                    work()
                counts[stage] = int(counter.get_total_flops()) // 2
        return counts


def _parameters(part: object) -> int:
    """Of the networks that an object holds directly, each counted once."""
    held = [part] if isinstance(part, nn.Module) else ([] if part is None else list(vars(part).values()))
    modules = {id(module): module for module in held if isinstance(module, nn.Module)}
    return sum(p.numel() for module in modules.values() for p in module.parameters())


def _row(subject: Subject, steps: int, batch: int, projector: AttachedProjector | None) -> Row:
    return Row(
        backbone=subject.backbone.name,
        projector=None if projector is None else projector.name,
        steps=steps,
        guidance=subject.backbone.default_guidance(steps),
        setting={"batch": batch},
    )
