"""Inversion with preset `small`: words learnt together against one by one (`pytest benchmarks --benchmark-only`).

Weights are random: time does not depend on them. The results of both ways are compared before either is timed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from leadbench_mld.backbone import MLDBackbone
from leadbench_motionlcm.backbone import MotionLCMBackbone
from torch import Tensor

from leadbench.core.config import InversionConfig
from leadbench.core.contracts import DenoisingBackbone
from leadbench.core.presets import get_preset
from leadbench.core.tensors import MotionSample, MotionSpec
from leadbench.generation.inversion import Exemplar, Inverter
from leadbench.nn.autoencoder import MotionVAE
from leadbench.nn.denoiser import Denoiser
from leadbench.nn.projector import LeadProjector
from leadbench.text.sentence import minilm
from leadbench.text.static import wordllama
from leadbench.zoo.loaded import LoadedAutoencoder, LoadedProjector

WORDS, STEPS = 100, 2  # of the benchmark; 20 steps take ten times as long either way


def _backbone(encoder: str) -> DenoisingBackbone:
    preset = get_preset("small")
    width = preset.autoencoder.architecture.features
    autoencoder = LoadedAutoencoder(
        MotionVAE(preset.autoencoder.architecture),
        MotionSpec("humanml3d", 20.0, torch.zeros(width), torch.ones(width)),
    )
    if encoder == "minilm":
        return MLDBackbone(Denoiser(preset.diffusion.architecture).eval().requires_grad_(False), autoencoder, minilm())
    config = preset.consistency.architecture.model_copy(update={"text_width": 256})
    return MotionLCMBackbone(Denoiser(config).eval().requires_grad_(False), autoencoder, wordllama())


def _exemplars() -> list[Exemplar]:
    rng = np.random.default_rng(0)
    motions = [np.cumsum(rng.normal(size=(int(rng.integers(48, 196)), 263)), axis=0) * 0.05 for _ in range(WORDS)]
    samples = [MotionSample(str(i), torch.from_numpy(m).float(), ()) for i, m in enumerate(motions)]
    return [Exemplar((sample,), "walk") for sample in samples]


def _one_by_one(inverter: Inverter, exemplars: Sequence[Exemplar]) -> Tensor:
    return torch.cat([inverter.learn([exemplar]) for exemplar in exemplars])


@pytest.mark.parametrize("way", ["together", "one by one"])
@pytest.mark.parametrize("loss", ["mld", "lead"])
@pytest.mark.parametrize("encoder", ["minilm", "wordllama"])
def test_words(benchmark, encoder: str, loss: str, way: str) -> None:  # type: ignore[no-untyped-def]
    benchmark.group = f"{WORDS} words of {STEPS} steps, {loss} on {encoder}"
    torch.manual_seed(0)
    backbone, exemplars = _backbone(encoder), _exemplars()
    config = get_preset("small").projector.architecture.model_copy(update={"text_width": backbone.text_encoder.dim})
    projector = LoadedProjector(LeadProjector(config), backbone.autoencoder.fingerprint, encoder)
    inverter = Inverter(backbone, InversionConfig(loss=loss, steps=STEPS), projector)
    alone, together = _one_by_one(inverter, exemplars[:4]), inverter.learn(exemplars[:4])
    # Adam divides by the gradient's own size, so float32 leaves more than rounding where a gradient is near 0
    torch.testing.assert_close(alone, together, atol=1e-3 * float(alone.abs().max()), rtol=1e-2)
    benchmark(lambda: inverter.learn(exemplars) if way == "together" else _one_by_one(inverter, exemplars))
