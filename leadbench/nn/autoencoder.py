"""The motion VAE of MLD (Chen et al., CVPR 2023) and MotionLCM (Dai et al., ECCV 2024)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Normal

from leadbench.core.config import AutoencoderConfig
from leadbench.core.errors import DataError, LatentMismatchError, NonFiniteError
from leadbench.nn.positions import LearnedPositions
from leadbench.nn.transformer import (
    SkipTransformerDecoder,
    SkipTransformerEncoder,
    effective_mask,
    reset_parameters,
)


class MotionVAE(nn.Module):
    """Normalised motion features to the distribution of a few latent tokens, and back.

    The encoder reads 2 N learned tokens (means, then log variances) in front of the frames, or N where the config
    says ``deterministic``; the decoder turns positions into frames while it attends to the N latent tokens. The
    outside sees standardised latents:
    ``(z - latent_shift) / latent_scale``, with the buffers [N, M] at 0 and 1 for official checkpoints.

    With ``frames_per_token`` p > 1 every token is a linear map of p consecutive frames (ours, for speed).
    """

    latent_shift: Tensor
    latent_scale: Tensor

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        width, group = config.transformer.width, config.frames_per_token * config.features
        self.frames_in = nn.Linear(group, width)
        self.frames_out = nn.Linear(width, group)
        statistics = 1 if config.deterministic else 2
        self.distribution_tokens = nn.Parameter(torch.randn(statistics * config.latent_tokens, width))
        self.encoder_positions = LearnedPositions(width, config.positions, sinusoidal=config.sinusoidal_start)
        self.decoder_positions = LearnedPositions(width, config.positions, sinusoidal=config.sinusoidal_start)
        self.encoder = SkipTransformerEncoder(config.transformer)
        self.decoder = SkipTransformerDecoder(config.transformer)
        mapped = config.project_latent or config.latent_width != width
        self.to_latent: nn.Module = nn.Linear(width, config.latent_width) if mapped else nn.Identity()
        self.from_latent: nn.Module = nn.Linear(config.latent_width, width) if mapped else nn.Identity()
        shape = (config.latent_tokens, config.latent_width)
        self.register_buffer("latent_shift", torch.zeros(shape))
        self.register_buffer("latent_scale", torch.ones(shape))
        reset_parameters(self)

    def encode(self, features: Tensor, mask: Tensor) -> Normal:
        """Distribution of the standardised latent, loc and scale [B, N, M].

        features [B, F, D] normalised; mask [B, F], True on real frames: what padded frames hold does not matter.
        Raises DataError for another feature width or a sequence longer than the position table.
        """
        if features.shape[-1] != self.config.features:
            raise DataError(f"motion has {features.shape[-1]} features a frame, the VAE takes {self.config.features}")
        real = features.masked_fill(~mask[..., None], 0.0)
        frames = self.frames_in(self._group(real))
        tokens = self.distribution_tokens.to(frames.dtype).expand(len(frames), -1, -1)
        sequence = self.encoder_positions(torch.cat([tokens, frames], dim=1))
        keys = effective_mask(self._token_mask(mask))
        if keys is not None:
            keys = F.pad(keys, (tokens.shape[1], 0), value=True)
        rows = self.to_latent(self.encoder(sequence, keys, rows=tokens.shape[1])).to(features.dtype)
        loc = (rows[:, : self.config.latent_tokens] - self.latent_shift) / self.latent_scale
        if self.config.deterministic:
            return Normal(loc, torch.zeros_like(loc), validate_args=False)
        log_variance = rows[:, self.config.latent_tokens :] + self.config.log_variance_offset
        return Normal(loc, torch.exp(log_variance / 2) / self.latent_scale, validate_args=False)

    def decode(self, latent: Tensor, mask: Tensor) -> Tensor:
        """Normalised features [B, F, D] of standardised latents [B, N, M]; frames where mask [B, F] is False are 0.

        Raises LatentMismatchError for latents of another shape, DataError for more frames than positions.
        """
        if latent.shape[1:] != self.latent_shift.shape:
            raise LatentMismatchError(
                f"latents are {list(latent.shape[1:])}, this VAE decodes {list(self.latent_shift.shape)}"
            )
        memory = self.from_latent(latent * self.latent_scale + self.latent_shift)
        tokens = self._token_mask(mask)
        queries = self.decoder_positions.rows(tokens.shape[1]).expand(len(latent), -1, -1)
        groups: Tensor = self.frames_out(self.decoder(queries, memory, effective_mask(tokens)))
        frames = groups.reshape(len(latent), -1, self.config.features)[:, : mask.shape[1]]
        return frames.to(latent.dtype).masked_fill(~mask[..., None], 0.0)

    @torch.no_grad()
    def set_latent_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Standardise latents by mean and std, each [N, M], of the latents as this VAE now encodes them.

        Composes with what was set before. Raises LatentMismatchError for other shapes and NonFiniteError
        unless both are finite and std is positive.
        """
        if mean.shape != self.latent_shift.shape or std.shape != self.latent_shift.shape:
            raise LatentMismatchError(
                f"latent statistics: mean {list(mean.shape)} and std {list(std.shape)}, "
                f"this VAE needs {list(self.latent_shift.shape)}"
            )
        if not bool(torch.isfinite(mean).all() and torch.isfinite(std).all() and (std > 0).all()):
            raise NonFiniteError("latent statistics: mean and std must be finite and std positive")
        self.latent_shift.add_(mean * self.latent_scale)
        self.latent_scale.mul_(std)

    def _group(self, features: Tensor) -> Tensor:
        """[B, F, D] to [B, ceil(F / p), p D]; frames that complete the last group are 0."""
        p = self.config.frames_per_token
        padded = F.pad(features, (0, 0, 0, -features.shape[1] % p))
        return padded.reshape(len(features), -1, p * features.shape[2])

    def _token_mask(self, mask: Tensor) -> Tensor:
        """[B, F] to [B, ceil(F / p)]: a token is valid if any of its frames is."""
        p = self.config.frames_per_token
        return F.pad(mask, (0, -mask.shape[1] % p)).reshape(len(mask), -1, p).any(dim=2)
