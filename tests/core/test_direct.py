"""A backbone without latents, in the form in which tasks take it."""

from __future__ import annotations

import pytest
import torch
from fakes import FakeAutoencoder, FakeBackbone, FakeTextEncoder
from torch import Tensor

from leadbench.core.contracts import MotionBackbone
from leadbench.core.direct import DirectBackbone, has_latent, latent_form, require_latent
from leadbench.core.errors import ConfigError
from leadbench.core.random import NoiseSource
from leadbench.core.tensors import Condition, MotionBatch, MotionSpec, mask_of

SPEC = MotionSpec("humanml3d", 20.0, torch.zeros(263), torch.ones(263))


class Retrieval:
    """Motions that say how long they are."""

    name, default_steps, motion = "retrieval", 1, SPEC
    text_encoder = FakeTextEncoder()

    def supports_steps(self, steps: int) -> bool:
        return steps == 1

    def default_guidance(self, steps: int) -> float | None:
        return None

    def generate(
        self, condition: Condition, motion_mask: Tensor, noise: NoiseSource, *, steps: int, guidance: float | None
    ) -> MotionBatch:
        features = motion_mask.sum(dim=1)[:, None, None] * motion_mask[..., None].float()
        return MotionBatch(features.expand(-1, -1, 263), motion_mask, SPEC)


def test_its_latents_are_the_features_and_decoding_gives_them_back() -> None:
    backbone = latent_form(Retrieval())
    assert isinstance(Retrieval(), MotionBackbone)
    assert isinstance(backbone, DirectBackbone)
    mask = mask_of([8, 12])
    condition = backbone.text_encoder.encode(["a", "b"])
    latent = backbone.sample(condition, mask, NoiseSource(0, ("a", "b")), steps=1, guidance=None)
    motion = backbone.autoencoder.decode(latent, mask)
    assert motion.spec is SPEC
    assert motion.features[:, 0, 0].tolist() == [8, 12]
    assert not motion.features[0, 8:].any()


def test_nothing_that_needs_latents_takes_it() -> None:
    backbone = latent_form(Retrieval())
    assert not has_latent(backbone)
    with pytest.raises(ConfigError, match="'retrieval': makes motions without a latent space, which inversion needs"):
        require_latent(backbone, "inversion")
    with pytest.raises(NotImplementedError):
        backbone.autoencoder.encode(MotionBatch(torch.zeros(1, 8, 263), mask_of([8]), SPEC))


def test_a_backbone_with_latents_stays_what_it_is() -> None:
    latent = FakeBackbone(FakeAutoencoder(SPEC))
    assert latent_form(latent) is latent
    assert has_latent(latent)
    require_latent(latent, "inversion")
