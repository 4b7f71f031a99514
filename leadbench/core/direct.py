"""Backbones that make motions, not latents, in the form that tasks work with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.distributions import Normal

from leadbench.core.contracts import Backbone, MotionAutoencoder, MotionBackbone
from leadbench.core.errors import ConfigError
from leadbench.core.tensors import Latent, LatentSpec, MotionBatch, MotionSpec

if TYPE_CHECKING:
    from leadbench.core.contracts import TextEncoder
    from leadbench.core.random import NoiseSource
    from leadbench.core.tensors import Condition

NO_LATENT = "none"


class FeatureSpace:
    """Stands where an autoencoder would: what is handed through it are the features themselves.

    It has no tokens and no posterior, so that nothing can be trained on it, attached to it or controlled in it.
    """

    latent = LatentSpec(0, 0)
    fingerprint = NO_LATENT
    concurrent = True

    def __init__(self, motion: MotionSpec) -> None:
        self.motion = motion

    def encode(self, motion: MotionBatch) -> Normal:
        """There is nothing to encode to.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("a backbone without a latent space does not encode")

    def decode(self, latent: Latent, mask: Tensor) -> MotionBatch:
        """The features [B, F, D] that :class:`DirectBackbone` passed on."""
        return MotionBatch(latent.values[:, : mask.shape[1]], mask, self.motion)


class DirectBackbone:
    """A ``MotionBackbone`` as tasks take it: its "latents" are features [B, F, D], which decoding leaves as they are.

    Attributes:
        inner: the backbone.
    """

    def __init__(self, inner: MotionBackbone) -> None:
        self.inner = inner
        self.name = inner.name
        self.text_encoder: TextEncoder = inner.text_encoder
        self.default_steps = inner.default_steps
        self.autoencoder: MotionAutoencoder = FeatureSpace(inner.motion)
        self.concurrent = bool(getattr(inner, "concurrent", False))
        self.dtype = getattr(inner, "dtype", torch.float32)

    def supports_steps(self, steps: int) -> bool:
        """As the backbone says."""
        return self.inner.supports_steps(steps)

    def default_guidance(self, steps: int) -> float | None:
        """As the backbone says."""
        return self.inner.default_guidance(steps)

    def sample(
        self, condition: Condition, motion_mask: Tensor, noise: NoiseSource, *, steps: int, guidance: float | None
    ) -> Latent:
        """Features [B, F, D] of motions of the lengths that the mask tells."""
        made = self.inner.generate(condition, motion_mask, noise, steps=steps, guidance=guidance)
        return Latent(made.features, made.mask)


def latent_form(backbone: Backbone | MotionBackbone) -> Backbone:
    """The backbone itself, or the form in which one without a latent space is evaluated."""
    return backbone if isinstance(backbone, Backbone) else DirectBackbone(backbone)


def require_latent(backbone: Backbone, what: str) -> None:
    """That there is a latent space.

    Raises:
        ConfigError: there is none; ``what`` says who needs it.
    """
    if not has_latent(backbone):
        raise ConfigError(f"backbone {backbone.name!r}: makes motions without a latent space, which {what} needs")


def has_latent(backbone: Backbone) -> bool:
    """Whether there is a latent space: for projectors, controls, reconstruction and inversion."""
    return backbone.autoencoder.fingerprint != NO_LATENT
