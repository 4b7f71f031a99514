"""The motion VAE: padding and batch neighbours do not matter, latents are standardised, gradients flow."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from leadbench.core.config import AutoencoderConfig, TransformerConfig
from leadbench.core.errors import DataError, LatentMismatchError, NonFiniteError
from leadbench.core.tensors import lengths_to_mask
from leadbench.nn.autoencoder import MotionVAE

TRANSFORMER = TransformerConfig(width=16, layers=3, heads=2, feedforward=24)
LENGTHS = torch.tensor([10, 7, 3])


def build(frames_per_token: int = 1, tokens: int = 1, latent_width: int = 16) -> MotionVAE:
    torch.manual_seed(1)
    config = AutoencoderConfig(
        features=11,
        latent_tokens=tokens,
        latent_width=latent_width,
        frames_per_token=frames_per_token,
        transformer=TRANSFORMER,
    )
    return MotionVAE(config).eval()


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=5e-6)


@settings(max_examples=25, deadline=None)
@given(
    p=st.integers(1, 5),
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    extra=st.integers(0, 7),
    tokens=st.sampled_from([1, 3]),
)
def test_padding_changes_nothing(p: int, lengths: list[int], extra: int, tokens: int) -> None:
    vae = build(p, tokens, latent_width=6)
    mask = lengths_to_mask(torch.tensor(lengths))
    features = torch.randn(*mask.shape, 11)
    longer = lengths_to_mask(torch.tensor(lengths), mask.shape[1] + extra)
    noisy = torch.full((*longer.shape, 11), float("nan"))
    noisy[:, : mask.shape[1]] = torch.where(mask[..., None], features, 100 * torch.randn_like(features))
    ours, theirs = vae.encode(noisy, longer), vae.encode(features, mask)
    close(ours.loc, theirs.loc)
    close(ours.scale, theirs.scale)
    short, long = vae.decode(theirs.loc, mask), vae.decode(theirs.loc, longer)
    assert short.shape == features.shape
    assert long.shape == noisy.shape
    close(long[:, : mask.shape[1]], short)
    assert not long[~longer].any()
    assert not short[~mask].any()
    assert bool(short[mask].abs().sum(-1).gt(0).all())


@pytest.mark.parametrize("p", [1, 3])
def test_batch_neighbours_do_not_matter(p: int) -> None:
    vae = build(p)
    mask = lengths_to_mask(LENGTHS)
    features = torch.randn(*mask.shape, 11)
    loc = vae.encode(features, mask).loc
    motion = vae.decode(loc, mask)
    for i, length in enumerate(LENGTHS.tolist()):
        alone = torch.ones(1, length, dtype=torch.bool)
        close(vae.encode(features[i : i + 1, :length], alone).loc, loc[i : i + 1])
        close(vae.decode(loc[i : i + 1], alone), motion[i : i + 1, :length])


@pytest.mark.parametrize("p", [1, 2, 4])
def test_frames_are_grouped_in_order(p: int) -> None:
    vae = build(p)
    frames = torch.arange(2 * 6 * 11.0).reshape(2, 6, 11)
    groups = vae._group(frames)
    assert groups.shape == (2, -(-6 // p), p * 11)
    assert torch.equal(groups.reshape(2, -1, 11)[:, :6], frames)
    assert not groups.reshape(2, -1, 11)[:, 6:].any()
    assert vae._token_mask(lengths_to_mask(torch.tensor([6, 1]))).sum(1).tolist() == [-(-6 // p), 1]


def test_gradients_reach_features_and_every_parameter() -> None:
    vae = build(2, tokens=2, latent_width=6).train()
    mask = lengths_to_mask(LENGTHS)
    features = torch.randn(*mask.shape, 11, requires_grad=True)
    motion = vae.decode(vae.encode(features, mask).rsample(), mask)
    (motion * torch.randn_like(motion)).sum().backward()
    assert features.grad is not None
    assert features.grad[mask].abs().sum(-1).gt(0).all()
    assert not features.grad[~mask].any()
    assert [n for n, p in vae.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_standardised_latents_describe_the_same_motion() -> None:
    vae = build(tokens=2, latent_width=6)
    mask = lengths_to_mask(LENGTHS)
    features = torch.randn(*mask.shape, 11)
    plain = vae.encode(features, mask)
    motion = vae.decode(plain.loc, mask)
    first, second = torch.rand(2, 2, 6) + 0.5, torch.rand(2, 2, 6) + 0.5
    vae.set_latent_statistics(first[0], first[1])
    once = vae.encode(features, mask)
    close(once.loc, (plain.loc - first[0]) / first[1])
    close(once.scale, plain.scale / first[1])
    vae.set_latent_statistics(second[0], second[1])
    twice = vae.encode(features, mask)
    close(twice.loc, (once.loc - second[0]) / second[1])
    close(vae.decode(twice.loc, mask), motion)
    restored = build(tokens=2, latent_width=6)
    restored.load_state_dict(vae.state_dict())
    close(restored.encode(features, mask).loc, twice.loc)


def test_log_variance_offset_scales_the_deviation_alone() -> None:
    vae, mask = build(), lengths_to_mask(LENGTHS)
    offset = MotionVAE(vae.config.model_copy(update={"log_variance_offset": -2.0})).eval()
    offset.load_state_dict(vae.state_dict())
    features = torch.randn(*mask.shape, 11)
    close(offset.encode(features, mask).loc, vae.encode(features, mask).loc)
    close(offset.encode(features, mask).scale, vae.encode(features, mask).scale * torch.tensor(-1.0).exp())


def test_evaluation_is_deterministic() -> None:
    vae, mask = build(), lengths_to_mask(LENGTHS)
    features = torch.randn(*mask.shape, 11)
    first, second = vae.encode(features, mask), vae.encode(features, mask)
    assert torch.equal(first.loc, second.loc)
    assert torch.equal(first.scale, second.scale)
    assert torch.equal(vae.decode(first.loc, mask), vae.decode(first.loc, mask))


def test_moves_to_float64_and_agrees() -> None:
    vae, mask = build(2, latent_width=6), lengths_to_mask(LENGTHS)
    features = torch.randn(*mask.shape, 11)
    single = vae.encode(features, mask)
    motion = vae.decode(single.loc, mask)
    vae.double()
    double = vae.encode(features.double(), mask)
    assert double.loc.dtype == torch.float64
    close(double.loc.float(), single.loc)
    close(vae.decode(double.loc, mask).float(), motion)


def test_clear_errors() -> None:
    vae, mask = build(), lengths_to_mask(LENGTHS)
    with pytest.raises(DataError, match="12 features a frame, the VAE takes 11"):
        vae.encode(torch.zeros(3, 10, 12), mask)
    with pytest.raises(LatentMismatchError, match=r"latents are \[2, 16\], this VAE decodes \[1, 16\]"):
        vae.decode(torch.zeros(3, 2, 16), mask)
    with pytest.raises(DataError, match="501 tokens: this network has 500 positions"):
        vae.decode(torch.zeros(1, 1, 16), torch.ones(1, 501, dtype=torch.bool))
    with pytest.raises(LatentMismatchError, match="latent statistics"):
        vae.set_latent_statistics(torch.zeros(16), torch.ones(16))
    with pytest.raises(NonFiniteError, match="std positive"):
        vae.set_latent_statistics(torch.zeros(1, 16), torch.zeros(1, 16))


def test_a_deterministic_one_has_no_deviation_and_half_the_tokens() -> None:
    config = build(tokens=2).config.model_copy(update={"deterministic": True})
    plain = MotionVAE(config).eval()
    assert plain.distribution_tokens.shape[0] == 2
    mask = lengths_to_mask(LENGTHS)
    posterior = plain.encode(torch.randn(*mask.shape, 11), mask)
    assert posterior.loc.shape == posterior.scale.shape == (3, 2, 16)
    assert not posterior.scale.any()
    assert posterior.loc.std() > 0.1
