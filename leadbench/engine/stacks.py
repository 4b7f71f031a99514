"""Prepared transformer stacks of :mod:`leadbench.nn.transformer`, for inference alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leadbench.nn.packing import PackedLinear, composed
from leadbench.nn.transformer import (
    DecoderBlock,
    EncoderBlock,
    SelfAttention,
    SkipTransformerDecoder,
    SkipTransformerEncoder,
)

FEW, MANY = 4, 32
"""Keys up to which, and sequences from which, attention is faster without torch's fused kernel on a CPU."""


class PackedNorm:
    """A layer norm of rows [R, D] in the weights' type."""

    def __init__(self, norm: nn.LayerNorm, dtype: torch.dtype) -> None:
        self.shape, self.eps = tuple(norm.normalized_shape), norm.eps
        self.weight, self.bias = norm.weight.detach().to(dtype), norm.bias.detach().to(dtype)

    def __call__(self, rows: Tensor) -> Tensor:
        return F.layer_norm(rows, self.shape, self.weight, self.bias, self.eps)


class _Attention:
    """Self-attention [B, S, D] to rows [B * rows, D]; with ``first`` only so many rows of each sequence ask."""

    def __init__(self, module: SelfAttention, dtype: torch.dtype, first: int | None) -> None:
        self.heads, self.width, self.first = module.heads, module.width, first
        weight, bias, width = module.qkv.weight, module.qkv.bias, module.width
        if first is None:
            self.qkv = PackedLinear(weight, bias, dtype)
        else:
            self.query = PackedLinear(weight[:width], bias[:width], dtype)
            self.key_value = PackedLinear(weight[width:], bias[width:], dtype)
        self.out = PackedLinear(module.out.weight, module.out.bias, dtype)

    def __call__(self, x: Tensor, asking: Tensor, mask: Tensor | None, projected: Tensor | None = None) -> Tensor:
        """``asking`` are the rows [B * rows, D] of x that ask: all, or the first ones of each sequence. ``projected``
        [B, S, 3 D] are queries, keys and values, where all ask and somebody computed them."""
        batch, length, width = x.shape
        shape = (batch, length, -1, self.heads, width // self.heads)
        if self.first is None:
            q, k, v = (self.qkv(asking) if projected is None else projected).view(shape).unbind(2)
        else:
            k, v = self.key_value(x.reshape(-1, width)).view(shape).unbind(2)
            q = self.query(asking).view(batch, -1, self.heads, width // self.heads)
        if mask is None and length <= FEW and batch >= MANY and x.device.type == "cpu":
            mixed = _attend_to_few(q, k, v)
        else:
            q, k, v = (part.transpose(1, 2) for part in (q, k, v))
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)
        return self.out(mixed.reshape(-1, width))


def _attend_to_few(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention [B, T, H, d] of queries to a few keys [B, S, H, d], as sums over broadcast products.

    torch's fused kernel works on blocks of many keys, and of 3 it makes nothing but blocks: for 256 sequences this
    takes a quarter of its time.
    """
    scores = (query[:, :, None] * key[:, None]).sum(dim=-1)
    weights = torch.softmax(scores * query.shape[-1] ** -0.5, dim=2)
    return (weights[..., None] * value[:, None]).sum(dim=2)


class PackedFeedForward:
    """Feed-forward of a block with its residual and norm: rows [R, D] to [R, D]."""

    def __init__(self, block: EncoderBlock | DecoderBlock, dtype: torch.dtype) -> None:
        self.expand = PackedLinear(block.feedforward.expand.weight, block.feedforward.expand.bias, dtype)
        self.contract = PackedLinear(block.feedforward.contract.weight, block.feedforward.contract.bias, dtype)
        self.norm = PackedNorm(block.norm_feedforward, dtype)

    def __call__(self, rows: Tensor) -> Tensor:
        return self.norm(self.contract(self.expand(rows, gelu=True)).add_(rows))


class PackedEncoderBlock:
    """:class:`EncoderBlock`, with ``first`` for the first rows of each sequence alone."""

    def __init__(self, block: EncoderBlock, dtype: torch.dtype, first: int | None = None) -> None:
        self.attention = _Attention(block.attention, dtype, first)
        self.norm = PackedNorm(block.norm_attention, dtype)
        self.feedforward = PackedFeedForward(block, dtype)
        self.first = first

    def __call__(self, x: Tensor, mask: Tensor | None, projected: Tensor | None = None) -> Tensor:
        """x [B, S, D] to [B, S or first, D]; mask [B, 1, 1, S] or None; ``projected`` as attention takes it."""
        batch, _, width = x.shape
        asking = (x if self.first is None else x[:, : self.first]).reshape(-1, width)
        rows = self.norm(self.attention(x, asking, mask, projected).add_(asking))
        return self.feedforward(rows).view(batch, -1, width)


class PackedSkipEncoder:
    """:class:`SkipTransformerEncoder` for the first ``rows`` rows of each sequence."""

    def __init__(self, stack: SkipTransformerEncoder, rows: int, dtype: torch.dtype = torch.float32) -> None:
        blocks: list[EncoderBlock] = [*stack.down, stack.middle, *stack.up]  # type: ignore[list-item]
        half, last = len(stack.down), len(blocks) - 1
        packed = [PackedEncoderBlock(b, dtype, rows if i == last else None) for i, b in enumerate(blocks)]
        self.down, self.middle, self.up = packed[:half], packed[half], packed[half + 1 :]
        self.merge = [PackedLinear(m.weight, m.bias, dtype) for m in stack.merge]  # type: ignore[arg-type]
        self.norm = PackedNorm(stack.norm, dtype)

    @property
    def entry(self) -> PackedLinear | None:
        """The first block's map to queries, keys and values of all rows; None for a single block."""
        return self.down[0].attention.qkv if self.down else None

    def __call__(self, x: Tensor, mask: Tensor | None = None, projected: Tensor | None = None) -> Tensor:
        """x [B, S, D] to [B, rows, D]; mask [B, 1, 1, S] or None; ``projected`` [B, S, 3 D] is what :attr:`entry` gives
        for x, or None."""
        saved: list[Tensor] = []
        for block in self.down:
            x = block(x, mask, projected)
            projected = None
            saved.append(x)
        x = self.middle(x, mask)
        for merge, block in zip(self.merge, self.up, strict=True):
            x = block(merged(merge, x, saved.pop()), mask)
        return self.norm(x)


def merged(merge: PackedLinear, current: Tensor, saved: Tensor) -> Tensor:
    """The linear map of [current, saved], each [B, S, D]."""
    both = torch.cat([current, saved], dim=-1)
    return merge(both.view(-1, both.shape[-1])).view(current.shape)


class PackedDecoderBlock:
    """:class:`DecoderBlock` without its cross-attention, whose result it is given: a memory of one token is read whole
    whatever asks."""

    def __init__(self, block: DecoderBlock, dtype: torch.dtype) -> None:
        self.attention = _Attention(block.attention, dtype, None)
        self.norm = PackedNorm(block.norm_attention, dtype)
        self.norm_cross = PackedNorm(block.norm_cross, dtype)
        self.feedforward = PackedFeedForward(block, dtype)

    def __call__(self, x: Tensor, read: Tensor) -> Tensor:
        """x [B, T, D], or [1, T, D] if all sequences enter alike, and what each reads from its memory, [B, 1, D]."""
        asking = x.reshape(-1, x.shape[-1])
        rows = self.norm(self.attention(x, asking, None).add_(asking))
        heard = self.norm_cross(rows.view(x.shape) + read)
        return self.feedforward(heard.view(-1, x.shape[-1])).view(heard.shape)


class PackedSkipDecoder:
    """:class:`SkipTransformerDecoder` for memories of one token and sequences without padding.

    What enters is positions alone, so the first self-attention is the same for all sequences of one length.
    """

    def __init__(self, stack: SkipTransformerDecoder, dtype: torch.dtype = torch.float32) -> None:
        blocks: Sequence[DecoderBlock] = [*stack.down, stack.middle, *stack.up]  # type: ignore[list-item]
        half = len(stack.down)
        packed = [PackedDecoderBlock(block, dtype) for block in blocks]
        self.down, self.middle, self.up = packed[:half], packed[half], packed[half + 1 :]
        self.merge = [PackedLinear(m.weight, m.bias, dtype) for m in stack.merge]  # type: ignore[arg-type]
        self.norm = PackedNorm(stack.norm, dtype)
        # A softmax over one key is 1, so cross-attention is its value map and its output map, one after the other.
        reads = [_read_of(block) for block in blocks]
        self.reads = PackedLinear(torch.cat([w for w, _ in reads]), torch.cat([b for _, b in reads]), dtype)
        self.layers = len(blocks)

    def __call__(self, x: Tensor, memory: Tensor) -> Tensor:
        """x [1, T, D], with which every sequence enters, and memory [B, 1, D] to [B, T, D]."""
        reads = self.reads(memory[:, 0]).view(len(memory), self.layers, 1, -1).unbind(1)
        layer, saved = iter(reads), list[Tensor]()
        for block in self.down:
            x = block(x, next(layer))
            saved.append(x)
        x = self.middle(x, next(layer))
        for merge, block in zip(self.merge, self.up, strict=True):
            x = block(merged(merge, x, saved.pop()), next(layer))
        return self.norm(x)


def _read_of(block: DecoderBlock) -> tuple[Tensor, Tensor]:
    cross = block.cross
    return composed(cross.out, (cross.key_value.weight[cross.width :], cross.key_value.bias[cross.width :]))
