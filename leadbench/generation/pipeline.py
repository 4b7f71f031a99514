"""Captions to features: text encoder, denoiser, projector, decoder, in that order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from leadbench.core.contracts import Backbone, MotionAutoencoder, Projector
from leadbench.core.errors import LatentMismatchError
from leadbench.core.random import NoiseSource
from leadbench.core.tensors import Latent, MotionBatch

LatentMap = Callable[[Latent, Tensor], Latent]
"""Latents of motions to others, given the mask [B, F] of their lengths: a projector's round trip, or a control."""


@torch.no_grad()
def sample_latents(
    backbone: Backbone,
    captions: Sequence[str],
    mask: Tensor,
    noise: NoiseSource,
    *,
    steps: int,
    guidance: float | None,
) -> Latent:
    """Latents [B, N, M] of captions for motions of the lengths in ``mask`` [B, F]."""
    condition = backbone.text_encoder.encode(captions).to(mask.device)
    return backbone.sample(condition, mask, noise, steps=steps, guidance=guidance)


@torch.no_grad()
def decode_latents(autoencoder: MotionAutoencoder, latent: Latent, mask: Tensor, edit: LatentMap | None) -> MotionBatch:
    """Motions of latents, after ``edit`` (a projector's round trip, or a control in its place)."""
    return autoencoder.decode(latent if edit is None else edit(latent, mask), mask)


def realign(projector: Projector, autoencoder: MotionAutoencoder, *, allow_mismatch: bool = False) -> LatentMap:
    """The projector's round trip as a map of latents (paper, section 4.1.3).

    Raises:
        LatentMismatchError: the projector was aligned to another latent space and ``allow_mismatch`` is off.
    """
    if projector.latent_fingerprint != autoencoder.fingerprint and not allow_mismatch:
        raise LatentMismatchError(
            f"projector: aligned to latent space {projector.latent_fingerprint[:12]}, the backbone's autoencoder has "
            f"{autoencoder.fingerprint[:12]}; a projector only knows the latents it was trained on (train one for this "
            f"autoencoder, or pass --allow-latent-mismatch)"
        )
    return lambda latent, mask: projector.reproject(projector.project(latent))
