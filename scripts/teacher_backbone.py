"""A plugin for experiments: MLD as the consistency model that MotionLCM should be.

Where a consistency model predicts the end of the teacher's guided trajectory, this backbone goes there by DDIM; noise
is added between its steps as MotionLCM adds it. What it scores at 1, 2, 4, 8 steps is what a perfect student would.

    leadbench run --plugin scripts/teacher_backbone.py --backbone teacher --steps 1,2,4,8 --guidance 1,2,7.5 ...
"""

from __future__ import annotations

import torch
from torch import Tensor

from leadbench import BackboneRegistration, Condition, Context, Latent, NoiseSource, hookimpl
from leadbench.nn.sampling import lcm_timesteps
from leadbench.nn.schedule import NoiseSchedule

STRIDE = 20


class Teacher:
    """MLD's denoiser in MotionLCM's sampling loop."""

    name, default_steps = "teacher", 1

    def __init__(self, context: Context) -> None:
        self.mld = context.backbone("mld")
        self.autoencoder, self.text_encoder = self.mld.autoencoder, self.mld.text_encoder
        self.schedule = NoiseSchedule.scaled_linear()

    def supports_steps(self, steps: int) -> bool:
        """Those of MotionLCM."""
        return 1 <= steps <= 50

    def default_guidance(self, steps: int) -> float:
        """MLD's."""
        return self.mld.default_guidance(steps) or 1.0

    @torch.no_grad()
    def sample(
        self, condition: Condition, motion_mask: Tensor, noise: NoiseSource, *, steps: int, guidance: float | None
    ) -> Latent:
        """The end of the trajectory from each of MotionLCM's timesteps, noised again in between."""
        spec = self.autoencoder.latent
        shape, null = (spec.tokens, spec.width), self.text_encoder.null(len(noise))
        times = [int(time) for time in lcm_timesteps("v1", steps)]
        latent = noise.normal("initial", shape)
        for number, time in enumerate(times):
            latent = self._end(latent, time, condition, null, guidance or 1.0)
            if number + 1 < len(times):
                after = torch.full((len(latent),), times[number + 1])
                latent = self.schedule.add_noise(latent, noise.normal("lcm", shape, number), after)
        return Latent.full(latent)

    def _end(self, latent: Tensor, start: int, text: Condition, null: Condition, scale: float) -> Tensor:
        for now in range(start, 0, -STRIDE):
            at, after = torch.full((len(latent),), now), torch.full((len(latent),), max(now - STRIDE, 0))
            given, free = (self.mld.network(latent, at, c.tokens, text_mask=c.mask) for c in (text, null))
            predicted = free + scale * (given - free)
            clean = self.schedule.clean_from_noise(latent, predicted, at)
            latent = self.schedule.add_noise(clean, predicted, after)
        return latent


@hookimpl
def leadbench_backbones() -> list[BackboneRegistration]:
    """Offer ``teacher``."""
    return [BackboneRegistration("teacher", "MLD in MotionLCM's loop", Teacher, display="Teacher", few_step=True)]
