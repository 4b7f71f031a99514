"""Stage 2: the latent denoiser (paper, Eq. 2): noise-prediction MSE with caption dropout for guidance."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from leadbench.core.config import DiffusionStage
from leadbench.core.device import normal_like, sent
from leadbench.core.shards import own_rows
from leadbench.nn.denoiser import Denoiser
from leadbench.nn.schedule import NoiseSchedule
from leadbench.training.latents import LatentSet, training_batch


class DiffusionTask:
    """Trains a :class:`Denoiser` on pre-encoded latents."""

    def __init__(self, stage: DiffusionStage, train: LatentSet, val: LatentSet) -> None:
        self._stage, self._train, self._val = stage, train, val
        self._schedule = NoiseSchedule.scaled_linear()
        self.name = f"diffusion-{train.text.encoder}"
        self.model: nn.Module = Denoiser(stage.architecture)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """MSE between drawn and predicted noise at uniform timesteps."""
        stage = self._stage
        clean, condition = training_batch(self._train, stage.loop, self.name, step, stage.caption_dropout)
        own = own_rows(len(clean))
        noise = normal_like(clean)[own]
        timestep = sent(torch.randint(self._schedule.timesteps, (len(clean),)), clean.device)[own]
        clean, condition = clean[own], condition[own]
        predicted = self.model(
            self._schedule.add_noise(clean, noise, timestep), timestep, condition.tokens, text_mask=condition.mask
        )
        return nn.functional.mse_loss(predicted, noise), {}

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """Noise MSE on the validation split, with the same noise and timesteps every time."""
        generator = torch.Generator().manual_seed(self._stage.loop.seed)
        rounds = 4
        errors = []
        rows = list(range(len(self._val)))
        for number in range(rounds):
            clean = self._val.sample(rows, generator)
            noise = sent(torch.randn(clean.shape, generator=generator), clean.device)
            timestep = sent(torch.randint(self._schedule.timesteps, (len(rows),), generator=generator), clean.device)
            condition = self._val.text[self._val.caption_rows(rows, 0, "validate", number)]
            predicted = model(
                self._schedule.add_noise(clean, noise, timestep), timestep, condition.tokens, text_mask=condition.mask
            )
            errors.append((predicted - noise).square().mean())
        return {"score": sum(torch.stack(errors).cpu().tolist()) / rounds}
