"""Inference time of each stage of preset `small`: `pytest benchmarks --benchmark-only`.

Weights are random: time does not depend on them. Every benchmark checks its output before it is timed.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from leadbench.nn.autoencoder import MotionVAE
from leadbench.nn.denoiser import Denoiser
from leadbench.nn.projector import LeadProjector
from leadbench.presets import get_preset
from leadbench.sampling import Branches, ddim_sample, lcm_sample, lcm_timesteps
from leadbench.tensors import Condition

FRAMES = 196
BATCHES = pytest.mark.parametrize("batch", [1, 32])


def synchronised(run: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
    """Run, and wait for the device, so that the time is the work's and not the launch's."""

    @torch.inference_mode()
    def timed() -> torch.Tensor:
        out = run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return out

    return timed


def _condition(batch: int, width: int) -> Condition:
    return Condition(torch.randn(batch, 1, width), torch.ones(batch, 1, dtype=torch.bool), "random")


@pytest.mark.benchmark(group="denoise")
@BATCHES
def test_mld_50_steps(benchmark, batch: int) -> None:  # type: ignore[no-untyped-def]
    config = get_preset("small").diffusion.architecture
    denoiser = Denoiser(config).eval()
    branches = Branches(_condition(batch, config.text_width), _condition(batch, config.text_width))
    noise = torch.randn(batch, 1, config.latent_width)
    run = synchronised(
        lambda: ddim_sample(lambda x, t, c: denoiser(x, t, c.tokens), noise, steps=50, guidance=7.5, branches=branches)
    )
    assert run().shape == noise.shape
    benchmark(run)


@pytest.mark.benchmark(group="denoise")
@BATCHES
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_motionlcm(benchmark, steps: int, batch: int) -> None:  # type: ignore[no-untyped-def]
    config = get_preset("small").consistency.architecture
    denoiser = Denoiser(config).eval()
    text, weight = _condition(batch, config.text_width), torch.full((batch,), 6.5)
    noise = torch.randn(batch, 1, config.latent_width)
    run = synchronised(
        lambda: lcm_sample(
            lambda x, t: denoiser(x, t, text.tokens, weight),
            noise,
            timesteps=lcm_timesteps("v1", steps),
            fresh_noise=lambda _: torch.randn_like(noise),
        )
    )
    assert run().shape == noise.shape
    benchmark(run)


@pytest.mark.benchmark(group="project")
@BATCHES
def test_projector(benchmark, batch: int) -> None:  # type: ignore[no-untyped-def]
    config = get_preset("small").projector.architecture
    projector = LeadProjector(config).eval()
    latent = torch.randn(batch, 1, config.latent_width)
    run = synchronised(lambda: projector.reproject(projector.project(latent)))
    assert run().shape == latent.shape
    benchmark(run)


@pytest.mark.benchmark(group="decode")
@BATCHES
def test_decoder(benchmark, batch: int) -> None:  # type: ignore[no-untyped-def]
    config = get_preset("small").autoencoder.architecture
    autoencoder = MotionVAE(config).eval()
    latent, mask = torch.randn(batch, 1, config.latent_width), torch.ones(batch, FRAMES, dtype=torch.bool)
    run = synchronised(lambda: autoencoder.decode(latent, mask))
    assert run().shape == (batch, FRAMES, config.features)
    benchmark(run)
