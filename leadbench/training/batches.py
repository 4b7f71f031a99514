"""Batches of motions of similar length: nothing is padded to the longest motion of the dataset."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from leadbench.core.random import stream
from leadbench.data.humanml3d import FRAME_STEP


class LengthBatches:
    """Draws batches of about ``frames`` frames without any padding.

    A random clip sets the length L; the batch holds random clips of L to 2 L frames, cropped to L at random starts. So
    each length comes as often as the data has it, and yet a batch mixes contents: batches of clips sorted by length
    hold one kind of movement each, and training on them stalls.

    Args:
        clips: features [F_i, D].
        frames: frames of a batch.
        seed: seed of clips and crops.
    """

    def __init__(self, clips: Sequence[Tensor], frames: int, seed: int) -> None:
        self._order = sorted(range(len(clips)), key=lambda i: (clips[i].shape[0], i))
        self._clips = [clips[i] for i in self._order]
        self._lengths = np.array([clip.shape[0] for clip in self._clips])
        self._frames, self._seed = frames, seed

    def get(self, step: int) -> Tensor:
        """Batch of step ``step``: features [B, L, D], L a multiple of 4."""
        return self.draw(step)[0]

    def draw(self, step: int) -> tuple[Tensor, list[int]]:
        """The same batch, and which of the given clips each row is cut from."""
        rng = stream(self._seed, "length-batch", step)
        length = int(self._lengths[rng.integers(len(self._lengths))]) // FRAME_STEP * FRAME_STEP
        low, high = np.searchsorted(self._lengths, [length, 2 * length + 1])
        count = min(high - low, max(1, self._frames // length))
        places = low + rng.choice(high - low, count, replace=False)
        chosen = [self._clips[i] for i in places]
        starts = [int(rng.integers(clip.shape[0] - length + 1)) for clip in chosen]
        crops = torch.stack([clip[start : start + length] for clip, start in zip(chosen, starts, strict=True)])
        return crops, [self._order[i] for i in places]
