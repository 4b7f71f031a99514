"""One Protocol per stage. Stages meet here and exchange the batch types of :mod:`leadbench.core.tensors`.

A class keeps a contract by having its attributes and methods; nothing needs to be subclassed.
``leadbench plugins check NAME`` tells whether an implementation keeps its promises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor
from torch.distributions import Normal

from leadbench.core.config import ProjectorStage
from leadbench.core.device import sent
from leadbench.core.random import NoiseSource
from leadbench.core.tensors import (
    Condition,
    Latent,
    LatentSpec,
    MotionBatch,
    MotionSample,
    MotionSpec,
    Prediction,
    Projection,
    SplitReport,
    TextSample,
    moved_mask,
)


@runtime_checkable
class TextEncoder(Protocol):
    """Turns captions into a :class:`Condition`. Deterministic; the caller caches.

    A method ``token_counts(captions) -> list[int]`` is optional; captions of one count are then embedded together.
    """

    name: str
    dim: int

    def encode(self, captions: Sequence[str]) -> Condition:
        """Embed captions: tokens [B, L, C], mask [B, L]; pooled encoders have L = 1."""
        ...

    def null(self, batch: int) -> Condition:
        """The encoder's own embedding of the empty caption, repeated to ``batch`` rows."""
        ...


@runtime_checkable
class InvertibleTextEncoder(TextEncoder, Protocol):
    """What motion textual inversion needs: access to the word vectors, differentiably."""

    def word_embedding(self, word: str) -> Tensor:
        """Input vector of a word [T]: the mean over its sub-tokens."""
        ...

    def encode_with(self, captions: Sequence[str], vectors: Mapping[str, Tensor]) -> Condition:
        """Embed captions whose placeholders ``<name>`` are replaced by vectors [T] or [B, T]; differentiable."""
        ...


@runtime_checkable
class MotionAutoencoder(Protocol):
    """Maps normalised motions to latents and back.

    ``motion`` holds the statistics that the autoencoder was trained with: ``encode`` expects a batch
    normalised by them and ``decode`` returns one.
    """

    latent: LatentSpec
    motion: MotionSpec
    fingerprint: str

    def encode(self, motion: MotionBatch) -> Normal:
        """Posterior with loc and scale [B, N, M], in the latent space that denoisers see."""
        ...

    def decode(self, latent: Latent, mask: Tensor) -> MotionBatch:
        """Motions of the lengths that mask [B, F] tells."""
        ...


@runtime_checkable
class Backbone(Protocol):
    """A text-to-latent generator: all that the T2M and latency benchmarks need."""

    name: str
    text_encoder: TextEncoder
    autoencoder: MotionAutoencoder
    default_steps: int

    def supports_steps(self, steps: int) -> bool:
        """Whether ``sample`` can run with that many steps."""
        ...

    def default_guidance(self, steps: int) -> float | None:
        """Guidance scale used where the caller names none; None: the backbone has no guidance."""
        ...

    def sample(
        self,
        condition: Condition,
        motion_mask: Tensor,
        noise: NoiseSource,
        *,
        steps: int,
        guidance: float | None,
    ) -> Latent:
        """Generate latents for a condition [B, L, C] and motion lengths given as a mask [B, F]."""
        ...


@runtime_checkable
class MotionBackbone(Protocol):
    """A generator without a latent space of an autoencoder: retrieval, diffusion of features, tokens, and the like.

    It is evaluated beside backbones with latents; projectors, controls and motion textual inversion need a latent.
    """

    name: str
    text_encoder: TextEncoder
    motion: MotionSpec
    default_steps: int

    def supports_steps(self, steps: int) -> bool:
        """Whether ``generate`` can run with that many steps; one that has no steps supports 1."""
        ...

    def default_guidance(self, steps: int) -> float | None:
        """Guidance scale used where the caller names none; None: it has no guidance."""
        ...

    def generate(
        self,
        condition: Condition,
        motion_mask: Tensor,
        noise: NoiseSource,
        *,
        steps: int,
        guidance: float | None,
    ) -> MotionBatch:
        """Motions of the lengths that the mask [B, F] tells, normalised by ``motion``, for a condition [B, L, C]."""
        ...


