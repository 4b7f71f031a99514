"""Evaluator embeddings of many motions: sorted by length, with a recurrence whose weights are laid out once."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leadbench.nn.evaluator import (
    CONTACTS,
    FRAMES_PER_STEP,
    PADDING_FRAMES,
    SLOPE,
    MotionEmbedder,
    MovementEncoder,
)
from leadbench.nn.packing import PackedLinear, composed, prepared

BATCH = 128
"""Motions embedded together: the recurrent products of 32 rows leave half of a core's rate unused."""


class PackedMovementEncoder:
    """:class:`MovementEncoder` of motions as rows: a convolution over 4 frames with stride 2 and padding 1 is a linear
    map of pairs of frames and one of the pairs after them."""

    def __init__(self, module: MovementEncoder, dtype: torch.dtype = torch.float32) -> None:
        # The contacts, which the first convolution does not see, are given weights of 0 instead of being cut off.
        self.first, self.second = _PairMaps(module.first, CONTACTS, dtype), _PairMaps(module.second, 0, dtype)

    def __call__(self, features: Tensor, rows: list[int], lengths: list[int]) -> Tensor:
        """Steps [B, F' // 4, M] of some rows of features [S, F, D], for lengths that fall from at most F, before the
        last linear map; whatever frames beyond a length hold, they count as 0."""
        longest = lengths[0] + PADDING_FRAMES + -lengths[0] % FRAMES_PER_STEP
        motions = features.new_empty(len(rows), longest + 2, features.shape[-1])  # a frame of padding at both ends
        motions[:, 0] = 0
        for motion, row, count in zip(motions, rows, lengths, strict=True):
            motion[1 : 1 + count] = features[row, :count]
            motion[1 + count :] = 0
        return self.second(F.pad(self.first(motions), (0, 0, 1, 1)))


class _PairMaps:
    """A convolution (kernel 4, stride 2) of [B, T, D], T even, and a leaky ReLU: [B, T / 2 - 1, O]."""

    def __init__(self, module: nn.Conv1d, unseen: int, dtype: torch.dtype) -> None:
        weight = F.pad(module.weight.detach(), (0, 0, 0, unseen)).transpose(1, 2)  # [O, 4, D]
        self.here = PackedLinear(weight[:, :2].flatten(1), module.bias, dtype)
        self.after = PackedLinear(weight[:, 2:].flatten(1), None, dtype)

    def __call__(self, frames: Tensor) -> Tensor:
        batch, length, width = frames.shape
        pairs = frames.view(batch * length // 2, 2 * width)
        here, after = (m(pairs).view(batch, length // 2, -1) for m in (self.here, self.after))
        return F.leaky_relu_(here[:, :-1] + after[:, 1:], SLOPE)


class PackedSequenceEmbedder:
    """The rest of :class:`MotionEmbedder` for rows sorted by falling length: step t computes the rows that reach it.

    Nothing but linear maps stands between the convolutions and the gates of the GRU: they become one.
    """

    def __init__(self, embedder: MotionEmbedder, dtype: torch.dtype = torch.float32) -> None:
        module = embedder.sequence
        self.start, self.head = module.start.detach(), module.head
        before = composed(module.input, (embedder.movement.output.weight, embedder.movement.output.bias))
        self.directions = [_maps(module.gru, suffix, before, dtype) for suffix in ("", "_reverse")]

    def __call__(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """Embeddings [B, E] of [B, S, M]; lengths [B] fall from at most S."""
        longest = int(lengths[0])
        reaching = (lengths[None, :] > torch.arange(longest)[:, None]).sum(dim=1).tolist()
        order = torch.cat([torch.arange(count) * steps.shape[1] + t for t, count in enumerate(reaching)])
        entered = steps.reshape(-1, steps.shape[-1])[order]
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


def _maps(
    gru: nn.GRU, suffix: str, before: tuple[Tensor, Tensor], dtype: torch.dtype
) -> tuple[PackedLinear, PackedLinear]:
    """Input map, after ``before``, and recurrent map of one direction, gates in torch's order: reset, update, new."""
    into = composed((getattr(gru, f"weight_ih_l0{suffix}"), getattr(gru, f"bias_ih_l0{suffix}")), before)
    again = getattr(gru, f"weight_hh_l0{suffix}"), getattr(gru, f"bias_hh_l0{suffix}")
    return PackedLinear(*into, dtype), PackedLinear(*again, dtype)


def _step(entered: Tensor, remembered: Tensor, hidden: Tensor) -> Tensor:
    """The GRU's next state [B, H] from both maps' gates [B, 3 H]."""
    width = hidden.shape[1]
    reset, update = (entered[:, : 2 * width] + remembered[:, : 2 * width]).sigmoid_().chunk(2, dim=1)
    new = torch.addcmul(entered[:, 2 * width :], reset, remembered[:, 2 * width :]).tanh_()
    return torch.lerp(new, hidden, update)


@torch.no_grad()
def embed_in_buckets(embedder: MotionEmbedder, features: Tensor, lengths: Tensor, batch: int = BATCH) -> Tensor:
    """Embeddings [S, E] of motions [S, F, D] of ``lengths`` [S], in input order: ``batch`` of like length at once.

    Raises DataError as :meth:`MotionEmbedder.forward` does. Modules in training, on an accelerator or of another type
    than float32 run as they are.
    """
    weight = embedder.sequence.start
    if embedder.training or weight.device.type != "cpu" or weight.dtype is not torch.float32 or not len(features):
        embedded: Tensor = embedder(features, lengths)
        return embedded
    embedder.check(features, lengths)
    movement = prepared(embedder.movement, PackedMovementEncoder)
    sequence = prepared(embedder, PackedSequenceEmbedder)
    order = lengths.argsort(descending=True, stable=True)
    pieces = []
    for rows in order.split(batch):
        frames = lengths[rows]
        steps = movement(features, rows.tolist(), frames.tolist())
        pieces.append(sequence(steps, frames // FRAMES_PER_STEP))
    return torch.cat(pieces)[order.argsort()]
