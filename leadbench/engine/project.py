"""The LEAD projector of one latent token and one code: attention within one token is a linear map."""

from __future__ import annotations

import torch
from torch import Tensor

from leadbench.engine.stacks import PackedFeedForward, PackedNorm
from leadbench.nn.packing import PackedLinear, composed, prepared
from leadbench.nn.projector import LeadProjector, TokenTransformer
from leadbench.nn.transformer import EncoderBlock, TransformerEncoder


class _OneToken:
    """:class:`EncoderBlock` for rows [B, D], each a sequence of its own."""

    def __init__(self, block: EncoderBlock, dtype: torch.dtype) -> None:
        attention, width = block.attention, block.attention.width
        # A softmax over one key is 1: what is left of attention is the value map and the output map.
        value = attention.qkv.weight[2 * width :], attention.qkv.bias[2 * width :]
        self.mixed = PackedLinear(*composed(attention.out, value), dtype)
        self.norm = PackedNorm(block.norm_attention, dtype)
        self.feedforward = PackedFeedForward(block, dtype)

    def __call__(self, rows: Tensor) -> Tensor:
        return self.feedforward(self.norm(self.mixed(rows).add_(rows)))


class _PackedTokens:
    """:class:`TokenTransformer` from one token to one token, [B, 1, I] to [B, 1, O]."""

    def __init__(self, module: TokenTransformer, dtype: torch.dtype) -> None:
        into = module.tokens_in
        self.tokens_in = PackedLinear(into.weight, into.bias + module.positions.table[0], dtype)
        assert isinstance(module.blocks, TransformerEncoder)
        blocks: list[EncoderBlock] = list(module.blocks.blocks)  # type: ignore[arg-type]
        self.blocks = [_OneToken(block, dtype) for block in blocks]
        self.tokens_out = PackedLinear(module.tokens_out.weight, module.tokens_out.bias, dtype)

    def __call__(self, tokens: Tensor) -> Tensor:
        rows = self.tokens_in(tokens[:, 0])
        for block in self.blocks:
            rows = block(rows)
        return self.tokens_out(rows)[:, None]


class ProjectEngine:
    """:class:`LeadProjector` of one token each way, without autograd."""

    def __init__(self, module: LeadProjector, dtype: torch.dtype = torch.float32) -> None:
        assert isinstance(module.encoder, TokenTransformer)
        assert isinstance(module.decoder, TokenTransformer)
        self.dtype = dtype
        self._encoder, self._decoder = _PackedTokens(module.encoder, dtype), _PackedTokens(module.decoder, dtype)

    @torch.no_grad()
    def project(self, latent: Tensor) -> Tensor:
        """Code tokens [B, 1, C] of latents [B, 1, M]."""
        return self._encoder(latent.to(self.dtype)).to(latent.dtype)

    @torch.no_grad()
    def reproject(self, tokens: Tensor) -> Tensor:
        """Latents [B, 1, M] of code tokens [B, 1, C]."""
        return self._decoder(tokens.to(self.dtype)).to(tokens.dtype)


def projector_for(
    module: LeadProjector, given: Tensor, width: int, dtype: torch.dtype = torch.float32
) -> ProjectEngine | None:
    """The engine of a projector as it is now, made once; None for other layouts, in training, where gradients are
    wanted, or for input that is not [B, 1, ``width``] float32."""
    parts = (module.encoder, module.decoder)
    one = all(isinstance(part, TokenTransformer) and part.queries is None for part in parts)
    if not one or module.config.split * module.config.latent_tokens != 1 or module.config.tokens != 1:
        return None
    if module.config.architecture != "transformer" or module.training:
        return None
    if given.requires_grad and torch.is_grad_enabled():
        return None
    if given.dtype is not torch.float32 or next(module.parameters()).dtype is not torch.float32:
        return None
    if given.ndim != 3 or given.shape[1:] != (1, width):
        return None  # the module tells what is wrong
    return prepared(module, ProjectEngine, dtype)
