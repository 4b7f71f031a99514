"""Batches of motions of similar length: nothing is padded to the longest motion of the dataset."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from leadbench.core.random import stream
from leadbench.data.frames import FramePool
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
        device: where batches are wanted; clips that do not fit there are cut on the host, a batch ahead.
    """

    def __init__(self, clips: Sequence[Tensor], frames: int, seed: int, device: torch.device | str = "cpu") -> None:
        self._order = sorted(range(len(clips)), key=lambda i: (clips[i].shape[0], i))
        self._lengths = np.array([clips[i].shape[0] for i in self._order])
        self._frames, self._seed = frames, seed
        self._pool = FramePool([clips[i] for i in self._order], device)
        self._ahead: dict[int, Future[Tensor]] = {}
        self._worker: ThreadPoolExecutor | None = None

    def get(self, step: int) -> Tensor:
        """Batch of step ``step``: features [B, L, D], L a multiple of 4."""
        return self.draw(step)[0]

    def draw(self, step: int) -> tuple[Tensor, list[int]]:
        """The same batch, and which of the given clips each row is cut from."""
        places, starts, length = self._plan(step)
        crops = self._pool.windows(places, starts, length) if self._pool.resident else self._sent_ahead(step)
        return crops, [self._order[i] for i in places]

    def _plan(self, step: int) -> tuple[list[int], list[int], int]:
        """Clips of a step, where their crops start, and how long all are."""
        rng = stream(self._seed, "length-batch", step)
        length = int(self._lengths[rng.integers(len(self._lengths))]) // FRAME_STEP * FRAME_STEP
        low, high = np.searchsorted(self._lengths, [length, 2 * length + 1])
        count = min(high - low, max(1, self._frames // length))
        places = low + rng.choice(high - low, count, replace=False)
        starts = [int(rng.integers(self._lengths[i] - length + 1)) for i in places]
        return [int(i) for i in places], starts, length

    def _sent_ahead(self, step: int) -> Tensor:
        """The crops of a step, cut and pinned while the step before it was computed."""
        self._worker = self._worker or ThreadPoolExecutor(1, "batches")
        ready = self._ahead.pop(step, None)
        crops = self._cut(step) if ready is None else ready.result()
        self._ahead = {step + 1: self._worker.submit(self._cut, step + 1)}
        return crops.to(self._pool.device, non_blocking=True)

    def _cut(self, step: int) -> Tensor:
        return self._pool.host_windows(*self._plan(step))
