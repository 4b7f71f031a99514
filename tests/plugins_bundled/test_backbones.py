from __future__ import annotations

import numpy as np
import pytest
import torch
from fakes import WIDTH, FakeAutoencoder, FakeTextEncoder
from leadbench_mld.backbone import MLDBackbone
from leadbench_motionlcm.backbone import MotionLCMBackbone

from leadbench.core.config import DenoiserConfig, TransformerConfig
from leadbench.core.contracts import DenoisingBackbone, TrainableBackbone
from leadbench.core.random import NoiseSource
from leadbench.core.tensors import MotionSpec
from leadbench.nn.denoiser import Denoiser

CAPTIONS = ["a walk", "a run", "someone waves"]
IDS = ("x", "y", "z")


def _denoiser(guidance: bool) -> Denoiser:
    config = DenoiserConfig(
        latent_width=WIDTH,
        text_width=4,
        time_width=8,
        guidance_width=8 if guidance else None,
        transformer=TransformerConfig(width=8, layers=3, heads=2, feedforward=16, dropout=0.0),
    )
    denoiser = Denoiser(config).eval()
    if denoiser.guidance_in is not None:
        torch.nn.init.normal_(denoiser.guidance_in.weight)
    return denoiser


def _autoencoder() -> FakeAutoencoder:
    return FakeAutoencoder(MotionSpec("humanml3d", 20.0, torch.zeros(263), torch.ones(263)))


@pytest.fixture
def mld() -> MLDBackbone:
    return MLDBackbone(_denoiser(False), _autoencoder(), FakeTextEncoder())


@pytest.fixture
def motionlcm() -> MotionLCMBackbone:
    return MotionLCMBackbone(_denoiser(True), _autoencoder(), FakeTextEncoder())


def test_they_keep_their_contracts(mld: MLDBackbone, motionlcm: MotionLCMBackbone) -> None:
    assert isinstance(mld, TrainableBackbone)
    assert isinstance(motionlcm, DenoisingBackbone)
    assert not isinstance(motionlcm, TrainableBackbone)


def test_guided_prediction_of_mld(mld: MLDBackbone) -> None:
    noisy, timestep = torch.randn(3, 1, WIDTH), torch.tensor([10, 500, 990])
    condition, null = mld.text_encoder.encode(CAPTIONS), mld.text_encoder.null(3)
    guided = mld.predict(noisy, timestep, condition, guidance=7.5)
    with_text, without = (mld.predict(noisy, timestep, c).noise for c in (condition, null))
    torch.testing.assert_close(guided.noise, without + 7.5 * (with_text - without), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(mld.add_noise(guided.clean, guided.noise, timestep), noisy, rtol=1e-3, atol=1e-4)


def test_training_loss_reaches_the_denoiser(mld: MLDBackbone) -> None:
    clean, draws = torch.randn(3, 1, WIDTH), NoiseSource(0, ("a", "b", "c"))
    mld.training_loss(clean, mld.text_encoder.encode(CAPTIONS), draws)["loss"].backward()
    assert mld.network.text_in.weight.grad.abs().sum() > 0  # type: ignore[union-attr,operator]


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_rows_do_not_depend_on_their_neighbours(mld: MLDBackbone, motionlcm: MotionLCMBackbone, steps: int) -> None:
    for backbone in (mld, motionlcm):
        mask = torch.ones(3, 40, dtype=torch.bool)
        guidance = backbone.default_guidance(steps)
        together = backbone.sample(
            backbone.text_encoder.encode(CAPTIONS), mask, NoiseSource(0, IDS), steps=steps, guidance=guidance
        )
        alone = backbone.sample(
            backbone.text_encoder.encode(CAPTIONS[2:]),
            mask[:1],
            NoiseSource(0, IDS[2:]),
            steps=steps,
            guidance=guidance,
        )
        np.testing.assert_allclose(together.values[2:], alone.values, rtol=1e-3, atol=1e-4)


def test_guidance_is_an_input_of_motionlcm(motionlcm: MotionLCMBackbone) -> None:
    condition, mask = motionlcm.text_encoder.encode(CAPTIONS), torch.ones(3, 40, dtype=torch.bool)
    default, same, other = (
        motionlcm.sample(condition, mask, NoiseSource(0, IDS), steps=1, guidance=guidance).values
        for guidance in (None, 7.5, 3.0)
    )
    assert torch.equal(default, same)
    assert not torch.allclose(default, other)


def test_steps(mld: MLDBackbone, motionlcm: MotionLCMBackbone) -> None:
    assert mld.supports_steps(50)
    assert not mld.supports_steps(0)
    assert not mld.supports_steps(1001)
    assert motionlcm.supports_steps(4)
    assert not motionlcm.supports_steps(51)
