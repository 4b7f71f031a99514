"""Tiny deterministic implementations of the contracts, without training and without text encoders."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Normal

from leadbench.core.random import NoiseSource
from leadbench.core.tensors import Condition, Latent, LatentSpec, MotionBatch, MotionSpec, TextSample

WIDTH = 8


class FakeTextEncoder:
    name, dim = "fake", 4

    def __init__(self) -> None:
        self.seen: list[str] = []

    def encode(self, captions: Sequence[str]) -> Condition:
        self.seen += captions
        tokens = torch.tensor([[[len(c), c.count("a"), c.count("e"), 1.0]] for c in captions])
        return Condition(tokens, torch.ones(len(captions), 1, dtype=torch.bool), self.name)

    def null(self, batch: int) -> Condition:
        return self.encode([""]).expand(batch)


class FakeAutoencoder:
    """Latent: the mean frame's first features; decoding repeats it, with a ramp so that frames differ."""

    fingerprint = "fake-space"

    def __init__(self, motion: MotionSpec) -> None:
        self.motion = motion
        self.latent = LatentSpec(1, WIDTH)

    def encode(self, motion: MotionBatch) -> Normal:
        mean = (motion.features * motion.mask[..., None]).sum(1) / motion.lengths[:, None]
        loc = mean[:, None, :WIDTH]
        return Normal(loc, torch.full_like(loc, 0.1), validate_args=False)

    def decode(self, latent: Latent, mask: Tensor) -> MotionBatch:
        frames = mask.shape[1]
        features = torch.zeros(*mask.shape, self.motion.width)
        features[..., :WIDTH] = latent.values.expand(-1, frames, -1)
        features = features + 0.01 * torch.arange(frames)[None, :, None]
        return MotionBatch(features * mask[..., None], mask, self.motion)


class FakeEvaluator:
    name, dim, identity = "fake", WIDTH, "fake-evaluator"

    def __init__(self, motion: MotionSpec) -> None:
        self.motion = motion

    def embed_text(self, samples: Sequence[TextSample]) -> Tensor:
        return torch.tensor([[float(len(s.caption) + i) for i in range(WIDTH)] for s in samples])

    def embed_motion(self, motion: MotionBatch) -> Tensor:
        return (motion.features[..., :WIDTH] * motion.mask[..., None]).sum(1) / motion.lengths[:, None]


class FakeBackbone:
    """Noise plus a caption's length; one more stream of noise for each further step."""

    name, default_steps = "fake", 2

    def __init__(self, autoencoder: FakeAutoencoder) -> None:
        self.autoencoder = autoencoder
        self.text_encoder = FakeTextEncoder()

    def supports_steps(self, steps: int) -> bool:
        return steps <= 4

    def default_guidance(self, steps: int) -> float | None:
        return None

    def sample(
        self, condition: Condition, motion_mask: Tensor, noise: NoiseSource, *, steps: int, guidance: float | None
    ) -> Latent:
        used = condition.tokens[..., :1] * condition.mask[..., None]
        values = noise.normal("initial", (1, WIDTH)) + 0.01 * used.sum(dim=1, keepdim=True)
        for step in range(steps - 1):
            values = values + 0.1 * noise.normal("lcm", (1, WIDTH), step)
        return Latent.full(values)
