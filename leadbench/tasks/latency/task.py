"""The latency benchmark (paper, section 5.3): seconds per prompt, stage by stage, with and without the projector.

Protocol ``latency``, docs/protocols.md: one prompt batch after the other, nothing cached between prompts but the
embedding of the empty text; every stage starts and ends on an idle device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from leadbench.core.contracts import Backbone, Projector
from leadbench.core.errors import ConfigError
from leadbench.core.provenance import collect_provenance, hardware
from leadbench.core.random import NoiseSource
from leadbench.core.skeleton import get_skeleton
from leadbench.core.tensors import Condition, Latent, MotionBatch, lengths_to_mask
from leadbench.motion.features import features_to_joints
from leadbench.nn.packing import ordinary_kernels
from leadbench.results.store import Record, RunStore
from leadbench.tasks.latency.timing import Probe, Spread, in_turns, peak_memory, probe

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
        device: ``cpu`` or ``cuda``.
        compile: whether the caller runs the benchmark inside :func:`leadbench.engine.compiled.compiling`.
    """

    preset: str
    batches: tuple[int, ...] = (1, 8, 32)
    frames: int = 196
    rounds: int = 10
    device: str = "cpu"
    compile: bool = False
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Subject:
    """A backbone at numbers of steps, with a projector to time beside it; ``timed_text`` is off for given text."""

    backbone: Backbone
    display: str
    steps: tuple[int, ...]
    projector: Projector | None
    timed_text: bool = True


@dataclass(eq=False)
class LatencyBenchmark:
    """Times subjects and stores one record for each batch, number of steps, and with or without projector."""

    subjects: Sequence[Subject]
    config: LatencyConfig
    store: RunStore

    def run(self, report: Callable[[str, int, int], None] | None = None) -> list[Record]:
        """All records of the run; what is recorded already is not timed again."""
        cells = [(s, steps, batch) for s in self.subjects for steps in s.steps for batch in self.config.batches]
        for number, (subject, steps, batch) in enumerate(cells):
            keys = [_key(subject, steps, batch, with_projector) for with_projector in (False, True)]
            if not all(self.store.done(key) for key in keys[: 1 + (subject.projector is not None)]):
                for record in self._cell(subject, steps, batch):
                    self.store.append(record)
            if report is not None:
                report(f"{subject.display}, {steps} steps, batch {batch}", number + 1, len(cells))
        return self.store.records()

    def _cell(self, subject: Subject, steps: int, batch: int) -> list[Record]:
        chain = Chain(subject, steps, batch, self.config)
        chain.check()
        times = in_turns(chain.works, self.config.rounds, self._device)
        machine = self._probe
        shared = {
            "notes": chain.notes,
            "parameters": chain.parameters,
            "multiply_accumulates": chain.multiply_accumulates(),
            "peak_memory_mib": peak_memory(self._device),
            "hardware": hardware(),
            "probe": asdict(machine),
            "frames": self.config.frames,
            "batch": batch,
        }
        rows = [False] if subject.projector is None else [False, True]
        return [self._record(subject, steps, batch, times, shared, with_projector=w) for w in rows]

    def _record(
        self, subject: Subject, steps: int, batch: int, times: Mapping[str, Spread], shared: dict[str, Any], *,
        with_projector: bool,
    ) -> Record:  # fmt: skip
        stages = {name: found for name, found in times.items() if with_projector or name != "project"}
        seconds = sum(found.median for name, found in stages.items() if name in AITS)
        whole = times["end to end, projected" if with_projector else "end to end"]
        stages = {name: found for name, found in stages.items() if name in STAGES}
        metrics: dict[str, float | None] = {"aits": whole.median / batch, "aits_p95": whole.p95 / batch}
        metrics["aits_of_stages"] = seconds / batch
        for name, found in stages.items():
            metrics[f"{name}.median"], metrics[f"{name}.p95"] = found.median, found.p95
        return Record(
            dataset=f"preset {self.config.preset}",
            protocol="latency",
            evaluator="none",
            row=f"LEAD ({subject.display})" if with_projector else subject.display,
            display=subject.display,
            backbone=subject.backbone.name,
            projector=self.config.preset if with_projector else None,
            steps=steps,
            guidance=subject.backbone.default_guidance(steps),
            replication=0,
            seed=self.config.seed,
            metrics=metrics,
            details={**shared, "rounds": [value / batch for value in whole.values]},
            chunk_size=batch,
            key=_key(subject, steps, batch, with_projector),
        )

    @property
    def _device(self) -> torch.device:
        return torch.device(self.config.device)

    @cached_property
    def _probe(self) -> Probe:
        return probe(self._device)