@runtime_checkable
class DenoisingBackbone(Backbone, Protocol):
    """A backbone that denoises: what motion textual inversion needs."""

    timesteps: int

    def add_noise(self, clean: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        """Forward process (paper, Eq. 1): noisy latents [B, N, M] at integer timesteps [B]."""
        ...

    def predict(
        self, noisy: Tensor, timestep: Tensor, condition: Condition, *, guidance: float | None = None
    ) -> Prediction:
        """Clean latent and noise estimates (paper, Eq. 10), differentiable in the condition."""
        ...


@runtime_checkable
class TrainableBackbone(Backbone, Protocol):
    """Optional: lets ``leadbench train diffusion --backbone NAME`` train a plugin's backbone, whatever its objective.

    ``network`` is what is trained; ``training_loss`` must read it from that attribute, because validation and moving
    average put a copy in its place. An optional method ``set_average(network)`` is given the moving average before the
    first step, for objectives with a slowly moving target.
    """

    network: torch.nn.Module

    def training_loss(self, clean: Tensor, condition: Condition, draws: NoiseSource) -> Mapping[str, Tensor]:
        """Scalars of a batch of clean latents [B, N, M] and captions, some of them dropped.

        ``loss`` is minimised, and chooses the weights on the validation split; the others are logged. Every random
        number comes from ``draws``: times, noise and whatever else the objective needs, one stream for each row.

        Where several processes share a batch, these are the rows of one of them: terms are means over rows, and what
        needs all rows passes through :func:`leadbench.gathered`.
        """
        ...


@runtime_checkable
class TrainableMotionBackbone(MotionBackbone, Protocol):
    """Optional: the same for a backbone without a latent space, trained on motions."""

    network: torch.nn.Module

    def training_loss(self, motion: MotionBatch, condition: Condition, draws: NoiseSource) -> Mapping[str, Tensor]:
        """Scalars of a batch of motions without padding, normalised by ``motion``; see :class:`TrainableBackbone`."""
        ...


@runtime_checkable
class TrainableAutoencoder(MotionAutoencoder, Protocol):
    """Optional: lets ``leadbench train autoencoder --autoencoder NAME`` train a plugin's autoencoder.

    ``network`` is what is trained and stored; ``training_loss``, ``encode`` and ``decode`` must read it from that
    attribute, because validation and moving average put a copy in its place. ``fingerprint`` must tell its weights.
    """

    network: torch.nn.Module

    def training_loss(self, motion: MotionBatch, draws: NoiseSource) -> Mapping[str, Tensor]:
        """Scalars of a batch of motions without padding, normalised by ``motion``.

        ``loss`` is minimised, and chooses the weights on the validation split; the others are logged. Of several
        processes that share a batch each gets its rows; see :class:`TrainableBackbone`.
        """
        ...


@runtime_checkable
class Projector(Protocol):
    """Realigns latents with a text space and maps them back (paper, section 4.1, Eq. 3).

    A projector belongs to the latent space whose autoencoder has ``latent_fingerprint``.
    """

    latent_fingerprint: str
    text_encoder: str

    def project(self, latent: Latent) -> Projection:
        """Code of a latent: ``aligned`` [B, C] for the cosine, ``tokens`` [B, K, C]."""
        ...

    def reproject(self, projection: Projection) -> Latent:
        """Latent [B, N, M] of a code."""
        ...


@dataclass(frozen=True)
class ProjectorContext:
    """What an untrained projector is made for.

    Attributes:
        latent: tokens N and width M of the latent space.
        latent_fingerprint: of the autoencoder; the projector carries it.
        text_encoder: name of the text space to align to; the projector carries it.
        text_width: C of that space.
        stage: the preset's values for this stage, with variant and ``--set`` applied and the widths above filled in; a
            plugin uses what it needs. They are stored in the card, as ``config``.
        options: an instance of the registration's ``options`` model; None where it names none.
    """

    latent: LatentSpec
    latent_fingerprint: str
    text_encoder: str
    text_width: int
    stage: ProjectorStage
    options: Any = None


@runtime_checkable
class TrainableProjector(Projector, Protocol):
    """Optional: lets ``leadbench train projector --projector NAME`` train a plugin's projector.

    ``network`` is what is trained and stored; ``training_loss`` must read it from that attribute, because validation
    and moving average put a copy in its place.
    """

    network: torch.nn.Module

    def training_loss(self, latent: Tensor, text: Tensor) -> Mapping[str, Tensor]:
        """Scalars of a batch of latents [B, N, M] and text embeddings [B, C].

        ``loss`` is minimised, and chooses the weights on the validation split; the others are logged. Of several
        processes that share a batch each gets its rows; see :class:`TrainableBackbone`.
        """
        ...


@runtime_checkable
class Evaluator(Protocol):
    """Co-embedding of texts and motions in which the metrics are measured.

    ``identity`` is a hash of weights, statistics and word vectors: scores of two identities never meet
    in one table column.
    """

    name: str
    dim: int
    motion: MotionSpec
    identity: str

    def embed_text(self, samples: Sequence[TextSample]) -> Tensor:
        """Text embeddings [B, E], in input order."""
        ...

    def embed_motion(self, motion: MotionBatch) -> Tensor:
        """Motion embeddings [B, E] of a batch normalised by ``motion``, independent of batch neighbours."""
        ...


@runtime_checkable
class MotionDataset(Protocol):
    """Motions with captions in three splits; :class:`leadbench.data.humanml3d.HumanML3DFolder` is the usual one."""

    name: str
    motion: MotionSpec

    @property
    def identity(self) -> str:
        """Hash of its content: records of two datasets never meet in one table."""
        ...

    def ids(self, split: str) -> tuple[str, ...]:
        """Ids of a split (``train``, ``val``, ``test``), in file order."""
        ...

    def load(self, split: str, *, skip_bad: bool = False) -> tuple[list[MotionSample], SplitReport]:
        """Samples of a split, and what was left out; unusable motions are an error unless ``skip_bad``."""
        ...


@dataclass(frozen=True, eq=False)
class GeneratedMotions:
    """Decoded motions as metrics of motions see them.

    Attributes:
        joints: [B, F, J, 3] metres, Y up, floor at 0.
        mask: [B, F], True on real frames.
        skeleton: name of the skeleton (``humanml3d``, ``kit``).
        fps: frames a second.
        latent: what they were decoded from; of no tokens, [B, 0, 0], where the motions are real.
    """

    joints: Tensor
    mask: Tensor
    skeleton: str
    fps: float
    latent: Latent

    def to(self, device: torch.device | str) -> GeneratedMotions:
        """The same on another device."""
        joints, mask = sent(self.joints, device), moved_mask(self.mask, device)
        return replace(self, joints=joints, mask=mask, latent=self.latent.to(device))


MotionMetric = Callable[[GeneratedMotions], Tensor]
"""A metric of single motions: one value each, [B]; the benchmark records the mean over all test motions.

It is given motions on the CPU, unless :func:`on_any_device` says that it works, without waiting, wherever they are.
"""


@dataclass(frozen=True, eq=False)
class MotionSets:
    """Embeddings of one replication by the run's evaluator, on the CPU: what metrics of sets are made of.

    Attributes:
        real: [S, E] of the real motions; for the Real row those of another draw of them.
        generated: [S, E]; row i was made for the caption of real row i.
        text: [S, E] of the captions.
        captions: S texts.
        train: gives [T, E] of the train split, embedded when it is first asked for.
        order: permutation [S] that fills pools.
        seed: keyed by the run's seed and the replication; of whatever a metric draws.
    """

    real: Tensor
    generated: Tensor
    text: Tensor
    captions: tuple[str, ...]
    train: Callable[[], Tensor]
    order: Tensor
    seed: int


SetMetric = Callable[[MotionSets], Mapping[str, float | None]]
"""A metric of sets: the columns of its ``SetMetricRegistration`` by name; None where one is not available."""

Metric = TypeVar("Metric", bound=MotionMetric)


def on_any_device(metric: Metric) -> Metric:
    """Mark a metric that works on whatever device its motions are; they are then not copied to the CPU for it."""
    metric.on_any_device = True  # type: ignore[attr-defined]
    return metric


@runtime_checkable
class Tracker(Protocol):
    """Where the figures of trainings go, beside the card and the terminal: ``leadbench train --track NAME``."""

    def begin(self, training: str, config: Mapping[str, Any], step: int) -> None:
        """A training begins, or goes on after ``step`` steps.

        Args:
            training: its name, such as ``diffusion-minilm``.
            config: of its stage, as JSON holds it.
            step: that were done; what was logged of later ones is of a process that died.
        """
        ...

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Figures after ``step`` steps: ``train/loss`` and the like, ``validation/score`` and the like."""
        ...

    def end(self) -> None:
        """The training has ended, or was interrupted: write what is left."""
        ...
