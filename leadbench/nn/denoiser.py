"""The denoisers of MLD (Chen et al., CVPR 2023) and MotionLCM (Dai et al., ECCV 2024)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leadbench.core.config import DenoiserConfig
from leadbench.core.errors import ConfigError, LatentMismatchError
from leadbench.nn.positions import LearnedPositions, guidance_features, timestep_features
from leadbench.nn.schedule import NoiseSchedule
from leadbench.nn.transformer import SkipTransformerEncoder, effective_mask, reset_parameters


class Denoiser(nn.Module):
    """Predicts the noise in latents: a skip transformer over [latent tokens, time token, text tokens].

    With ``preconditioned`` the prediction is sigma(t) x + signal(t) F(x), with F the network: F then predicts the
    velocity of Salimans and Ho ("Progressive Distillation", ICLR 2022), whose size is the same at all timesteps.

    MotionLCM adds the projected features of its guidance weight to those of the timestep; the projection starts
    at zero, so that a student initialised from its teacher starts as the teacher.
    """

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        width = config.transformer.width
        mapped = config.project_latent or config.latent_width != width
        self.from_latent: nn.Module = nn.Linear(config.latent_width, width) if mapped else nn.Identity()
        self.to_latent: nn.Module = nn.Linear(width, config.latent_width) if mapped else nn.Identity()
        self.time_in = nn.Linear(config.time_width, width)
        self.time_out = nn.Linear(width, width)
        self.text_in: nn.Module = nn.Linear(config.text_width, width) if config.project_text else nn.Identity()
        self.positions = LearnedPositions(width, config.positions)
        self.encoder = SkipTransformerEncoder(config.transformer)
        reset_parameters(self)
        self._schedule: NoiseSchedule | None = None  # made on first use, on the device that is used
        self.guidance_in: nn.Linear | None = None
        if config.guidance_width is not None:
            self.guidance_in = nn.Linear(config.guidance_width, config.time_width, bias=False)
            nn.init.zeros_(self.guidance_in.weight)

    def forward(
        self,
        noisy: Tensor,
        timestep: Tensor,
        text: Tensor,
        guidance_weight: Tensor | None = None,
        text_mask: Tensor | None = None,
    ) -> Tensor:
        """Noise [B, N, M] in noisy latents [B, N, M] at integer timesteps, [B] or a scalar tensor.

        text [B, L, C]; text_mask [B, L], True on tokens in use (None: all). guidance_weight [B] or scalar is
        w = guidance - 1 for denoisers with a guidance input; None adds nothing (a teacher's mode).
        Raises LatentMismatchError for latents of another shape, ConfigError for a guidance weight
        where there is no such input or a text of another width.
        """
        self._check(noisy, text, guidance_weight)
        batch = len(noisy)
        time = self._time_token(timestep.reshape(-1), guidance_weight, noisy.dtype).expand(batch, -1, -1)
        if self.config.normalize_text:
            text = F.layer_norm(text, text.shape[-1:])
        if self.config.project_text and self.config.relu_text:
            text = torch.relu(text)
        sequence = torch.cat([self.from_latent(noisy), time, self.text_in(text)], dim=1)
        mask = effective_mask(text_mask)
        if mask is not None:
            mask = F.pad(mask, (noisy.shape[1] + 1, 0), value=True)
        rows = self.encoder(self.positions(sequence), mask, rows=noisy.shape[1])
        output: Tensor = self.to_latent(rows).to(noisy.dtype)
        if not self.config.preconditioned:
            return output
        schedule = self._schedule
        if schedule is None or schedule.alphas_cumprod.device != noisy.device:
            schedule = self._schedule = NoiseSchedule.scaled_linear(noisy.device)
        return schedule.sigma(timestep, noisy) * noisy + schedule.signal(timestep, noisy) * output

    def _time_token(self, timestep: Tensor, guidance_weight: Tensor | None, dtype: torch.dtype) -> Tensor:
        """[B or 1, 1, width] of timesteps [B or 1] and, where there is one, the guidance weight."""
        features = timestep_features(timestep, self.config.time_width).to(dtype)
        if self.guidance_in is not None and guidance_weight is not None:
            guidance = guidance_features(guidance_weight.reshape(-1), self.guidance_in.in_features)
            features = features + self.guidance_in(guidance.to(dtype))
        token: Tensor = self.time_out(F.silu(self.time_in(features)))
        return token[:, None]

    def _check(self, noisy: Tensor, text: Tensor, guidance_weight: Tensor | None) -> None:
        config = self.config
        if noisy.ndim != 3 or noisy.shape[1:] != (config.latent_tokens, config.latent_width):
            raise LatentMismatchError(
                f"latents are {list(noisy.shape)}, this denoiser takes "
                f"[batch, {config.latent_tokens}, {config.latent_width}]"
            )
        if text.ndim != 3 or text.shape[-1] != config.text_width:
            raise ConfigError(
                f"text embedding is {list(text.shape)}, this denoiser takes [batch, tokens, {config.text_width}]"
            )
        if guidance_weight is not None and self.guidance_in is None:
            raise ConfigError("guidance_weight: this denoiser has no guidance input (guidance_width is not set)")