def open_latency(subjects: Sequence[Subject], config: LatencyConfig, out: Path) -> LatencyBenchmark:
    """A benchmark whose records go to a folder of their own under ``out``.

    Every call starts a run: times are of a machine at a moment, and are not resumed.
    """
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S%f")
    store = RunStore(out / f"preset-{config.preset}" / f"latency-{stamp}")
    named = {s.backbone.name: list(s.steps) for s in subjects}
    store.start({"protocol": "latency", "backbones": named, **asdict(config)}, collect_provenance())
    return LatencyBenchmark(subjects, config, store)


class Chain:
    """One prompt batch through every stage; each stage is also callable alone, on the inputs that it would have."""

    def __init__(self, subject: Subject, steps: int, batch: int, config: LatencyConfig) -> None:
        backbone = self.backbone = subject.backbone
        if not backbone.supports_steps(steps):
            raise ConfigError(f"--steps {steps}: backbone {backbone.name!r} cannot run with that many")
        self.subject, self.steps, self.device = subject, steps, torch.device(config.device)
        self.guidance = backbone.default_guidance(steps)
        self.captions = [CAPTIONS[i % len(CAPTIONS)] for i in range(batch)]
        self.mask = lengths_to_mask(torch.full((batch,), config.frames), config.frames).to(self.device)
        self.noise = NoiseSource(config.seed, tuple(f"prompt {i}" for i in range(batch)))
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
        if subject.projector is not None:
            self.works["project"] = lambda: self.project(latent)
            self.works["end to end, projected"] = lambda: self.features(subject.projector)

    def encode(self) -> Condition:
        """Embeddings of the prompts by the encoder itself, not by what remembers its answers."""
        encoder = self.backbone.text_encoder
        condition: Condition = getattr(encoder, "wrapped", encoder).encode(self.captions)
        return condition.to(self.device)

    def sample(self, condition: Condition) -> Latent:
        """Latents of a condition, at the backbone's own guidance."""
        return self.backbone.sample(condition, self.mask, self.noise, steps=self.steps, guidance=self.guidance)

    @torch.no_grad()
    def project(self, latent: Latent) -> Latent:
        """The projector's round trip; the latent itself without one."""
        projector = self.subject.projector
        return latent if projector is None else projector.reproject(projector.project(latent))

    @torch.no_grad()
    def decode(self, latent: Latent) -> MotionBatch:
        """Normalised features."""
        return self.backbone.autoencoder.decode(latent, self.mask)

    def features(self, projector: Projector | None) -> MotionBatch:
        """Captions to features."""
        latent = self.sample(self.encode())
        return self.decode(latent if projector is None else self.project(latent))

    @torch.no_grad()
    def joints(self, motion: MotionBatch) -> Tensor:
        """Joint positions of features."""
        skeleton = get_skeleton(self.backbone.autoencoder.motion.skeleton)
        return features_to_joints(motion.denormalize().features, skeleton)

    def check(self) -> None:
        """Raise ConfigError where what is about to be timed does not work."""
        for projector in (None, self.subject.projector):
            features = self.features(projector).features
            if features.shape[:2] != self.mask.shape or not bool(torch.isfinite(features).all()):
                raise ConfigError(f"backbone {self.backbone.name!r}: its features are not finite or of another length")

    @cached_property
    def parameters(self) -> dict[str, int]:
        """Parameters by part, where the part has networks."""
        encoder = getattr(self.backbone.text_encoder, "wrapped", self.backbone.text_encoder)
        parts = {"text": encoder, "denoise": self.backbone, "project": self.subject.projector}
        parts["decode"] = self.backbone.autoencoder
        return {name: count for name, part in parts.items() if (count := _parameters(part))}

    def multiply_accumulates(self) -> dict[str, int]:
        """Of the matrix products and convolutions that torch's counter knows, by stage."""
        counts = {}
        for name, work in self.works.items():
            if name in STAGES:
                with ordinary_kernels(), FlopCounterMode(display=False) as counter:
                    work()
                counts[name] = int(counter.get_total_flops()) // 2
        return counts


def _parameters(part: object) -> int:
    """Of the networks that an object holds directly, each counted once."""
    held = [part] if isinstance(part, nn.Module) else ([] if part is None else list(vars(part).values()))
    modules = {id(module): module for module in held if isinstance(module, nn.Module)}
    return sum(p.numel() for module in modules.values() for p in module.parameters())


def _key(subject: Subject, steps: int, batch: int, with_projector: bool) -> str:
    return f"{subject.backbone.name}|steps={steps}|batch={batch}|{'projected' if with_projector else 'plain'}"
