"""How long a motion of a caption is: a distribution over lengths, from the caption's embedding alone.

What HumanML3D's authors do (Guo et al. 2022, text-to-motion, the estimator of lengths): classes of 4 frames each.
"""

from __future__ import annotations

from torch import Tensor, nn

from leadbench.core.config import LengthConfig
from leadbench.nn.dropout import RowDropout


class LengthNetwork(nn.Module):
    """Pooled text embedding [B, C] to logits [B, U]; class u stands for ``u + 1`` units of 4 frames."""

    def __init__(self, config: LengthConfig) -> None:
        super().__init__()
        self.config = config
        width = config.hidden
        self.layers = nn.Sequential(
            nn.LayerNorm(config.text_width),
            nn.Linear(config.text_width, width),
            nn.GELU(),
            RowDropout(config.dropout),
            nn.Linear(width, width),
            nn.GELU(),
            RowDropout(config.dropout),
            nn.Linear(width, config.units),
        )

    def forward(self, pooled: Tensor) -> Tensor:
        """Logits of the classes."""
        found: Tensor = self.layers(pooled)
        return found


def median_units(logits: Tensor) -> Tensor:
    """Units [B] up to which half of the probability of logits [B, U] lies.

    >>> from torch import tensor
    >>> median_units(tensor([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]]).log()).tolist()
    [2, 1]
    """
    below = logits.softmax(dim=-1).cumsum(dim=-1) < 0.5
    return below.sum(dim=-1).clamp(max=logits.shape[-1] - 1) + 1
