"""The denoiser: text masks, guidance input, scalar timesteps, errors; and the strict map of official names."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from leadbench.core.config import DenoiserConfig, TransformerConfig
from leadbench.core.errors import ConfigError, LatentMismatchError, WeightsError
from leadbench.nn.denoiser import Denoiser
from leadbench.nn.schedule import NoiseSchedule
from leadbench.zoo import official

TRANSFORMER = TransformerConfig(width=16, layers=3, heads=2, feedforward=24)


def build(**changes: object) -> Denoiser:
    torch.manual_seed(1)
    fields: dict[str, object] = {"latent_tokens": 2, "latent_width": 6, "text_width": 5, "time_width": 10}
    config = DenoiserConfig.model_validate({**fields, "transformer": TRANSFORMER, **changes})
    module = Denoiser(config).eval()
    if module.guidance_in is not None:
        torch.nn.init.normal_(module.guidance_in.weight)
    return module


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=5e-6)


_SEED = torch.Generator().manual_seed(5)
NOISY, TEXT = torch.randn(3, 2, 6, generator=_SEED), torch.randn(3, 4, 5, generator=_SEED)
TIME = torch.tensor([1, 400, 999])


@pytest.mark.parametrize("timestep", [TIME, torch.tensor(400)])
def test_a_preconditioned_denoiser_predicts_the_velocity(timestep: Tensor) -> None:
    plain, conditioned = build(project_latent=True), build(project_latent=True, preconditioned=True)
    schedule = NoiseSchedule.scaled_linear()
    velocity, noise = plain(NOISY, timestep, TEXT), conditioned(NOISY, timestep, TEXT)
    clean = schedule.clean_from_noise(NOISY, noise, timestep)
    close(schedule.signal(timestep, noise) * noise - schedule.sigma(timestep, clean) * clean, velocity)


def test_masked_text_tokens_change_nothing() -> None:
    module = build()
    mask = torch.tensor([[True, True, False, False]] * 3)
    hidden = TEXT.clone()
    hidden[:, 2:] = 50 * torch.randn(3, 2, 5)
    close(module(NOISY, TIME, hidden, text_mask=mask), module(NOISY, TIME, TEXT[:, :2]))
    close(module(NOISY, TIME, TEXT, text_mask=torch.ones_like(mask)), module(NOISY, TIME, TEXT))
    assert not torch.allclose(module(NOISY, TIME, hidden), module(NOISY, TIME, TEXT), atol=1e-3)


def test_batch_neighbours_do_not_matter_and_scalars_broadcast() -> None:
    module = build(guidance_width=8)
    weights = torch.tensor([4.0, 6.5, 9.0])
    together = module(NOISY, TIME, TEXT, guidance_weight=weights)
    for i in range(3):
        row = slice(i, i + 1)
        close(module(NOISY[row], TIME[i], TEXT[row], guidance_weight=weights[i]), together[row])
    scalar = module(NOISY, torch.tensor(400), TEXT, guidance_weight=torch.tensor(6.5))
    close(scalar, module(NOISY, torch.tensor([400] * 3), TEXT, guidance_weight=torch.tensor([6.5] * 3)))
    close(scalar[1], together[1])


def test_guidance_input_starts_as_nothing_and_then_matters() -> None:
    module = build(guidance_width=9)
    weight = torch.tensor([6.5] * 3)
    assert not torch.allclose(module(NOISY, TIME, TEXT, weight), module(NOISY, TIME, TEXT), atol=1e-3)
    fresh = Denoiser(module.config).eval()
    close(fresh(NOISY, TIME, TEXT, weight), fresh(NOISY, TIME, TEXT))


def test_relu_on_text_loses_negative_entries() -> None:
    close(build()(NOISY, TIME, TEXT), build()(NOISY, TIME, TEXT.clamp(min=0)))
    linear = build(relu_text=False)
    assert not torch.allclose(linear(NOISY, TIME, TEXT), linear(NOISY, TIME, TEXT.clamp(min=0)), atol=1e-3)


def test_normalized_text_is_standardised_over_its_entries() -> None:
    mean, variance = TEXT.mean(-1, keepdim=True), TEXT.var(-1, keepdim=True, unbiased=False)
    standardised = (TEXT - mean) / (variance + 1e-5).sqrt()
    normalizing, plain = build(normalize_text=True), build()
    close(normalizing(NOISY, TIME, TEXT), plain(NOISY, TIME, standardised))
    assert not torch.allclose(plain(NOISY, TIME, TEXT), plain(NOISY, TIME, standardised), atol=1e-3)


def test_gradients_reach_latents_text_and_every_parameter() -> None:
    module = build(guidance_width=8, relu_text=False)
    noisy, text = NOISY.clone().requires_grad_(), TEXT.clone().requires_grad_()
    (module(noisy, TIME, text, torch.ones(3)) * torch.randn(3, 2, 6)).sum().backward()
    assert noisy.grad is not None
    assert text.grad is not None
    assert noisy.grad.abs().amax((1, 2)).gt(0).all()
    assert text.grad.abs().amax(2).gt(0).all()
    assert [n for n, p in module.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_deterministic_and_any_float_type() -> None:
    module = build()
    single = module(NOISY, TIME, TEXT)
    assert torch.equal(single, module(NOISY, TIME, TEXT))
    double = module.double()(NOISY.double(), TIME, TEXT.double())
    assert double.dtype == torch.float64
    close(double.float(), single)


def test_clear_errors() -> None:
    module = build()
    with pytest.raises(LatentMismatchError, match=r"\[3, 2, 7\], this denoiser takes \[batch, 2, 6\]"):
        module(torch.zeros(3, 2, 7), TIME, TEXT)
    with pytest.raises(ConfigError, match=r"takes \[batch, tokens, 5\]"):
        module(NOISY, TIME, torch.zeros(3, 4, 6))
    with pytest.raises(ConfigError, match="no guidance input"):
        module(NOISY, TIME, TEXT, guidance_weight=torch.ones(3))
    with pytest.raises(ValidationError, match="project_text off"):
        build(project_text=False)
    with pytest.raises(ValidationError, match="at least 4"):
        build(guidance_width=3)


# ---- official names ----


def official_state(module: Denoiser) -> dict[str, Tensor]:
    """Our state under official names: the inverse of the adapter, for modules without cross-attention."""
    state = {}
    for name, tensor in module.state_dict().items():
        theirs = official._official_name(name, official._DENOISER, cross=False)
        state[f"denoiser.{theirs}"] = tensor[:, None] if name == "positions.table" else tensor
    return state


@pytest.mark.parametrize(
    "changes",
    [
        {"guidance_width": 8},
        {"relu_text": False, "project_latent": True},
        {"text_width": 16, "project_text": False, "latent_width": 16},
    ],
)
def test_official_denoisers_come_back(changes: dict[str, object]) -> None:
    module = build(**changes)
    state = {**official_state(module), "denoiser.mem_pos.pe": torch.zeros(500, 1, 16), "vae.other": torch.zeros(1)}
    config, ours = official.denoiser_from_official(
        state, heads=2, latent_tokens=2, relu_text=module.config.relu_text, prefix="denoiser."
    )
    twin = Denoiser(config).eval()
    twin.load_state_dict(ours)
    width = module.config.latent_width
    noisy, text = torch.randn(3, 2, width), torch.randn(3, 1, module.config.text_width)
    assert torch.equal(twin(noisy, TIME, text), module(noisy, TIME, text))


def test_what_does_not_fit_is_listed() -> None:
    state = official_state(build())
    state["denoiser.surprise"] = torch.zeros(1)
    state["denoiser.encoder.norm.weight"] = torch.zeros(17)
    del state["denoiser.encoder.middle_block.linear2.bias"]
    with pytest.raises(WeightsError) as error:
        official.denoiser_from_official(state, heads=2, latent_tokens=2, relu_text=True, prefix="denoiser.")
    message = str(error.value)
    assert "missing denoiser.encoder.middle_block.linear2.bias" in message
    assert "denoiser.encoder.norm.weight is [17], encoder.norm.weight needs [16]" in message
    assert "unexpected denoiser.surprise" in message
    assert "\n" not in message


def test_empty_checkpoints_and_wrong_heads_are_refused() -> None:
    with pytest.raises(WeightsError, match=r"missing vae\.global_motion_token"):
        official.autoencoder_from_official({}, heads=4, prefix="vae.")
    with pytest.raises(WeightsError, match="not divisible by heads 3"):
        official.denoiser_from_official(
            official_state(build()), heads=3, latent_tokens=2, relu_text=True, prefix="denoiser."
        )
