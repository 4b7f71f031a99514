"""The decoder of the motion VAE in buckets of one length: no padding is computed, and no mask is needed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from leadbench.core.device import indices
from leadbench.core.tensors import front_lengths, host_lengths
from leadbench.engine.stacks import PackedSkipDecoder
from leadbench.nn.autoencoder import MotionVAE
from leadbench.nn.packing import PackedLinear, prepared

ROWS = 1024
"""Token rows worked on together: the hidden layer of so many stays in a core's cache."""

DEVICE_ROWS = 1 << 20
"""The same on an accelerator, where more at once is faster, up to memory."""


class DecodeEngine:
    """``MotionVAE.decode`` for one latent token, without autograd."""

    def __init__(self, module: MotionVAE, dtype: torch.dtype = torch.float32) -> None:
        self.config, self.dtype = module.config, dtype
        self.stack = PackedSkipDecoder(module.decoder, dtype)
        self.positions = module.decoder_positions.table.detach().to(dtype)
        self.frames_out = PackedLinear(module.frames_out.weight, module.frames_out.bias, dtype)
        into = module.from_latent
        self.from_latent = PackedLinear(into.weight, into.bias, dtype) if isinstance(into, nn.Linear) else None
        self.shift, self.scale = module.latent_shift.clone(), module.latent_scale.clone()

    def decode(self, latent: Tensor, mask: Tensor) -> Tensor:
        """Normalised features [B, F, D] of standardised latents [B, 1, M], for lengths given by a mask [B, F] whose
        rows are True up to their length; other frames are 0."""
        lengths = host_lengths(mask)
        features = latent.new_zeros(len(latent), mask.shape[1], self.config.features)
        with torch.inference_mode():
            memory = (latent * self.scale + self.shift).to(self.dtype)
            if self.from_latent is not None:
                memory = self.from_latent(memory.flatten(0, 1)).view(len(latent), 1, -1)
            if latent.device.type == "cpu":
                self._by_rows(features, memory, lengths)
            else:
                self._at_once(features, memory, lengths)
                features.mul_(mask[..., None])
        return features

    def _by_rows(self, features: Tensor, memory: Tensor, lengths: list[int]) -> None:
        """Fill features [B, F, D], which are 0. On a CPU only real frames are copied."""
        for tokens, rows in self._buckets(lengths, ROWS):
            frames = self._frames(memory[rows], tokens)[:, : features.shape[1]].to(features.dtype)
            for row, motion in zip(rows, frames, strict=True):
                features[row, : lengths[row]] = motion[: lengths[row]]

    def _at_once(self, features: Tensor, memory: Tensor, lengths: list[int]) -> None:
        """Fill features [B, F, D]. Elsewhere a bucket is one gather and one scatter, whose rows were sent before the
        first one."""
        buckets = self._buckets(lengths, DEVICE_ROWS)
        order = indices([row for _, rows in buckets for row in rows], memory.device)
        for (tokens, _), rows in zip(buckets, order.split([len(rows) for _, rows in buckets]), strict=True):
            frames = self._frames(memory[rows], tokens)[:, : features.shape[1]].to(features.dtype)
            features[:, : frames.shape[1]].index_copy_(0, rows, frames)

    def _frames(self, memory: Tensor, tokens: int) -> Tensor:
        rows = self.stack(self.positions[None, :tokens], memory).flatten(0, 1)
        return self.frames_out(rows).view(len(memory), -1, self.config.features)

    def _buckets(self, lengths: list[int], together: int) -> list[tuple[int, list[int]]]:
        """(tokens, rows of the batch that have so many), in pieces of at most so many token rows."""
        group = self.config.frames_per_token
        by_tokens: dict[int, list[int]] = {}
        for row, length in enumerate(lengths):
            if length:
                by_tokens.setdefault(-(-length // group), []).append(row)
        pieces = []
        for tokens, rows in sorted(by_tokens.items()):
            most = max(1, together // tokens)
            pieces += [(tokens, rows[start : start + most]) for start in range(0, len(rows), most)]
        return pieces


def decoder_for(
    module: MotionVAE, latent: Tensor, mask: Tensor, dtype: torch.dtype = torch.float32
) -> DecodeEngine | None:
    """The engine of an autoencoder as it is now, made once; None where gradients are wanted, latents have several
    tokens, or real frames do not stand together at the front."""
    config = module.config
    if module.training or config.latent_tokens != 1 or (latent.requires_grad and torch.is_grad_enabled()):
        return None
    if latent.dtype is not torch.float32 or module.frames_out.weight.dtype is not torch.float32:
        return None
    if latent.shape[1:] != module.latent_shift.shape or mask.shape[1] > config.positions * config.frames_per_token:
        return None  # the module tells what is wrong
    if front_lengths(mask) is None:
        return None
    return prepared(module, DecodeEngine, dtype)
