"""Evaluator embeddings of many motions: sorted by length, with a recurrence whose weights are laid out once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from leadbench.nn.evaluator import MotionEmbedder, SequenceEmbedder
from leadbench.packing import PackedLinear, prepared

BATCH = 128
"""Motions embedded together: the recurrent products of 32 rows leave half of a core's rate unused."""


class PackedSequenceEmbedder:
    """:class:`SequenceEmbedder` for rows sorted by falling length: step t computes the rows that reach it."""

    def __init__(self, module: SequenceEmbedder, dtype: torch.dtype = torch.float32) -> None:
        self.input = PackedLinear(module.input.weight, module.input.bias, dtype)
        self.start, self.head = module.start.detach(), module.head
        self.directions = [_maps(module.gru, suffix, dtype) for suffix in ("", "_reverse")]

    def __call__(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        """Embeddings [B, E] of [B, S, I]; lengths [B] fall from at most S."""
        steps = int(lengths[0])
        reaching = (lengths[None, :] > torch.arange(steps)[:, None]).sum(dim=1).tolist()
        order = torch.cat([torch.arange(count) * sequence.shape[1] + t for t, count in enumerate(reaching)])
        entered = self.input(sequence.reshape(-1, sequence.shape[-1])[order.to(sequence.device)])
        ends = [self._run(entered, reaching, direction) for direction in (0, 1)]
        embedded: Tensor = self.head(torch.cat(ends, dim=-1))
        return embedded

    def _run(self, entered: Tensor, reaching: list[int], direction: int) -> Tensor:
        """Last states [B, H] of one direction; the backward one starts at each row's own last step."""
        into, again = self.directions[direction]
        gates = into(entered).split(reaching)
        hidden = self.start[direction].to(entered.dtype).repeat(reaching[0], 1)
        times = range(len(reaching)) if direction == 0 else range(len(reaching) - 1, -1, -1)
        for t in times:
            rows = reaching[t]
            hidden[:rows] = _step(gates[t], again(hidden[:rows]), hidden[:rows])
        return hidden


def _maps(gru: nn.GRU, suffix: str, dtype: torch.dtype) -> tuple[PackedLinear, PackedLinear]:
    """Input and recurrent maps of one direction, gates in torch's order: reset, update, new."""
    into, again = (
        PackedLinear(getattr(gru, f"weight_{kind}_l0{suffix}"), getattr(gru, f"bias_{kind}_l0{suffix}"), dtype)
        for kind in ("ih", "hh")
    )
    return into, again


def _step(entered: Tensor, remembered: Tensor, hidden: Tensor) -> Tensor:
    """The GRU's next state [B, H] from both maps' gates [B, 3 H]."""
    width = hidden.shape[1]
    reset, update = (entered[:, : 2 * width] + remembered[:, : 2 * width]).sigmoid_().chunk(2, dim=1)
    new = torch.addcmul(entered[:, 2 * width :], reset, remembered[:, 2 * width :]).tanh_()
    return torch.lerp(new, hidden, update)


@torch.no_grad()
def embed_in_buckets(embedder: MotionEmbedder, features: Tensor, lengths: Tensor, batch: int = BATCH) -> Tensor:
    """Embeddings [S, E] of motions [S, F, D] of ``lengths`` [S], in input order: ``batch`` of like length at once.

    Raises DataError as :meth:`MotionEmbedder.forward` does. Modules in training, on CUDA or of another type than
    float32 run as they are.
    """
    weight = embedder.sequence.start
    if embedder.training or weight.is_cuda or weight.dtype is not torch.float32 or not len(features):
        embedded: Tensor = embedder(features, lengths)
        return embedded
    sequence = prepared(embedder.sequence, PackedSequenceEmbedder)
    order = lengths.argsort(descending=True, stable=True)
    pieces = []
    for rows in order.split(batch):
        motions, frames = embedder.padded(features[rows, : max(1, int(lengths[rows].max()))], lengths[rows])
        pieces.append(sequence(embedder.movement(motions), frames))
    return torch.cat(pieces)[order.argsort()]
