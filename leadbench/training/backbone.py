"""Training of any backbone that brings its own loss, on pre-encoded latents."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from leadbench.core.config import DiffusionStage
from leadbench.core.contracts import TrainableBackbone
from leadbench.core.device import normal_like, sent
from leadbench.training.latents import LatentSet, training_batch


class BackboneTask:
    """Trains ``backbone.network`` by ``backbone.training_loss``, with captions dropped as for bundled denoisers."""

    def __init__(self, name: str, backbone: TrainableBackbone, stage: DiffusionStage, train: LatentSet, val: LatentSet):
        self.name = f"backbone-{name}"
        self._backbone, self._stage, self._train, self._val = backbone, stage, train, val
        self.model: nn.Module = backbone.network.requires_grad_(True)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The backbone's loss at uniform timesteps."""
        stage = self._stage
        clean, condition = training_batch(self._train, stage.loop, self.name, step, stage.caption_dropout)
        timestep = sent(torch.randint(self._backbone.timesteps, (len(clean),)), clean.device)
        return self._backbone.training_loss(clean, condition, normal_like(clean), timestep), {}

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """The same loss on the validation split, with the same noise and timesteps every time."""
        generator = torch.Generator().manual_seed(self._stage.loop.seed)
        rows = list(range(len(self._val)))
        clean = self._val.sample(rows, generator)
        noise = sent(torch.randn(clean.shape, generator=generator), clean.device)
        timestep = sent(torch.randint(self._backbone.timesteps, (len(rows),), generator=generator), clean.device)
        condition = self._val.text[self._val.caption_rows(rows, 0, "validate", 0)]
        trained, self._backbone.network = self._backbone.network, model
        try:
            return {"score": float(self._backbone.training_loss(clean, condition, noise, timestep))}
        finally:
            self._backbone.network = trained
