"""MotionCLIP (Tevet et al., ECCV 2022) behind the backbone contract: it has latents, and nothing to denoise."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from leadbench.core.contracts import MotionAutoencoder, TextEncoder
from leadbench.core.errors import LatentMismatchError
from leadbench.core.random import NoiseSource
from leadbench.core.tensors import Condition, Latent
from leadbench.plugins.context import Context


class MotionCLIPBackbone:
    """The text embedding, brought to unit length, is the latent: one caption, one motion.

    Args:
        autoencoder: one latent token as wide as the text embedding, aligned with it by cosine; its latents have a mean
            norm of 1 (:func:`leadbench.training.motionclip.match_text_length`).
        text_encoder: what it was aligned with.

    Raises:
        LatentMismatchError: the autoencoder's latent has another shape than a text embedding.
    """

    name = "motionclip"
    default_steps = 1

    def __init__(self, autoencoder: MotionAutoencoder, text_encoder: TextEncoder) -> None:
        latent = autoencoder.latent
        if (latent.tokens, latent.width) != (1, text_encoder.dim):
            raise LatentMismatchError(
                f"backbone 'motionclip': the autoencoder's latent is {latent.tokens} x {latent.width}, an embedding of "
                f"text encoder {text_encoder.name!r} is 1 x {text_encoder.dim}; they must agree"
            )
        self.autoencoder = autoencoder
        self.text_encoder = text_encoder

    def supports_steps(self, steps: int) -> bool:
        """1: there is nothing to repeat."""
        return steps == 1

    def default_guidance(self, steps: int) -> float | None:
        """None: there is no unconditional branch to guide away from."""
        return None

    @torch.no_grad()
    def sample(
        self, condition: Condition, motion_mask: Tensor, noise: NoiseSource, *, steps: int, guidance: float | None
    ) -> Latent:
        """The embeddings as latents [B, 1, C]; noise, length and guidance do not matter.

        Raises:
            LatentMismatchError: the condition comes from another text encoder.
        """
        if condition.encoder != self.text_encoder.name:
            raise LatentMismatchError(
                f"backbone 'motionclip': its latent space is aligned with text encoder {self.text_encoder.name!r}, the "
                f"condition comes from {condition.encoder!r}"
            )
        return Latent.full(normalize(condition.pooled(), dim=-1).unsqueeze(1))


def load(context: Context) -> MotionCLIPBackbone:
    """MotionCLIP from a model folder (``leadbench train motionclip``)."""
    models = context.models
    autoencoder = models.autoencoder("motionclip")
    return MotionCLIPBackbone(autoencoder, models.text_encoder(models.card("motionclip").links["text_encoder"]))
