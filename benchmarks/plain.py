"""The plain path: MLD and MotionLCM as their official codes compute them, to compare the engine with.

Sequence-first layers of ``nn.MultiheadAttention`` as in DETR, 77 tokens of CLIP for every prompt and again for the
empty one, time and text embedded in every step, diffusers' scheduler between steps, one padded batch for the decoder
and for the evaluator. Weights are those of our networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler
from open_clip.transformer import TextTransformer
from torch import Tensor, nn

from leadbench.core.config import TransformerConfig
from leadbench.core.tensors import lengths_to_mask
from leadbench.nn.autoencoder import MotionVAE
from leadbench.nn.denoiser import Denoiser
from leadbench.nn.evaluator import MotionEmbedder
from leadbench.nn.positions import guidance_features, timestep_features
from leadbench.nn.sampling import lcm_sample
from leadbench.nn.schedule import NoiseSchedule, make_scheduler
from leadbench.nn.transformer import DecoderBlock, EncoderBlock, SkipTransformerDecoder, SkipTransformerEncoder


def _attention(config: TransformerConfig, weight: Tensor, bias: Tensor, out: nn.Linear) -> nn.MultiheadAttention:
    made = nn.MultiheadAttention(config.width, config.heads, dropout=config.dropout, device=weight.device)
    made.load_state_dict(
        {"in_proj_weight": weight, "in_proj_bias": bias, "out_proj.weight": out.weight, "out_proj.bias": out.bias}
    )
    return made


class PlainBlock(nn.Module):
    """One post-norm block, with cross-attention if ours has it."""

    def __init__(self, block: EncoderBlock | DecoderBlock, config: TransformerConfig) -> None:
        super().__init__()
        own = block.attention
        self.attention = _attention(config, own.qkv.weight, own.qkv.bias, own.out)
        self.norm_attention, self.norm_feedforward = block.norm_attention, block.norm_feedforward
        self.expand, self.contract = block.feedforward.expand, block.feedforward.contract
        self.dropout = nn.Dropout(config.dropout)
        self.cross: nn.MultiheadAttention | None = None
        if isinstance(block, DecoderBlock):
            read = block.cross
            weight = torch.cat([read.query.weight, read.key_value.weight])
            bias = torch.cat([read.query.bias, read.key_value.bias])
            self.cross, self.norm_cross = _attention(config, weight, bias, read.out), block.norm_cross

    def forward(self, x: Tensor, memory: Tensor | None = None, padding: Tensor | None = None) -> Tensor:
        """x [S, B, D]; memory [L, B, D]; padding [B, S], True on padded rows."""
        x = self.norm_attention(x + self.dropout(self.attention(x, x, x, key_padding_mask=padding)[0]))
        if self.cross is not None and memory is not None:
            x = self.norm_cross(x + self.dropout(self.cross(query=x, key=memory, value=memory)[0]))
        hidden = self.contract(self.dropout(F.gelu(self.expand(x))))
        out: Tensor = self.norm_feedforward(x + self.dropout(hidden))
        return out


class PlainSkipStack(nn.Module):
    """Blocks with long skip connections, all rows computed to the end."""

    def __init__(self, stack: SkipTransformerEncoder | SkipTransformerDecoder, config: TransformerConfig) -> None:
        super().__init__()
        self.down = nn.ModuleList(PlainBlock(b, config) for b in stack.down)  # type: ignore[arg-type]
        self.middle = PlainBlock(stack.middle, config)  # type: ignore[arg-type]
        self.up = nn.ModuleList(PlainBlock(b, config) for b in stack.up)  # type: ignore[arg-type]
        self.merge, self.norm = stack.merge, stack.norm

    def forward(self, x: Tensor, memory: Tensor | None = None, padding: Tensor | None = None) -> Tensor:
        saved = []
        for block in self.down:
            x = block(x, memory, padding)
            saved.append(x)
        x = self.middle(x, memory, padding)
        for merge, block in zip(self.merge, self.up, strict=True):
            x = block(merge(torch.cat([x, saved.pop()], dim=-1)), memory, padding)
        out: Tensor = self.norm(x)
        return out


class PlainDenoiser(nn.Module):
    """:class:`Denoiser`, every embedding made in every call."""

    def __init__(self, ours: Denoiser) -> None:
        super().__init__()
        self.ours = ours
        self.stack = PlainSkipStack(ours.encoder, ours.config.transformer)
        self.schedule = NoiseSchedule.scaled_linear(ours.time_in.weight.device)

    def forward(self, noisy: Tensor, timestep: Tensor, text: Tensor, weight: Tensor | None = None) -> Tensor:
        """Noise [B, N, M] in latents [B, N, M] at a scalar timestep under text [B, L, C]."""
        ours, config = self.ours, self.ours.config
        timestep = timestep.to(noisy.device)
        features = timestep_features(timestep.expand(len(noisy)), config.time_width)
        if weight is not None and ours.guidance_in is not None:
            features = features + ours.guidance_in(guidance_features(weight, ours.guidance_in.in_features))
        time = ours.time_out(F.silu(ours.time_in(features)))[None]
        text = text.transpose(0, 1)
        if config.normalize_text:
            text = F.layer_norm(text, text.shape[-1:])
        if config.project_text:
            text = ours.text_in(torch.relu(text) if config.relu_text else text)
        sequence = torch.cat([ours.from_latent(noisy.transpose(0, 1)), time, text])
        sequence = sequence + ours.positions.table[: len(sequence), None]
        predicted: Tensor = ours.to_latent(self.stack(sequence)[: noisy.shape[1]]).transpose(0, 1)
        if not config.preconditioned:
            return predicted
        return self.schedule.sigma(timestep, noisy) * noisy + self.schedule.signal(timestep, noisy) * predicted


class PlainDecoder(nn.Module):
    """The decoder half of :class:`MotionVAE`, one padded batch."""

    def __init__(self, ours: MotionVAE) -> None:
        super().__init__()
        self.ours = ours
        self.stack = PlainSkipStack(ours.decoder, ours.config.transformer)

    def forward(self, latent: Tensor, lengths: Sequence[int]) -> Tensor:
        """Features [B, F, D] with F the longest of the lengths; padded frames are 0."""
        ours, group = self.ours, self.ours.config.frames_per_token
        mask = lengths_to_mask(torch.tensor(lengths)).to(latent.device)
        tokens = lengths_to_mask(torch.tensor([-(-length // group) for length in lengths])).to(latent.device)
        memory = ours.from_latent(latent * ours.latent_scale + ours.latent_shift).transpose(0, 1)
        queries = torch.zeros(tokens.shape[1], len(latent), ours.config.transformer.width, device=latent.device)
        queries = queries + ours.decoder_positions.table[: tokens.shape[1], None]
        frames: Tensor = ours.frames_out(self.stack(queries, memory, ~tokens)).transpose(0, 1)
        frames = frames.reshape(len(latent), -1, ours.config.features)[:, : mask.shape[1]].clone()
        frames[~mask] = 0
        return frames


@torch.no_grad()
def plain_text(tower: TextTransformer, tokenizer: Any, captions: Sequence[str], guided: bool) -> Tensor:
    """CLIP features [B or 2 B, 1, C] of 77 tokens each; with guidance the empty text first, once for every caption."""
    texts = [*([""] * len(captions) if guided else []), *captions]
    features: Tensor = tower(tokenizer(texts))
    return features[:, None]


@torch.no_grad()
def plain_mld(denoiser: PlainDenoiser, noise: Tensor, text: Tensor, steps: int, guidance: float) -> Tensor:
    """MLD's guided DDIM loop; text [2 B, L, C], unconditional first."""
    scheduler = make_scheduler(DDIMScheduler, steps_offset=1)
    scheduler.set_timesteps(steps)
    latents = noise * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps:
        both = scheduler.scale_model_input(torch.cat([latents] * 2), timestep)
        unconditional, conditional = denoiser(both, timestep, text).chunk(2)
        predicted = unconditional + guidance * (conditional - unconditional)
        latents = scheduler.step(predicted, timestep, latents, eta=0.0).prev_sample
    final: Tensor = latents
    return final


@torch.no_grad()
def plain_lcm(
    denoiser: PlainDenoiser,
    noise: Tensor,
    text: Tensor,
    timesteps: Sequence[int],
    weight: float,
    fresh: Sequence[Tensor],
) -> Tensor:
    """MotionLCM's loop; text [B, L, C], guidance weight w = guidance - 1."""
    weights = torch.full((len(noise),), weight, device=noise.device)
    return lcm_sample(
        lambda x, t: denoiser(x, t, text, weights), noise, timesteps=timesteps, fresh_noise=fresh.__getitem__
    )


@torch.no_grad()
def plain_embed(embedder: MotionEmbedder, features: Tensor, lengths: Tensor, batch: int = 32) -> Tensor:
    """Motion embeddings [S, E] in batches of 32 in the order given, all padded to the width of ``features``."""
    pieces = zip(features.split(batch), lengths.split(batch), strict=True)
    return torch.cat([embedder.embed_as_padded(motions, frames) for motions, frames in pieces])
