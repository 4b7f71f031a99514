"""One call samples on the engine or on the plain loop: over drawn configurations, and over every step count."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from leadbench.core.config import DenoiserConfig, TransformerConfig
from leadbench.core.errors import ConfigError, LatentMismatchError
from leadbench.core.tensors import Condition
from leadbench.engine.plan import ddim_plan
from leadbench.engine.sample import LcmNoise, sample_ddim, sample_lcm
from leadbench.nn.denoiser import Denoiser
from leadbench.nn.sampling import Branches, lcm_timesteps
from leadbench.nn.schedule import make_scheduler

TOLERANCE = 1e-4  # of the largest magnitude, after the whole loop


class Plain:
    """A denoiser of a type that no engine prepares, so that the plain loop runs."""

    def __init__(self, network: Denoiser) -> None:
        self._network = network

    def __call__(self, *given: Any, **named: Any) -> Tensor:
        predicted: Tensor = self._network(*given, **named)
        return predicted


@st.composite
def denoisers(draw: st.DrawFn, guided: bool) -> Denoiser:
    heads = draw(st.sampled_from([1, 2, 4]))
    width = 4 * heads * draw(st.integers(1, 4))
    project_text = draw(st.booleans())
    config = DenoiserConfig(
        latent_tokens=draw(st.integers(1, 5)),
        latent_width=draw(st.sampled_from([width, 4, 24])),
        text_width=draw(st.integers(2, 20)) if project_text else width,
        time_width=2 * draw(st.integers(1, 12)),
        guidance_width=2 * draw(st.integers(2, 8)) if guided else None,
        relu_text=draw(st.booleans()),
        normalize_text=draw(st.booleans()),
        project_text=project_text,
        project_latent=draw(st.booleans()),
        preconditioned=draw(st.booleans()),
        transformer=TransformerConfig(
            width=width, layers=draw(st.sampled_from([1, 3, 5])), heads=heads, feedforward=draw(st.integers(1, 50))
        ),
    )
    torch.manual_seed(draw(st.integers(0, 9)))
    network = Denoiser(config).eval().requires_grad_(False)
    for parameter in network.parameters():  # biases start at 0, and the guidance map too
        parameter.add_(0.05 * torch.randn_like(parameter))
    return network


@st.composite
def conditions(draw: st.DrawFn, rows: int, width: int) -> Condition:
    length = draw(st.integers(1, 4))
    mask = torch.ones(rows, length, dtype=torch.bool)
    if draw(st.booleans()):
        for row in range(rows):
            mask[row, draw(st.integers(1, length)) :] = False
    return Condition(torch.randn(rows, length, width), mask, "given")


def close(first: Tensor, second: Tensor) -> None:
    assert first.shape == second.shape
    assert float((first - second).abs().max() / second.abs().max().clamp(min=1e-6)) < TOLERANCE


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_ddim_is_the_plain_loop(data: st.DataObject) -> None:
    network = data.draw(denoisers(guided=False))
    config, rows = network.config, data.draw(st.integers(1, 5))
    text = data.draw(conditions(rows, config.text_width))
    null = Condition(torch.randn_like(text.tokens), text.mask, "given") if data.draw(st.booleans()) else None
    guidance = data.draw(st.sampled_from([None, 1.0, 2.5, 7.5])) if null is not None else None
    noise = torch.randn(rows, config.latent_tokens, config.latent_width)
    steps = data.draw(st.integers(1, 12))
    with torch.no_grad():
        made = [sample_ddim(n, noise, steps, Branches(text, null), guidance) for n in (network, Plain(network))]
    close(*made)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_lcm_is_the_plain_loop(data: st.DataObject) -> None:
    network = data.draw(denoisers(guided=True))
    config, rows = network.config, data.draw(st.integers(1, 5))
    text = data.draw(conditions(rows, config.text_width))
    timesteps = lcm_timesteps("v1", data.draw(st.sampled_from([1, 2, 3, 4, 8])))
    shape = (rows, config.latent_tokens, config.latent_width)
    noise = LcmNoise(torch.randn(shape), [torch.randn(shape) for _ in timesteps[1:]])
    scale = data.draw(st.sampled_from([1.0, 7.5, 12.0]))
    with torch.no_grad():
        made = [sample_lcm(n, noise, timesteps, text, scale) for n in (network, Plain(network))]
    close(*made)


def test_every_step_count_visits_the_timesteps_of_diffusers() -> None:
    from diffusers import DDIMScheduler

    scheduler = make_scheduler(DDIMScheduler, steps_offset=1)
    for steps in range(1, 1000):
        scheduler.set_timesteps(steps)
        assert [update.timestep for update in ddim_plan(steps)] == scheduler.timesteps.tolist(), steps


def test_what_does_not_fit_is_the_same_error_on_both_ways() -> None:
    torch.manual_seed(0)
    config = DenoiserConfig(latent_width=8, text_width=6, transformer=TransformerConfig(width=8, layers=1, heads=1))
    network = Denoiser(config).eval().requires_grad_(False)
    text = Condition(torch.zeros(2, 1, 6), torch.ones(2, 1, dtype=torch.bool), "given")
    for chosen in (network, Plain(network)):
        with pytest.raises(ConfigError, match="1 to 999"):
            sample_ddim(chosen, torch.zeros(2, 1, 8), 1000, Branches(text))
        with pytest.raises(ConfigError, match="one fewer fresh noises"):
            sample_lcm(chosen, LcmNoise(torch.zeros(2, 1, 8)), lcm_timesteps("v1", 2), text, 7.5)
    with pytest.raises(LatentMismatchError):
        sample_ddim(network, torch.zeros(2, 1, 9), 2, Branches(text))


def test_gradients_take_the_plain_loop() -> None:
    torch.manual_seed(0)
    config = DenoiserConfig(latent_width=8, text_width=6, transformer=TransformerConfig(width=8, layers=1, heads=1))
    network = Denoiser(config).eval().requires_grad_(False)
    tokens = torch.randn(2, 1, 6, requires_grad=True)
    text = Condition(tokens, torch.ones(2, 1, dtype=torch.bool), "given")
    made = sample_ddim(network, torch.randn(2, 1, 8), 2, Branches(text))
    (made * torch.randn(2, 1, 8)).sum().backward()
    assert tokens.grad is not None
    assert bool(tokens.grad.any())
