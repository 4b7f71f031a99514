"""The noise schedule of MLD and MotionLCM, and the timesteps that its samplers visit.

The numbers are those of diffusers' schedulers, which tests compare for every step count; the schedulers themselves are
imported by who steps with them, since diffusers takes a second to import (it brings torch's compiler).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from leadbench.core.device import sent

TIMESTEPS = 1000
"""Of training."""

_BETAS = 0.00085, 0.012
_OPTIONS = {
    "num_train_timesteps": TIMESTEPS,
    "beta_start": _BETAS[0],
    "beta_end": _BETAS[1],
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
}


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """How much of a clean latent is left at each timestep: ``alphas_cumprod`` [T], float32.

    Timesteps are an int, a scalar tensor, or a tensor [B] on the device of the latents, where the schedule goes too.
    """

    alphas_cumprod: Tensor

    @classmethod
    def scaled_linear(cls, device: torch.device | str = "cpu") -> NoiseSchedule:
        """The schedule of MLD and MotionLCM: 1,000 steps, square roots of beta linear from 0.00085 to 0.012.

        >>> NoiseSchedule.scaled_linear().timesteps
        1000
        """
        first, last = (beta**0.5 for beta in _BETAS)
        betas = torch.linspace(first, last, TIMESTEPS, dtype=torch.float32) ** 2
        return cls(torch.cumprod(1.0 - betas, dim=0).to(device))

    @cached_property
    def _elsewhere(self) -> dict[str, Tensor]:
        """Device -> the same numbers there."""
        return {}

    @property
    def timesteps(self) -> int:
        """T, the number of training timesteps."""
        return int(self.alphas_cumprod.shape[0])

    def to(self, device: torch.device | str) -> NoiseSchedule:
        """The same schedule on another device."""
        return NoiseSchedule(self.alphas_cumprod.to(device))

    def signal(self, timestep: Tensor | int, like: Tensor) -> Tensor:
        """sqrt(a_t), shaped to multiply ``like`` [B, N, M]."""
        return self._at(timestep, like).sqrt()

    def sigma(self, timestep: Tensor | int, like: Tensor) -> Tensor:
        """sqrt(1 - a_t), shaped to multiply ``like`` [B, N, M]."""
        return (1.0 - self._at(timestep, like)).sqrt()

    def add_noise(self, clean: Tensor, noise: Tensor, timestep: Tensor | int) -> Tensor:
        """Noisy latents [B, N, M] at a timestep."""
        return self.signal(timestep, clean) * clean + self.sigma(timestep, clean) * noise

    def clean_from_noise(self, noisy: Tensor, noise: Tensor, timestep: Tensor | int) -> Tensor:
        """Clean latents [B, N, M] that a noise prediction implies."""
        return (noisy - self.sigma(timestep, noisy) * noise) / self.signal(timestep, noisy)

    def noise_from_clean(self, noisy: Tensor, clean: Tensor, timestep: Tensor | int) -> Tensor:
        """Noise [B, N, M] that a prediction of the clean latents implies."""
        return (noisy - self.signal(timestep, noisy) * clean) / self.sigma(timestep, noisy)

    def _at(self, timestep: Tensor | int, like: Tensor) -> Tensor:
        table = self.alphas_cumprod
        if table.device != like.device:
            table = self._elsewhere.setdefault(str(like.device), sent(table, like.device))
        if isinstance(timestep, Tensor) and not timestep.ndim:
            timestep = timestep[None]  # as a number it would have to be read from the device
        alpha = table[timestep]
        return alpha.reshape(alpha.shape + (1,) * (like.ndim - 1)) if alpha.ndim else alpha


def leading_timesteps(steps: int, offset: int = 1) -> tuple[int, ...]:
    """Timesteps of DDIM with "leading" spacing: multiples of T // steps from the highest down to 0, plus an offset.

    >>> leading_timesteps(4)
    (751, 501, 251, 1)
    """
    return tuple(TIMESTEPS // steps * index + offset for index in reversed(range(steps)))


def skipped_timesteps(steps: int, original: int) -> tuple[int, ...]:
    """Timesteps of latent consistency models: of the ``original`` ones they were distilled on, ``steps`` evenly spaced.

    >>> skipped_timesteps(4, 50)
    (999, 759, 499, 259)
    """
    apart = TIMESTEPS // original
    known = [apart * (index + 1) - 1 for index in reversed(range(original))]
    return tuple(known[index * original // steps] for index in range(steps))


def make_scheduler(kind: Any, **options: int) -> Any:
    """A diffusers scheduler (their classes are untyped) with the options that MLD and MotionLCM share."""
    return kind(**_OPTIONS, **options)
