"""From latents to embeddings and diagnostics, chunk by chunk: sample, realign, decode, embed, measure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock

import torch
from torch import Tensor

from leadbench.core.contracts import Backbone, Evaluator, GeneratedMotions, MotionAutoencoder, MotionMetric
from leadbench.core.device import accelerated, indices, place_of
from leadbench.core.errors import NonFiniteError
from leadbench.core.random import NoiseSource
from leadbench.core.skeleton import get_skeleton
from leadbench.core.tensors import Latent, MotionBatch, mask_of
from leadbench.data.humanml3d import DrawnSample
from leadbench.generation.pipeline import LatentMap, decode_latents
from leadbench.motion.features import features_to_joints
from leadbench.results.rows import Row
from leadbench.tasks.shared.chunks import Chunk
from leadbench.tasks.shared.real_motions import measured
from leadbench.tasks.shared.scoring import NOT_FINITE, embed, embed_checked
from leadbench.tasks.shared.stopwatch import Stopwatch
from leadbench.tasks.shared.units import Sampling

Source = Callable[[Sequence["Prompt"], Sequence[int], Tensor], Latent]
"""Latents [B, N, M] of prompts, given their places in the job and their lengths as a mask [B, F]."""


@dataclass(frozen=True)
class Prompt:
    """A motion to be made: whose caption and length it has, and which repetition of them it is."""

    drawn: DrawnSample
    repeat: int = 0

    @property
    def length(self) -> int:
        """Frames."""
        return self.drawn.length

    @property
    def id(self) -> str:
        """Of the drawn sample."""
        return self.drawn.id


@dataclass(frozen=True, eq=False)
class Instruments:
    """What motions are decoded and measured with; ``watch`` tells the time."""

    autoencoder: MotionAutoencoder
    evaluator: Evaluator
    watch: Stopwatch


@dataclass(frozen=True, eq=False)
class Decoded:
    """Decoded latents as they are scored: embeddings [S, E] and the means of the metrics of single motions."""

    embeddings: Tensor
    means: Mapping[str, float]


@dataclass(eq=False)
class MeasuringJob:
    """Makes the motions of prompts and measures them, one chunk a call; rows of the table differ in what is done to
    the same latents.

    Args:
        prompts: what is made.
        source: where latents come from.
        edits: row -> map of latents, or None.
        metrics: of single motions, by name.
    """

    prompts: Sequence[Prompt]
    source: Source
    edits: Mapping[Row, LatentMap | None]
    instruments: Instruments
    metrics: Mapping[str, MotionMetric] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count, tools = len(self.prompts), self.instruments
        self._place, self._seen = place_of(tools.autoencoder), place_of(tools.evaluator)
        self._embeddings = {
            row: torch.full((count, tools.evaluator.dim), float("nan"), device=self._seen) for row in self.edits
        }
        self._values = {
            row: {name: torch.empty(count, device=self._place) for name in self.metrics} for row in self.edits
        }
        # on an accelerator, whether all motions of a row were finite is asked once, at the end
        self._finite = {row: torch.ones((), dtype=torch.bool, device=self._place) for row in self.edits}
        self._metrics_in_use = Lock()  # those of plugins need not stand several threads

    @torch.no_grad()
    def work(self, chunk: Chunk) -> None:
        """Do the rows of a chunk."""
        rows, tools = list(chunk.rows), self.instruments
        mask = mask_of([self.prompts[i].length for i in rows], self._place)
        measured_at, seen_at = indices(rows, self._place), indices(rows, self._seen)
        plain = self.source([self.prompts[i] for i in rows], rows, mask)
        for row, edit in self.edits.items():
            latent = plain
            if edit is not None:
                with tools.watch.stage("project", row):
                    latent = edit(plain, mask)
            with tools.watch.stage("decode", row):
                motion = decode_latents(tools.autoencoder, latent, mask, None)
            with tools.watch.stage("embed", row):
                self._embeddings[row].index_copy_(0, seen_at, self._embedded(row, motion))
            if self.metrics:
                with tools.watch.stage("measure", row):
                    spec = tools.autoencoder.motion
                    seen = latent if tools.autoencoder.latent.tokens else Latent.none(len(rows), self._place)
                    joints = features_to_joints(motion.denormalize().features, get_skeleton(spec.skeleton))
                    self._measure(row, measured_at, GeneratedMotions(joints, mask, spec.skeleton, spec.fps, seen))

    def decoded(self, row: Row) -> Decoded:
        """Results of a row on the CPU, once every chunk is done; the only place that waits for an accelerator.

        Raises:
            NonFiniteError: a motion holds NaN or infinity.
        """
        values = self._values[row]
        read = torch.stack([self._finite[row].float(), *(each.mean() for each in values.values())]).cpu().tolist()
        if not read[0]:
            raise NonFiniteError(NOT_FINITE)
        return Decoded(self._embeddings[row].cpu(), dict(zip(values, read[1:], strict=True)))

    def _embedded(self, row: Row, motion: MotionBatch) -> Tensor:
        """Embeddings [B, E] float32; what is not finite is refused here, or noted where asking would be a wait."""
        evaluator = self.instruments.evaluator
        if not accelerated(self._place):
            return embed_checked(evaluator, motion).float()
        self._finite[row].logical_and_(torch.isfinite(motion.features).all())
        return embed(evaluator, motion).float()

    def _measure(self, row: Row, at: Tensor, motions: GeneratedMotions) -> None:
        with self._metrics_in_use:
            for name, metric in self.metrics.items():
                self._values[row][name].index_copy_(0, at, measured(metric, motions))


def given(latents: Tensor) -> Source:
    """Latents [S, N, M] that are there already, one for each prompt of the job."""
    return lambda _, rows, mask: Latent.full(latents[indices(rows, latents.device)].to(mask.device))


def sampled(backbone: Backbone, sampling: Sampling, seed: int, replication: int, watch: Stopwatch) -> Source:
    """Latents that a backbone samples."""

    @torch.no_grad()
    def sample(prompts: Sequence[Prompt], rows: Sequence[int], mask: Tensor) -> Latent:
        with watch.stage("text"):
            captions = [prompt.drawn.caption.caption for prompt in prompts]
            condition = backbone.text_encoder.encode(captions).to(mask.device)
        repeats = tuple(prompt.repeat for prompt in prompts)
        noise = NoiseSource(seed, tuple(prompt.id for prompt in prompts), replication, repeats, mask.device)
        with watch.stage("denoise"):
            return backbone.sample(condition, mask, noise, steps=sampling.steps, guidance=sampling.guidance)

    return sample
