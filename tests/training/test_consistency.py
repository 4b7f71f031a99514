"""Consistency distillation: the loss weighs each step of the solver as its weighting says."""

from __future__ import annotations

import pytest
import torch

from leadbench.core.config import ConsistencyStage
from leadbench.core.presets import get_preset
from leadbench.core.tensors import Condition, full_mask
from leadbench.nn.denoiser import Denoiser
from leadbench.nn.schedule import NoiseSchedule
from leadbench.training.consistency import ConsistencyTask, timestep_weights
from leadbench.training.latents import LatentSet

SCHEDULE = NoiseSchedule.scaled_linear()


def latents(stage: ConsistencyStage, count: int = 12) -> LatentSet:
    architecture = stage.architecture
    generator = torch.Generator().manual_seed(1)
    loc = torch.randn(count, 1, architecture.latent_width, generator=generator)
    tokens = torch.randn(count, 1, architecture.text_width, generator=generator)
    text = Condition(tokens, full_mask(count, 1), "wordllama")
    null = Condition(torch.zeros(1, 1, architecture.text_width), full_mask(1, 1), "wordllama")
    rows = tuple((row,) for row in range(count))
    return LatentSet(loc, torch.full_like(loc, 0.1), text, null, rows, tuple(map(str, range(count))))


def task(weighting: str) -> ConsistencyTask:
    stage = get_preset("tiny").consistency
    architecture = stage.architecture.model_copy(update={"text_width": 16})
    stage = stage.model_copy(update={"weighting": weighting, "architecture": architecture})
    torch.manual_seed(0)
    teacher = Denoiser(architecture.model_copy(update={"guidance_width": None}))
    return ConsistencyTask(stage, teacher, latents(stage), latents(stage))


@pytest.mark.parametrize("weighting", ["inverse-step", "inverse-level"])
def test_weights_by_their_definition(weighting: str) -> None:
    weights = timestep_weights(weighting, SCHEDULE, 50)
    assert weights is not None
    assert (weights.shape, float(weights.mean())) == ((50,), pytest.approx(1.0))
    level = ((1 - SCHEDULE.alphas_cumprod) / SCHEDULE.alphas_cumprod).sqrt()
    for step in (1, 7, 25, 50):
        start, end = step * 20 - 1, max(step * 20 - 21, 0)
        expected = 1 / (level[start] - level[end] if weighting == "inverse-step" else level[start])
        ratio = float(weights[step - 1] / weights[24])
        middle = 1 / (level[499] - level[479] if weighting == "inverse-step" else level[499])
        assert ratio == pytest.approx(float(expected / middle), rel=1e-5)
    assert timestep_weights("uniform", SCHEDULE, 50) is None


@pytest.mark.parametrize("step", [1, 30, 50])
@pytest.mark.parametrize("weighting", ["inverse-step", "inverse-level"])
def test_a_step_of_the_solver_counts_as_its_weight(weighting: str, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "randint", lambda low, high, size: torch.full(size, step))
    losses = []
    for chosen in ("uniform", weighting):
        made = task(chosen)
        torch.manual_seed(5)
        losses.append(float(made.loss(0)[0].detach()))
    weights = timestep_weights(weighting, SCHEDULE, 50)
    assert weights is not None
    assert losses[1] == pytest.approx(float(weights[step - 1]) * losses[0], rel=1e-4)
    assert losses[0] > 0
