"""Post-norm transformer blocks, plain and with the long skip connections of MLD; batch first, fused attention.

Layout facts: MLD (Chen et al., CVPR 2023), after DETR. A block is attention, add, LayerNorm, feed-forward with
exact GELU, add, LayerNorm. A skip stack of L = 2 n + 1 blocks saves the outputs of its first n blocks; each of its
last n blocks first merges [current, most recently saved] by a linear map; one LayerNorm ends the stack.

Masks are [B, S], True on keys that may be read; None means that there is nothing to mask.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leadbench.core.config import TransformerConfig
from leadbench.core.errors import ConfigError
from leadbench.core.shards import divided, dropped_out
from leadbench.core.tensors import hides_nothing
from leadbench.nn.dropout import RowDropout


def effective_mask(mask: Tensor | None) -> Tensor | None:
    """None where a mask hides nothing, so that attention runs without one, as far as that is known without a wait."""
    return None if mask is None or hides_nothing(mask) else mask


def _attend(query: Tensor, key_value: Tensor, heads: int, mask: Tensor | None, dropout: float) -> Tensor:
    """Multi-head attention of [B, T, D] to packed keys and values [B, S, 2 D]."""
    batch, rows, width = query.shape
    q = query.view(batch, rows, heads, width // heads).transpose(1, 2)
    k, v = key_value.view(batch, key_value.shape[1], 2, heads, width // heads).permute(2, 0, 3, 1, 4)
    keys = None if mask is None else mask[:, None, None, :]
    if dropout and divided():
        mixed = _attend_by_hand(q, k, v, keys, dropout)
    else:
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=keys, dropout_p=dropout)
    return mixed.transpose(1, 2).reshape(batch, rows, width)


def _attend_by_hand(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout: float) -> Tensor:
    """Attention [B, H, T, D] whose dropout is that of the whole batch, of which this process computes some rows: the
    fused kernels draw their own."""
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return dropped_out(scores.softmax(dim=-1), dropout) @ v


def reset_parameters(module: nn.Module) -> None:
    """Xavier-uniform weights and zero biases for every linear map of ``module``."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


class SelfAttention(nn.Module):
    """Multi-head self-attention with packed query, key and value maps."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.heads, self.width, self.dropout = config.heads, config.width, config.attention_dropout
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor, mask: Tensor | None = None, rows: int | None = None) -> Tensor:
        """Attend within x [B, S, D]; with ``rows`` only the first rows ask, and [B, rows, D] comes back."""
        dropout = self.dropout if self.training else 0.0
        weight, bias, width = self.qkv.weight, self.qkv.bias, self.width
        if x.shape[1] == 1 and mask is None and not dropout:
            # A softmax over one key is 1: queries and keys cannot matter.
            mixed = F.linear(x, weight[2 * width :], bias[2 * width :])
        elif rows is None or rows >= x.shape[1]:
            packed = self.qkv(x)
            mixed = _attend(packed[..., :width], packed[..., width:], self.heads, mask, dropout)
        else:
            query = F.linear(x[:, :rows], weight[:width], bias[:width])
            mixed = _attend(query, F.linear(x, weight[width:], bias[width:]), self.heads, mask, dropout)
        out: Tensor = self.out(mixed)
        return out


class CrossAttention(nn.Module):
    """Multi-head attention of a sequence to a memory, without a mask."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.heads, self.width, self.dropout = config.heads, config.width, config.attention_dropout
        self.query = nn.Linear(config.width, config.width)
        self.key_value = nn.Linear(config.width, 2 * config.width)
        self.out = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        """x [B, T, D] reads memory [B, S, D]; [B, T, D], or [B, 1, D] (it broadcasts) for a memory of one token."""
        dropout = self.dropout if self.training else 0.0
        if memory.shape[1] == 1 and not dropout:
            # A softmax over one key is 1: every row reads the same value, whatever it asks.
            mixed = F.linear(memory, self.key_value.weight[self.width :], self.key_value.bias[self.width :])
        else:
            mixed = _attend(self.query(x), self.key_value(memory), self.heads, None, dropout)
        out: Tensor = self.out(mixed)
        return out


