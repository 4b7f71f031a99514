"""Transformer blocks: shortcuts equal the plain path, masks hide, gradients flow, and the skip order is MLD's."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from leadbench.core.config import TransformerConfig
from leadbench.core.errors import ConfigError, DataError
from leadbench.nn.positions import LearnedPositions, SinusoidalPositions
from leadbench.nn.transformer import (
    CrossAttention,
    SelfAttention,
    SkipTransformerDecoder,
    SkipTransformerEncoder,
    TransformerEncoder,
    effective_mask,
)

CONFIG = TransformerConfig(width=16, layers=5, heads=4, feedforward=24)


def reference_attention(query: Tensor, keys: Tensor, values: Tensor, heads: int, mask: Tensor | None) -> Tensor:
    """Attention written out, head by head."""
    parts = []
    for q, k, v in zip(query.chunk(heads, -1), keys.chunk(heads, -1), values.chunk(heads, -1), strict=True):
        scores = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, :], float("-inf"))
        parts.append(scores.softmax(-1) @ v)
    return torch.cat(parts, dim=-1)


@pytest.mark.parametrize("masked", [False, True])
def test_self_attention_equals_attention_written_out(masked: bool) -> None:
    module = SelfAttention(CONFIG).eval()
    x = torch.randn(3, 6, 16)
    mask = torch.arange(6)[None] < torch.tensor([[6], [4], [1]]) if masked else None
    q, k, v = module.qkv(x).chunk(3, -1)
    expected = module.out(reference_attention(q, k, v, 4, mask))
    torch.testing.assert_close(module(x, mask), expected, rtol=0, atol=2e-6)
    torch.testing.assert_close(module(x, mask, rows=2), expected[:, :2], rtol=0, atol=2e-6)


def test_one_key_shortcuts_equal_the_plain_path() -> None:
    own, cross = SelfAttention(CONFIG).eval(), CrossAttention(CONFIG).eval()
    x, memory, single = torch.randn(3, 6, 16), torch.randn(3, 1, 16), torch.randn(3, 1, 16)
    q, k, v = own.qkv(single).chunk(3, -1)
    torch.testing.assert_close(own(single), own.out(reference_attention(q, k, v, 4, None)), rtol=0, atol=2e-6)
    k, v = cross.key_value(memory).chunk(2, -1)
    plain = cross.out(reference_attention(cross.query(x), k, v, 4, None))
    shortcut = cross(x, memory)
    assert shortcut.shape == (3, 1, 16)
    torch.testing.assert_close(shortcut.expand_as(plain), plain, rtol=0, atol=2e-6)


def test_cross_attention_to_several_tokens_equals_attention_written_out() -> None:
    module = CrossAttention(CONFIG).eval()
    x, memory = torch.randn(2, 5, 16), torch.randn(2, 3, 16)
    k, v = module.key_value(memory).chunk(2, -1)
    expected = module.out(reference_attention(module.query(x), k, v, 4, None))
    torch.testing.assert_close(module(x, memory), expected, rtol=0, atol=2e-6)


def test_attention_dropout_drops_weights_of_a_single_key_too() -> None:
    module = CrossAttention(CONFIG.model_copy(update={"attention_dropout": 0.5})).train()
    memory = torch.randn(1, 1, 16)
    assert not torch.equal(module(torch.zeros(1, 8, 16), memory), module(torch.zeros(1, 8, 16), memory))


@pytest.mark.parametrize("layers", [1, 3, 5])
@pytest.mark.parametrize("stack", [SkipTransformerEncoder, TransformerEncoder])
def test_computing_the_first_rows_alone_changes_nothing(stack: type, layers: int) -> None:
    module = stack(CONFIG.model_copy(update={"layers": layers})).eval()
    x, mask = torch.randn(2, 7, 16), torch.tensor([[True] * 7, [True] * 5 + [False] * 2])
    torch.testing.assert_close(module(x, mask, rows=3), module(x, mask)[:, :3], rtol=0, atol=2e-6)


def test_skips_are_merged_last_saved_first_after_the_current() -> None:
    module = SkipTransformerEncoder(CONFIG).eval()
    x = torch.randn(2, 4, 16)
    first = module.down[0](x)
    second = module.down[1](first)
    y = module.middle(second)
    y = module.up[0](F.linear(torch.cat([y, second], -1), module.merge[0].weight, module.merge[0].bias))
    y = module.up[1](F.linear(torch.cat([y, first], -1), module.merge[1].weight, module.merge[1].bias))
    torch.testing.assert_close(module(x), module.norm(y), rtol=0, atol=2e-6)


@settings(max_examples=15, deadline=None)
@given(real=st.integers(1, 6), padded=st.integers(1, 5), seed=st.integers(0, 1000))
def test_masked_rows_change_nothing(real: int, padded: int, seed: int) -> None:
    torch.manual_seed(seed)
    config = CONFIG.model_copy(update={"layers": 3})
    encoder, decoder = SkipTransformerEncoder(config).eval(), SkipTransformerDecoder(config).eval()
    x, extra, memory = torch.randn(2, real, 16), 10 * torch.randn(2, padded, 16), torch.randn(2, 2, 16)
    longer, mask = torch.cat([x, extra], 1), torch.arange(real + padded).expand(2, -1) < real
    torch.testing.assert_close(encoder(longer, mask)[:, :real], encoder(x), rtol=0, atol=5e-6)
    torch.testing.assert_close(decoder(longer, memory, mask)[:, :real], decoder(x, memory), rtol=0, atol=5e-6)


def test_gradients_reach_inputs_and_memory() -> None:
    decoder = SkipTransformerDecoder(CONFIG).eval()
    x, memory = torch.randn(2, 4, 16, requires_grad=True), torch.randn(2, 1, 16, requires_grad=True)
    (decoder(x, memory) * torch.randn(2, 4, 16)).sum().backward()
    assert x.grad is not None
    assert memory.grad is not None
    assert x.grad.abs().amin(dim=(1, 2)).gt(0).all()
    assert memory.grad.abs().amax() > 0


def test_dropout_acts_in_training_and_never_in_evaluation() -> None:
    module = SkipTransformerEncoder(CONFIG)
    x = torch.randn(2, 4, 16)
    assert not torch.equal(module.train()(x), module(x))
    assert torch.equal(module.eval()(x), module(x))


def test_even_skip_stacks_are_refused() -> None:
    with pytest.raises(ConfigError, match="odd number, got 4"):
        SkipTransformerEncoder(CONFIG.model_copy(update={"layers": 4}))


def test_a_mask_that_hides_nothing_is_dropped() -> None:
    assert effective_mask(torch.ones(2, 3, dtype=torch.bool)) is None
    assert effective_mask(None) is None
    mask = torch.tensor([[True, False]])
    assert effective_mask(mask) is mask


def test_learned_positions_refuse_what_they_cannot_place() -> None:
    positions = LearnedPositions(4, length=3)
    with pytest.raises(DataError, match="4 tokens: this network has 3"):
        positions(torch.zeros(1, 4, 4))


@pytest.mark.parametrize("width", [5, 6])
def test_sinusoidal_positions(width: int) -> None:
    table = SinusoidalPositions(width, 3)(torch.zeros(1, 3, width))[0]
    assert table[0].tolist() == [0.0] * (width // 2) + [1.0] * (width // 2) + [0.0] * (width % 2)
    torch.testing.assert_close(table[2, 0], torch.tensor(2.0).sin())
    torch.testing.assert_close(table[2, 1], torch.tensor(2.0 * 10000 ** (-1 / (width // 2))).sin())
