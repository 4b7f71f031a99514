"""CLIP's text tower prepared for inference: weights laid out once, causal attention, the last block for end tokens."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from open_clip.transformer import QuickGELU, TextTransformer
from torch import Tensor, nn

from leadbench.nn.packing import PackedLinear


class _Block:
    """A pre-norm block; with ``ends`` its result is that of one row of each sequence."""

    def __init__(self, block: Any, quick: bool, dtype: torch.dtype) -> None:
        attention, width = block.attn, block.attn.embed_dim
        self.heads, self.width, self.quick = attention.num_heads, width, quick
        weight, bias = attention.in_proj_weight, attention.in_proj_bias
        self.query = PackedLinear(weight[:width], bias[:width], dtype)
        self.key_value = PackedLinear(weight[width:], bias[width:], dtype)
        self.out = PackedLinear(attention.out_proj.weight, attention.out_proj.bias, dtype)
        self.norm_attention, self.norm_mlp = block.ln_1, block.ln_2
        self.expand = PackedLinear(block.mlp.c_fc.weight, block.mlp.c_fc.bias, dtype)
        self.contract = PackedLinear(block.mlp.c_proj.weight, block.mlp.c_proj.bias, dtype)

    def __call__(self, x: Tensor, ends: Tensor | None) -> Tensor:
        """x [B, L, W] to [B, L, W], or to [B, 1, W] at ``ends`` [B]."""
        batch, length, width = x.shape
        shape = (batch, -1, self.heads, width // self.heads)
        normed = self.norm_attention(x)
        k, v = (
            self.key_value(normed.view(-1, width)).view(batch, length, 2, *shape[2:]).permute(2, 0, 3, 1, 4).unbind(0)
        )
        mask = None
        if ends is not None:
            rows = torch.arange(batch, device=x.device)
            x, normed = x[rows, ends].unsqueeze(1), normed[rows, ends]
            mask = (torch.arange(length, device=x.device) <= ends[:, None])[:, None, None, :]
        q = self.query(normed.reshape(-1, width)).view(shape).transpose(1, 2)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=ends is None)
        x = self.out(mixed.transpose(1, 2).reshape(-1, width)).add_(x.reshape(-1, width))
        return self._mlp(x).view(batch, -1, width)

    def _mlp(self, x: Tensor) -> Tensor:
        hidden = self.expand(self.norm_mlp(x), gelu=not self.quick)
        if self.quick:
            hidden = hidden.mul_(torch.sigmoid(1.702 * hidden))
        return self.contract(hidden).add_(x)


class PackedTower:
    """``TextTransformer`` for the features of end tokens."""

    def __init__(self, tower: TextTransformer, dtype: torch.dtype = torch.float32) -> None:
        blocks: Any = tower.transformer.resblocks
        self.blocks = [_Block(b, isinstance(b.mlp.gelu, QuickGELU), dtype) for b in blocks]
        self.embedding, self.positions = tower.token_embedding, tower.positional_embedding.detach()
        self.norm, self.projection = tower.ln_final, tower.text_projection.detach()

    def pooled(self, ids: Tensor, ends: Tensor) -> Tensor:
        """Projected feature [B, C] of the tokens at ``ends`` [B] of ids [B, L]."""
        x = self.embedding(ids) + self.positions[: ids.shape[1]]
        for block in self.blocks[:-1]:
            x = block(x, None)
        pooled: Tensor = self.norm(self.blocks[-1](x, ends)[:, 0]) @ self.projection
        return pooled


def packable(tower: TextTransformer) -> bool:
    """Whether the tower has the blocks that are known here (plain pre-norm ones with packed attention maps)."""
    return tower.training is False and all(
        isinstance(block.attn, nn.MultiheadAttention)
        and block.attn.in_proj_weight is not None
        and isinstance(block.ls_1, nn.Identity)
        and isinstance(block.mlp.gelu, QuickGELU | nn.GELU)
        for block in tower.transformer.resblocks
    )
