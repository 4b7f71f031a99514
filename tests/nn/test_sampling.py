"""Noise schedule, guidance and sampling loops on denoisers whose answers are known."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDIMScheduler, LCMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from leadbench.core.errors import ConfigError
from leadbench.core.tensors import Condition
from leadbench.nn.sampling import Branches, boundary_scalings, ddim_sample, lcm_guidance, lcm_sample, lcm_timesteps
from leadbench.nn.schedule import NoiseSchedule, leading_timesteps, make_scheduler, skipped_timesteps

SCHEDULE = NoiseSchedule.scaled_linear()


def condition(value: float, tokens: int = 1, batch: int = 2) -> Condition:
    return Condition(torch.full((batch, tokens, 3), value), torch.ones(batch, tokens, dtype=torch.bool), "test")


def test_schedule_is_the_squared_linear_one() -> None:
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    expected = torch.cumprod(1 - betas, 0).float()
    torch.testing.assert_close(SCHEDULE.alphas_cumprod, expected, rtol=1e-4, atol=0)
    assert SCHEDULE.alphas_cumprod.dtype == torch.float32
    assert SCHEDULE.timesteps == 1000


def test_schedule_and_timesteps_are_those_of_diffusers() -> None:
    ddim, lcm = make_scheduler(DDIMScheduler, steps_offset=1), make_scheduler(LCMScheduler, original_inference_steps=50)
    assert torch.equal(SCHEDULE.alphas_cumprod, ddim.alphas_cumprod)
    for steps in range(1, 1001):
        ddim.set_timesteps(steps)
        assert leading_timesteps(steps) == tuple(ddim.timesteps.tolist()), steps
    for steps in range(1, 51):
        lcm.set_timesteps(steps)
        assert skipped_timesteps(steps, 50) == tuple(lcm.timesteps.tolist()), steps


@settings(max_examples=30, deadline=None)
@given(times=st.lists(st.integers(0, 999), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_noise_and_clean_are_inverse(times: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    clean, noise = torch.randn(2, len(times), 2, 5, generator=generator, dtype=torch.float64)
    t = torch.tensor(times)
    noisy = SCHEDULE.add_noise(clean, noise, t)
    torch.testing.assert_close(SCHEDULE.clean_from_noise(noisy, noise, t), clean)
    torch.testing.assert_close(SCHEDULE.noise_from_clean(noisy, clean, t), noise)
    torch.testing.assert_close(SCHEDULE.add_noise(clean[:1], noise[:1], times[0]), noisy[:1])
    torch.testing.assert_close(SCHEDULE.add_noise(clean[:1], noise[:1], t[0]), noisy[:1])


def test_guidance_is_one_batch_with_named_branches() -> None:
    calls: list[Condition] = []

    def denoise(noisy: Tensor, timestep: Tensor, given: Condition) -> Tensor:
        calls.append(given)
        return noisy + given.tokens[:, :1, :1]

    branches = Branches(condition(3.0), condition(1.0))
    noisy = torch.zeros(2, 1, 4)
    assert torch.equal(branches.guided(denoise, 7.5)(noisy, torch.tensor(5)), torch.full((2, 1, 4), 1 + 7.5 * 2))
    assert len(calls) == 1
    assert calls[0].tokens.shape == (4, 1, 3)
    for none in (None, 1.0, 0.0):
        assert torch.equal(branches.guided(denoise, none)(noisy, torch.tensor(5)), torch.full((2, 1, 4), 3.0))
        assert calls[-1].tokens.shape == (2, 1, 3)
    with pytest.raises(ConfigError, match=r"guidance 7.5: needs the unconditional branch"):
        Branches(condition(3.0)).guided(denoise, 7.5)


def test_branches_of_different_length_are_padded_under_a_mask() -> None:
    masks: list[Tensor] = []

    def denoise(noisy: Tensor, timestep: Tensor, given: Condition) -> Tensor:
        masks.append(given.mask)
        return noisy

    Branches(condition(3.0, tokens=3), condition(1.0)).guided(denoise, 2.0)(torch.zeros(2, 1, 4), torch.tensor(5))
    assert masks[0].int().tolist() == [[1, 0, 0]] * 2 + [[1, 1, 1]] * 2


@pytest.mark.parametrize("steps", [1, 5, 50])
def test_ddim_recovers_a_clean_latent_that_the_denoiser_knows(steps: int) -> None:
    clean = torch.randn(2, 1, 4)
    visited: list[int] = []

    def denoise(noisy: Tensor, timestep: Tensor, given: Condition) -> Tensor:
        visited.append(int(timestep))
        return SCHEDULE.noise_from_clean(noisy, clean, timestep)

    first = 1 + (1000 // steps) * (steps - 1)
    noise = torch.randn(2, 1, 4)
    start = SCHEDULE.add_noise(clean, noise, first)
    z = ddim_sample(denoise, start, steps=steps, guidance=None, branches=Branches(condition(0.0)))
    assert visited == list(range(first, 0, -(1000 // steps)))
    torch.testing.assert_close(z, SCHEDULE.add_noise(clean, noise, 0), rtol=0, atol=1e-3)


def test_lcm_returns_the_clean_latent_and_draws_noise_between_steps_only() -> None:
    clean = torch.randn(2, 1, 4)
    seen: list[Tensor] = []
    noises = {i: torch.randn(2, 1, 4) for i in range(3)}
    drawn: list[int] = []

    def denoise(noisy: Tensor, timestep: Tensor) -> Tensor:
        seen.append(noisy)
        return SCHEDULE.noise_from_clean(noisy, clean, timestep)

    def fresh_noise(step: int) -> Tensor:
        drawn.append(step)
        return noises[step]

    timesteps = lcm_timesteps("v2", 4)
    z = lcm_sample(denoise, torch.randn(2, 1, 4), timesteps=timesteps, fresh_noise=fresh_noise)
    assert drawn == [0, 1, 2]
    torch.testing.assert_close(z, clean, rtol=0, atol=1e-4)
    torch.testing.assert_close(seen[3], SCHEDULE.add_noise(clean, noises[2], 299), rtol=0, atol=1e-4)


def test_sampling_is_differentiable_in_the_noise() -> None:
    noise = torch.randn(2, 1, 4, requires_grad=True)

    def denoise(noisy: Tensor, timestep: Tensor) -> Tensor:
        return noisy.tanh()

    lcm_sample(denoise, noise, timesteps=[999], fresh_noise=torch.zeros).sum().backward()
    assert noise.grad is not None
    assert bool(noise.grad.ne(0).all())


def test_boundary_scalings_start_as_identity() -> None:
    skip, out = boundary_scalings(torch.tensor([0, 999]))
    assert skip[0] == 1
    assert out[0] == 0
    torch.testing.assert_close(skip[1] ** 2 / 0.25 + out[1] ** 2, torch.tensor(1.0))


def test_lcm_timesteps_and_guidance() -> None:
    assert [lcm_timesteps("v1", n) for n in (1, 2)] == [(999,), (999, 499)]
    assert [lcm_timesteps("v2", n) for n in (1, 2)] == [(799,), (699, 299)]
    for steps in range(1, 51):
        timesteps = lcm_timesteps("v1", steps)
        assert len(set(timesteps)) == steps
        assert list(timesteps) == sorted(timesteps, reverse=True)
    assert [lcm_guidance("v2", n) for n in (1, 2, 4)] == [8.0, 12.5, 13.5]
    assert lcm_guidance("v1", 3) == 7.5


def test_clear_errors() -> None:
    with pytest.raises(ConfigError, match="got 0, allowed are 1 to 50"):
        lcm_timesteps("v1", 0)
    with pytest.raises(ConfigError, match="v2 has timesteps for 1, 2, 4 only"):
        lcm_timesteps("v2", 3)
    with pytest.raises(ConfigError, match="v2 has timesteps for 1, 2, 4 only"):
        lcm_guidance("v2", 8)
    with pytest.raises(ConfigError, match="got 1000, allowed are 1 to 999"):
        ddim_sample(
            lambda noisy, t, c: noisy,
            torch.zeros(1, 1, 1),
            steps=1000,
            guidance=None,
            branches=Branches(condition(0.0, batch=1)),
        )
    for wrong in ([], [1000], [-1]):
        with pytest.raises(ConfigError, match="timesteps: need one or more of 0 to 999"):
            lcm_sample(lambda noisy, t: noisy, torch.zeros(1, 1, 1), timesteps=wrong, fresh_noise=torch.zeros)
