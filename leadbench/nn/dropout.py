"""Dropout that is the same whatever the number of processes that share a batch."""

from __future__ import annotations

from torch import Tensor, nn

from leadbench.core.shards import dropped_out


class RowDropout(nn.Dropout):
    """:class:`torch.nn.Dropout` of rows [B, ...]; a process that computes some of them drops what one process would."""

    def forward(self, x: Tensor) -> Tensor:
        """Drop out in training, as in torch."""
        return dropped_out(x, self.p) if self.training else x