class FeedForward(nn.Module):
    """Linear, exact GELU, dropout, linear."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.expand = nn.Linear(config.width, config.feedforward)
        self.contract = nn.Linear(config.feedforward, config.width)
        self.dropout = RowDropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.contract(self.dropout(F.gelu(self.expand(x))))
        return out


class EncoderBlock(nn.Module):
    """Self-attention and feed-forward, each added and then normalised."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attention = SelfAttention(config)
        self.norm_attention = nn.LayerNorm(config.width)
        self.feedforward = FeedForward(config)
        self.norm_feedforward = nn.LayerNorm(config.width)
        self.dropout = RowDropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None, rows: int | None = None) -> Tensor:
        """x [B, S, D] to [B, S, D], or to its first ``rows`` rows alone, which is cheaper."""
        mixed = self.attention(x, mask, rows)
        x = self.norm_attention(x[:, :rows] + self.dropout(mixed))
        out: Tensor = self.norm_feedforward(x + self.dropout(self.feedforward(x)))
        return out


class DecoderBlock(nn.Module):
    """Self-attention, cross-attention to a memory, and feed-forward, each added and then normalised."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attention = SelfAttention(config)
        self.norm_attention = nn.LayerNorm(config.width)
        self.cross = CrossAttention(config)
        self.norm_cross = nn.LayerNorm(config.width)
        self.feedforward = FeedForward(config)
        self.norm_feedforward = nn.LayerNorm(config.width)
        self.dropout = RowDropout(config.dropout)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """x [B, T, D] with memory [B, S, D] to [B, T, D]; ``mask`` [B, T] hides rows of x from self-attention."""
        x = self.norm_attention(x + self.dropout(self.attention(x, mask)))
        read = self.cross(x, memory)
        # Expanded before dropout, so that every row loses channels of its own.
        x = self.norm_cross(x + self.dropout(read.expand_as(x)))
        out: Tensor = self.norm_feedforward(x + self.dropout(self.feedforward(x)))
        return out


class TransformerEncoder(nn.Module):
    """A plain stack of encoder blocks."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(EncoderBlock(config) for _ in range(config.layers))

    def forward(self, x: Tensor, mask: Tensor | None = None, rows: int | None = None) -> Tensor:
        """x [B, S, D] to [B, S, D], or to its first ``rows`` rows."""
        last = len(self.blocks) - 1
        for i, block in enumerate(self.blocks):
            x = block(x, mask, rows if i == last else None)
        return x


class _SkipStack(nn.Module):
    """Blocks before, in and after the middle, and the maps that merge saved outputs."""

    def __init__(self, config: TransformerConfig, block: type[nn.Module]) -> None:
        super().__init__()
        if config.layers % 2 == 0:
            raise ConfigError(f"transformer.layers: a skip transformer needs an odd number, got {config.layers}")
        half = config.layers // 2
        self.down = nn.ModuleList(block(config) for _ in range(half))
        self.middle = block(config)
        self.up = nn.ModuleList(block(config) for _ in range(half))
        self.merge = nn.ModuleList(nn.Linear(2 * config.width, config.width) for _ in range(half))
        self.norm = nn.LayerNorm(config.width)


class SkipTransformerEncoder(_SkipStack):
    """Encoder blocks with long skip connections. Raises ConfigError for an even number of layers."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config, EncoderBlock)

    def forward(self, x: Tensor, mask: Tensor | None = None, rows: int | None = None) -> Tensor:
        """x [B, S, D] to [B, S, D], or to its first ``rows`` rows (the last block computes no others)."""
        saved: list[Tensor] = []
        for block in self.down:
            x = block(x, mask)
            saved.append(x)
        x = self.middle(x, mask, None if self.up else rows)
        last = len(self.up) - 1
        for i, (merge, block) in enumerate(zip(self.merge, self.up, strict=True)):
            x = block(merge(torch.cat([x, saved.pop()], dim=-1)), mask, rows if i == last else None)
        out: Tensor = self.norm(x)
        return out


class SkipTransformerDecoder(_SkipStack):
    """Decoder blocks with long skip connections. Raises ConfigError for an even number of layers."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config, DecoderBlock)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """x [B, T, D] with memory [B, S, D] to [B, T, D]; ``mask`` [B, T] is for x, the memory is read whole."""
        saved: list[Tensor] = []
        for block in self.down:
            x = block(x, memory, mask)
            saved.append(x)
        x = self.middle(x, memory, mask)
        for merge, block in zip(self.merge, self.up, strict=True):
            x = block(merge(torch.cat([x, saved.pop()], dim=-1)), memory, mask)
        out: Tensor = self.norm(x)
        return out
