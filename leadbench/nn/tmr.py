"""Text-motion retrieval in the manner of TMR (Petrovich et al., ICCV 2023): raw captions and a motion transformer.

What is kept of TMR: a frozen language model reads the caption as it is, without tags; a transformer reads the motion;
both meet on the unit sphere under a contrastive loss that leaves out near-paraphrases. What is left out: its generative
half (a decoder and the KL terms).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leadbench.core.config import TmrConfig
from leadbench.core.errors import DataError
from leadbench.nn.positions import LearnedPositions
from leadbench.nn.transformer import TransformerEncoder, effective_mask, reset_parameters

POSITIONS = 128  # groups of frames; the longest motions have 50


class TmrNetworks(nn.Module):
    """Both halves: captions, embedded by a frozen encoder, and motions into one space [B, E] of unit length.

    >>> from leadbench.core.config import TransformerConfig
    >>> body = TransformerConfig(width=8, layers=1, heads=2, feedforward=8)
    >>> networks = TmrNetworks(TmrConfig(features=12, text_width=6, embedding=5, transformer=body)).eval()
    >>> networks.motion(torch.zeros(2, 40, 12), torch.ones(2, 40, dtype=torch.bool)).shape
    torch.Size([2, 5])
    >>> networks.text(torch.ones(3, 1, 6), torch.ones(3, 1, dtype=torch.bool)).norm(dim=1).round(decimals=4).tolist()
    [1.0, 1.0, 1.0]
    """

    def __init__(self, config: TmrConfig) -> None:
        super().__init__()
        self.config = config
        width = config.transformer.width
        self.frames_in = nn.Linear(config.frames_per_token * config.features, width)
        self.summary = nn.Parameter(torch.randn(1, width))
        self.positions = LearnedPositions(width, POSITIONS, sinusoidal=True)
        self.encoder = TransformerEncoder(config.transformer)
        self.motion_out = nn.Linear(width, config.embedding)
        self.text_in = nn.Linear(config.text_width, width)
        self.text_out = nn.Linear(width, config.embedding)
        reset_parameters(self)

    def motion(self, features: Tensor, mask: Tensor) -> Tensor:
        """Embed motions.

        Args:
            features: [B, F, D] in the evaluator's own normalisation; what padded frames hold does not matter.
            mask: [B, F], True on real frames.

        Returns:
            [B, E], row i belongs to motion i and does not depend on the others.

        Raises:
            DataError: another feature width, or more frames than positions.
        """
        if features.shape[-1] != self.config.features:
            raise DataError(f"motion has {features.shape[-1]} features a frame, the evaluator {self.config.features}")
        size = self.config.frames_per_token
        extra = -features.shape[1] % size
        real = F.pad(features.masked_fill(~mask[..., None], 0.0), (0, 0, 0, extra))
        groups = self.frames_in(real.reshape(len(features), -1, size * self.config.features))
        tokens = torch.cat([self.summary.expand(len(groups), -1, -1), groups], dim=1)
        valid = F.pad(mask, (0, extra)).reshape(len(mask), -1, size).any(dim=2)
        keys = effective_mask(F.pad(valid, (1, 0), value=True))
        summary = self.encoder(self.positions(tokens), keys, rows=1)[:, 0]
        return F.normalize(self.motion_out(summary), dim=-1)

    def text(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Embed captions given as tokens [B, L, C] of the frozen encoder with their mask [B, L], to [B, E]."""
        weights = mask[..., None].to(tokens.dtype)
        mean = (tokens * weights).sum(dim=1) / weights.sum(dim=1)
        return F.normalize(self.text_out(F.gelu(self.text_in(mean))), dim=-1)
