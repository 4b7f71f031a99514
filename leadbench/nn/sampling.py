"""Classifier-free guidance, and the DDIM and LCM loops of MLD and MotionLCM.

The DDIM step comes from diffusers. The LCM step (Luo et al., 2023, latent consistency models) is written out, because
diffusers' draws its own noise, and here every random number is the caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from leadbench.core.device import sent
from leadbench.core.errors import ConfigError
from leadbench.core.tensors import Condition
from leadbench.nn.schedule import TIMESTEPS, NoiseSchedule, make_scheduler, skipped_timesteps

Denoise = Callable[[Tensor, Tensor], Tensor]
"""(noisy [B, N, M], timestep scalar) -> noise [B, N, M]."""
ConditionalDenoise = Callable[[Tensor, Tensor, Condition], Tensor]
"""The same under a condition of B rows."""

_LCM_V1_STEPS = 50
_LCM_V2_TIMESTEPS = {1: (799,), 2: (699, 299), 4: (699, 399, 299, 299)}
_LCM_V2_GUIDANCE = {1: 8.0, 2: 12.5, 4: 13.5}

LcmVersion = Literal["v1", "v2"]


@dataclass(frozen=True, eq=False)
class Branches:
    """The two conditions of classifier-free guidance, B rows each; ``unconditional`` None: never guided."""

    conditional: Condition
    unconditional: Condition | None = None

    def guided(self, denoise: ConditionalDenoise, guidance: float | None) -> Denoise:
        """A denoiser that runs both branches as one batch: uncond + guidance (cond - uncond).

        Guidance None or at most 1 runs the conditional branch alone. Raises ConfigError where guidance needs
        an unconditional branch and there is none.
        """
        if guidance is None or guidance <= 1:
            return lambda noisy, timestep: denoise(noisy, timestep, self.conditional)
        scale, both = guidance, self.stacked(guidance)

        def run(noisy: Tensor, timestep: Tensor) -> Tensor:
            unconditional, conditional = denoise(torch.cat([noisy, noisy]), timestep, both).chunk(2)
            return unconditional + scale * (conditional - unconditional)

        return run

    def stacked(self, guidance: float) -> Condition:
        """Both conditions as one batch of 2 B rows, the unconditional ones first.

        Raises ConfigError where there is no unconditional branch.
        """
        if self.unconditional is None:
            raise ConfigError(f"guidance {guidance}: needs the unconditional branch, the embedding of the empty text")
        return Condition.stacked(self.unconditional, self.conditional)


def ddim_sample(
    denoise: ConditionalDenoise, noise: Tensor, *, steps: int, guidance: float | None, branches: Branches
) -> Tensor:
    """Latents [B, N, M] from Gaussian noise [B, N, M] by deterministic DDIM (eta 0), as MLD samples.

    Timesteps are evenly spaced from the low end ("leading", plus 1): 50 steps visit 981, 961, ..., 1. So very few
    steps never visit the noisiest times: 1 step visits 1 alone. The last step goes to timestep 0, not to no noise.
    Raises ConfigError unless steps is 1 to 999: with the offset of 1, 1,000 steps would start beyond the last timestep.
    """
    from diffusers import DDIMScheduler  # takes a second to import

    predict = branches.guided(denoise, guidance)
    scheduler = make_scheduler(DDIMScheduler, steps_offset=1)
    latents = noise
    scheduler.set_timesteps(_checked_steps(steps, TIMESTEPS - 1))
    for timestep, moment in _moments(scheduler.timesteps.tolist(), noise.device):
        latents = scheduler.step(predict(latents, moment), timestep, latents).prev_sample
    return latents


def lcm_sample(
    denoise: Denoise, noise: Tensor, *, timesteps: Sequence[int], fresh_noise: Callable[[int], Tensor]
) -> Tensor:
    """Latents [B, N, M] from Gaussian noise [B, N, M] by multi-step consistency sampling, as MotionLCM samples.

    ``timesteps`` come from :func:`lcm_timesteps`; ``fresh_noise(i)`` gives the noise [B, N, M] that is added
    after step i, for every step but the last. Raises ConfigError for no timesteps or one outside the schedule.
    """
    schedule = NoiseSchedule.scaled_linear(noise.device)
    if not timesteps or not all(0 <= t < schedule.timesteps for t in timesteps):
        raise ConfigError(f"timesteps: need one or more of 0 to {schedule.timesteps - 1}, got {list(timesteps)}")
    latents = noise
    for i, (timestep, moment) in enumerate(_moments(timesteps, noise.device)):
        clean = schedule.clean_from_noise(latents, denoise(latents, moment), timestep)
        skip, out = boundary_scalings(timestep)
        latents = skip * latents + out * clean
        if i + 1 < len(timesteps):
            latents = schedule.add_noise(latents, fresh_noise(i), timesteps[i + 1])
    return latents


def boundary_scalings(timestep: Tensor | int) -> tuple[Tensor, Tensor]:
    """c_skip and c_out of a consistency function, c_skip x + c_out x0, shaped like ``timestep``.

    With s = 10 t: 0.25 / (s^2 + 0.25) and s / sqrt(s^2 + 0.25) (latent consistency models, data sigma 0.5).

    >>> [float(c) for c in boundary_scalings(0)]
    [1.0, 0.0]
    """
    s = torch.as_tensor(timestep, dtype=torch.float32) * 10.0
    return 0.25 / (s**2 + 0.25), s / (s**2 + 0.25).sqrt()


def lcm_timesteps(version: LcmVersion, steps: int) -> tuple[int, ...]:
    """Timesteps of MotionLCM: v1 by the rule of diffusers' LCMScheduler, v2 by its table.

    Raises ConfigError for unsupported steps: v1 takes 1 to 50, v2 takes 1, 2 and 4.

    >>> lcm_timesteps("v1", 4), lcm_timesteps("v2", 4)
    ((999, 759, 499, 259), (699, 399, 299, 299))
    """
    if version == "v2":
        return _LCM_V2_TIMESTEPS[_checked_v2(steps)]
    return skipped_timesteps(_checked_steps(steps, _LCM_V1_STEPS), _LCM_V1_STEPS)


def lcm_guidance(version: LcmVersion, steps: int) -> float:
    """Default guidance of MotionLCM: 7.5 in v1, 8.0 / 12.5 / 13.5 at 1 / 2 / 4 steps in v2 (w is one less).

    Raises ConfigError for steps that v2 does not support.
    """
    return _LCM_V2_GUIDANCE[_checked_v2(steps)] if version == "v2" else 7.5


def _checked_steps(steps: int, most: int) -> int:
    if not 1 <= steps <= most:
        raise ConfigError(f"steps: got {steps}, allowed are 1 to {most}")
    return steps


def _checked_v2(steps: int) -> int:
    if steps not in _LCM_V2_TIMESTEPS:
        allowed = ", ".join(map(str, _LCM_V2_TIMESTEPS))
        raise ConfigError(f"steps: got {steps}, MotionLCM v2 has timesteps for {allowed} only")
    return steps


def _moments(timesteps: Sequence[int], device: torch.device) -> list[tuple[int, Tensor]]:
    """Each timestep as an int, for coefficients, and as a scalar tensor on ``device``, copied there all at once."""
    return list(zip(timesteps, sent(torch.tensor(timesteps), device).unbind(), strict=True))
