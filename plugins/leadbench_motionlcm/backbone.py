"""MotionLCM, versions 1 and 2 (Dai et al., ECCV 2024), behind the backbone contract."""

from __future__ import annotations

import torch
from torch import Tensor

from leadbench.core.contracts import MotionAutoencoder, TextEncoder
from leadbench.core.errors import WeightsError
from leadbench.core.random import NoiseSource
from leadbench.core.tensors import Condition, Latent, Prediction
from leadbench.engine.sample import LcmNoise, sample_lcm
from leadbench.nn.denoiser import Denoiser
from leadbench.nn.sampling import LcmVersion, lcm_guidance, lcm_timesteps
from leadbench.nn.schedule import NoiseSchedule
from leadbench.plugins.context import Context


class MotionLCMBackbone:
    """A latent consistency model: the guidance scale is an input of the network, so one call makes one step.

    Args:
        denoiser: with guidance input.
        autoencoder, text_encoder: the latent and text spaces that the denoiser was distilled in.
        version: ``v1`` or ``v2``, which differ in timesteps and default guidance.
        dtype: of the denoiser's weights and products, float32 or bfloat16.
        guidance: default guidance scale; None: the published ones.
    """

    default_steps = 1
    concurrent = True

    def __init__(
        self,
        denoiser: Denoiser,
        autoencoder: MotionAutoencoder,
        text_encoder: TextEncoder,
        version: LcmVersion = "v1",
        dtype: torch.dtype = torch.float32,
        guidance: float | None = None,
    ) -> None:
        self._guidance = guidance
        self.name = "motionlcm" if version == "v1" else f"motionlcm-{version}"
        self._version: LcmVersion = version
        self.denoiser = denoiser
        self.dtype = dtype
        self.autoencoder = autoencoder
        self.text_encoder = text_encoder
        self._schedule = NoiseSchedule.scaled_linear()
        self.timesteps = self._schedule.timesteps

    def supports_steps(self, steps: int) -> bool:
        """Version 1: 1 to 50, the steps of the solver that was distilled; version 2: 1, 2 and 4."""
        return 1 <= steps <= 50 if self._version == "v1" else steps in (1, 2, 4)

    def default_guidance(self, steps: int) -> float:
        """That of the card, if it has one; version 1: 7.5; version 2: 8.0, 12.5 and 13.5 at 1, 2 and 4 steps."""
        return lcm_guidance(self._version, steps) if self._guidance is None else self._guidance

    @torch.no_grad()
    def sample(
        self, condition: Condition, motion_mask: Tensor, noise: NoiseSource, *, steps: int, guidance: float | None
    ) -> Latent:
        """Multi-step consistency sampling; step i adds the noise of stream ``lcm`` at i."""
        spec = self.autoencoder.latent
        shape, device = (spec.tokens, spec.width), condition.tokens.device
        fresh = [noise.normal("lcm", shape, step).to(device) for step in range(steps - 1)]
        given = LcmNoise(noise.normal("initial", shape).to(device), fresh)
        timesteps = lcm_timesteps(self._version, steps)
        return Latent.full(
            sample_lcm(self.denoiser, given, timesteps, condition, self._scale(guidance, steps), self.dtype)
        )

    def add_noise(self, clean: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
        """Forward process."""
        return self._schedule.add_noise(clean, noise, timestep)

    def predict(
        self, noisy: Tensor, timestep: Tensor, condition: Condition, *, guidance: float | None = None
    ) -> Prediction:
        """Noise and the clean latent that it implies; guidance None is the distilled default."""
        weight = torch.full((len(noisy),), self._scale(guidance, 1) - 1.0, device=noisy.device)
        predicted = self.denoiser(noisy, timestep, condition.tokens, weight, condition.mask)
        return Prediction(self._schedule.clean_from_noise(noisy, predicted, timestep), predicted)

    def _scale(self, guidance: float | None, steps: int) -> float:
        return self.default_guidance(steps) if guidance is None else guidance


def load(context: Context) -> MotionLCMBackbone:
    """MotionLCM from its official checkpoint, else from a model folder (of WordLlama if there are several)."""
    models = context.models
    official = models.official("motionlcm")
    if official is not None:
        encoder = models.text_encoder(official.text_encoder)
        return MotionLCMBackbone(official.denoiser, official.autoencoder, encoder, dtype=models.dtype)
    denoiser, card = models.chosen_denoiser("consistency", "motionlcm", preferred="wordllama")
    encoder = models.text_encoder(str(card.text_encoder))
    guidance = card.config.get("guidance")
    return MotionLCMBackbone(denoiser, models.autoencoder(), encoder, dtype=models.dtype, guidance=guidance)


def load_v2(context: Context) -> MotionLCMBackbone:
    """MotionLCM, version 2, from its official checkpoint.

    Raises:
        WeightsError: there is none.
    """
    models = context.models
    official = models.official("motionlcm-v2")
    if official is None:
        raise WeightsError(
            "backbone 'motionlcm-v2': no checkpoint (--checkpoint motionlcm-v2=FILE, or leadbench zoo import FILE)"
        )
    encoder = models.text_encoder(official.text_encoder)
    return MotionLCMBackbone(official.denoiser, official.autoencoder, encoder, version="v2", dtype=models.dtype)
