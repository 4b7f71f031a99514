"""Sampling a latent with a denoiser: one call for DDIM and one for LCM, on the prepared engine where there is one.

Both give the same latents to rounding; the plain loops of :mod:`leadbench.nn.sampling` are the reference, and run
what no engine prepares: networks of other types, networks in training, and calls whose gradients are wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from leadbench.core.errors import ConfigError
from leadbench.core.tensors import Condition
from leadbench.engine.denoise import DenoiseEngine, Guide, engine_for
from leadbench.engine.plan import ddim_plan, lcm_plan
from leadbench.nn.sampling import Branches, ddim_sample, lcm_sample


class NoisePredictor(Protocol):
    """A denoising network with the signature of :class:`leadbench.nn.denoiser.Denoiser`, the one with an engine."""

    def __call__(
        self,
        noisy: Tensor,
        timestep: Tensor,
        text: Tensor,
        guidance_weight: Tensor | None = None,
        text_mask: Tensor | None = None,
    ) -> Tensor:
        """Noise [B, N, M] in latents [B, N, M] at a scalar timestep under text tokens [B, L, C]."""


@dataclass(frozen=True, eq=False)
class LcmNoise:
    """All noise of consistency sampling: where it starts, [B, N, M], and what is added after each step but the last."""

    start: Tensor
    fresh: Sequence[Tensor] = ()


def sample_ddim(
    network: NoisePredictor,
    noise: Tensor,
    steps: int,
    branches: Branches,
    guidance: float | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Latents [B, N, M] from Gaussian noise [B, N, M] by deterministic DDIM, as MLD samples (Chen et al. 2023).

    Args:
        network: predicts noise; it is called without a guidance weight.
        steps: 1 to 999 (:func:`leadbench.nn.sampling.ddim_sample` gives the timesteps).
        branches: the conditions of classifier-free guidance, B rows each.
        guidance: scale; None or at most 1 runs the conditional branch alone.
        dtype: of the engine's weights and products, float32 or bfloat16; the plain loop uses the network's own.

    Raises:
        ConfigError: ``steps`` out of range, guidance without an unconditional branch, or text of another width.
        LatentMismatchError: noise of another shape than the network takes.
    """
    engine = _engine(network, dtype, noise, branches.conditional, branches.unconditional)
    if engine is not None:
        return engine.sample(noise, ddim_plan(steps), Guide.of(branches, guidance))

    def denoise(noisy: Tensor, timestep: Tensor, condition: Condition) -> Tensor:
        return network(noisy, timestep, condition.tokens, text_mask=condition.mask)

    return ddim_sample(denoise, noise, steps=steps, guidance=guidance, branches=branches)


def sample_lcm(
    network: NoisePredictor,
    noise: LcmNoise,
    timesteps: Sequence[int],
    condition: Condition,
    guidance: float,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Latents [B, N, M] by multi-step consistency sampling, as MotionLCM samples (Dai et al. 2024).

    Args:
        network: predicts noise; it takes the guidance weight w = guidance - 1 as an input.
        noise: start [B, N, M], and as many tensors of that shape as there are timesteps, less one.
        timesteps: of :func:`leadbench.nn.sampling.lcm_timesteps`.
        condition: text of B rows.
        guidance: scale.
        dtype: of the engine's weights and products, float32 or bfloat16; the plain loop uses the network's own.

    Raises:
        ConfigError: no timesteps or one outside the schedule, another number of noises, text of another width, or a
            network without guidance input.
        LatentMismatchError: noise of another shape than the network takes.
    """
    if len(noise.fresh) != max(len(timesteps) - 1, 0):
        raise ConfigError(f"noise: {len(timesteps)} timesteps take one fewer fresh noises, got {len(noise.fresh)}")
    engine = _engine(network, dtype, noise.start, condition)
    if engine is not None:
        guide = Guide(condition, weight=guidance - 1.0)
        return engine.sample(noise.start, lcm_plan(tuple(timesteps)), guide, noise.fresh)
    weight = torch.full((len(noise.start),), guidance - 1.0, device=noise.start.device)

    def denoise(noisy: Tensor, timestep: Tensor) -> Tensor:
        return network(noisy, timestep, condition.tokens, weight, condition.mask)

    return lcm_sample(denoise, noise.start, timesteps=timesteps, fresh_noise=noise.fresh.__getitem__)


def _engine(
    network: NoisePredictor, dtype: torch.dtype, noise: Tensor, *conditions: Condition | None
) -> DenoiseEngine | None:
    """The network's engine as it is now; None where there is none, or where autograd would record the loop."""
    if torch.is_grad_enabled():
        given = [noise, *(condition.tokens for condition in conditions if condition is not None)]
        given += network.parameters() if isinstance(network, nn.Module) else []
        if any(tensor.requires_grad for tensor in given):
            return None
    return engine_for(network, dtype)
