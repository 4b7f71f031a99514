"""MLD (Chen et al., CVPR 2023) behind the backbone contract."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from leadbench.core.contracts import MotionAutoencoder, TextEncoder
from leadbench.core.random import NoiseSource
from leadbench.core.tensors import Condition, Latent, Prediction
from leadbench.engine.sample import sample_ddim
from leadbench.nn.denoiser import Denoiser
from leadbench.nn.sampling import Branches
from leadbench.nn.schedule import NoiseSchedule
from leadbench.plugins.context import Context

GUIDANCE = 7.5
"""The published scale."""


class MLDBackbone:
    """A noise-predicting latent denoiser with DDIM sampling and classifier-free guidance.

    Args:
        denoiser: without guidance input.
        autoencoder, text_encoder: the latent and text spaces that the denoiser was trained in.
        guidance: default guidance scale.
        dtype: of the denoiser's weights and products, float32 or bfloat16.
    """

    name = "mld"
    default_steps = 50
    concurrent = True

    def __init__(
        self,
        denoiser: Denoiser,
        autoencoder: MotionAutoencoder,
        text_encoder: TextEncoder,
        guidance: float = GUIDANCE,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.network = denoiser
        self.autoencoder = autoencoder
        self.text_encoder = text_encoder
        self._guidance = guidance
        self.dtype = dtype
        self._schedule = NoiseSchedule.scaled_linear()
        self.timesteps = self._schedule.timesteps

    def supports_steps(self, steps: int) -> bool:
        """1 to 999 DDIM steps: with its offset of 1, a thousandth would start beyond the last timestep."""
        return 1 <= steps < self.timesteps

    def default_guidance(self, steps: int) -> float:
        """The same at every number of steps."""
        return self._guidance

    @torch.no_grad()
    def sample(
        self, condition: Condition, motion_mask: Tensor, noise: NoiseSource, *, steps: int, guidance: float | None
    ) -> Latent:
        """DDIM from the noise stream ``initial``; the latent does not depend on the motion's length."""
        spec = self.autoencoder.latent
        start = noise.normal("initial", (spec.tokens, spec.width)).to(condition.tokens.device)
        branches = Branches(condition, self.text_encoder.null(len(noise)).to(start.device))
        return Latent.full(sample_ddim(self.network, start, steps, branches, guidance, self.dtype))

    def add_noise(self, clean: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        """Forward process."""
        return self._schedule.add_noise(clean, noise, timestep)

    def predict(
        self, noisy: Tensor, timestep: Tensor, condition: Condition, *, guidance: float | None = None
    ) -> Prediction:
        """Noise and the clean latent that it implies."""
        null = self.text_encoder.null(noisy.shape[0]) if guidance is not None and guidance > 1 else None
        # the branches run as one batch, so timesteps are repeated for the unconditional half
        predicted = Branches(condition, null).guided(
            lambda x, t, c: self._denoise(x, t.repeat(x.shape[0] // t.shape[0]) if t.ndim else t, c), guidance
        )(noisy, timestep)
        return Prediction(self._schedule.clean_from_noise(noisy, predicted, timestep), predicted)

    def training_loss(self, clean: Tensor, condition: Condition, draws: NoiseSource) -> Mapping[str, Tensor]:
        """MSE between true and predicted noise (paper, Eq. 2) at uniform timesteps."""
        noise = draws.normal("noise", clean.shape[1:])
        timestep = (draws.uniform("timestep") * self.timesteps).long()
        noisy = self.add_noise(clean, noise, timestep)
        return {"loss": mse_loss(self.predict(noisy, timestep, condition).noise, noise)}

    def _denoise(self, noisy: Tensor, timestep: Tensor, condition: Condition) -> Tensor:
        predicted: Tensor = self.network(noisy, timestep, condition.tokens, text_mask=condition.mask)
        return predicted


def load(context: Context) -> MLDBackbone:
    """MLD from its official checkpoint, else from a model folder: its denoiser, of MiniLM where there are several."""
    models = context.models
    official = models.official("mld")
    if official is not None:
        encoder = models.text_encoder(official.text_encoder)
        return MLDBackbone(official.denoiser, official.autoencoder, encoder, dtype=models.dtype)
    denoiser, card = models.chosen_denoiser("diffusion", "mld", preferred="minilm")
    encoder = models.text_encoder(str(card.text_encoder))
    return MLDBackbone(denoiser, models.autoencoder(), encoder, card.config.get("guidance") or GUIDANCE, models.dtype)
