"""Position tables, and the sinusoidal features of timesteps and guidance weights."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leadbench.core.errors import DataError

# Arguments reach 12,500 rad, where the float32 rounding of frequencies shows (4e-4). Official weights were trained
# with that rounding, so the features are float32 throughout and each keeps its own order of multiplications.
_LOG = -math.log(10000.0)


class LearnedPositions(nn.Module):
    """Adds the first rows of a learned table [length, width] to a sequence [B, S, width] (MLD, MotionLCM).

    Raises DataError for a sequence longer than the table.
    """

    def __init__(self, width: int, length: int = 500, *, sinusoidal: bool = False) -> None:
        """``sinusoidal`` starts the table at sines and cosines, so that neighbours start alike (official: uniform)."""
        super().__init__()
        start = SinusoidalPositions(width, length).table if sinusoidal else torch.empty(length, width).uniform_()
        self.table = nn.Parameter(start.clone())

    def rows(self, length: int) -> Tensor:
        """The first ``length`` positions, [length, width]."""
        if length > self.table.shape[0]:
            raise DataError(f"sequence of {length} tokens: this network has {self.table.shape[0]} positions at most")
        return self.table[:length]

    def forward(self, x: Tensor) -> Tensor:
        return x + self.rows(x.shape[1])


class SinusoidalPositions(nn.Module):
    """Adds the fixed sine and cosine positions of Vaswani et al. (2017) to a sequence [B, S, width]."""

    table: Tensor

    def __init__(self, width: int, length: int) -> None:
        super().__init__()
        rows = torch.arange(length)
        exponents = _index(width, rows.device) * (_LOG / max(1, width // 2))
        self.register_buffer("table", _sinusoids(rows, exponents, width), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.table[: x.shape[1]].to(x.dtype)


def timestep_features(timestep: Tensor, width: int) -> Tensor:
    """Sinusoidal features [B, width] of timesteps [B], float32, cosines first, then sines.

    Frequencies are exp(-ln(10000) i / half) with half = width // 2; an odd width ends in a zero (MLD, MotionLCM).

    >>> timestep_features(torch.tensor([0]), 4).tolist()
    [[1.0, 1.0, 0.0, 0.0]]
    """
    exponents = _index(width, timestep.device) * _LOG / (width // 2)
    return _sinusoids(timestep, exponents, width, cosines_first=True)


def guidance_features(weight: Tensor, width: int) -> Tensor:
    """Sinusoidal features [B, width] of guidance weights w = guidance - 1, [B], float32, sines first.

    The argument is 1000 w and the frequencies are exp(-ln(10000) i / (half - 1)); an odd width ends in a zero
    (latent consistency models, MotionLCM). ``width`` is at least 4.

    >>> guidance_features(torch.tensor([0.0]), 5).tolist()
    [[0.0, 0.0, 1.0, 1.0, 0.0]]
    """
    exponents = _index(width, weight.device) * (_LOG / (width // 2 - 1))
    return _sinusoids(weight.float() * 1000.0, exponents, width)


def _index(width: int, device: torch.device) -> Tensor:
    return torch.arange(width // 2, dtype=torch.float32, device=device)


def _sinusoids(values: Tensor, exponents: Tensor, width: int, cosines_first: bool = False) -> Tensor:
    angles = values.float()[:, None] * torch.exp(exponents)
    parts = [angles.cos(), angles.sin()] if cosines_first else [angles.sin(), angles.cos()]
    return F.pad(torch.cat(parts, dim=-1), (0, width % 2))
