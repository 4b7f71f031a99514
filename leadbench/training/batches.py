"""Batches of motions of similar length: nothing is padded to the longest motion of the dataset."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from leadbench.core.random import stream
from leadbench.core.shards import Place, current_place, own_rows
from leadbench.data.frames import FramePool
from leadbench.data.humanml3d import FRAME_STEP


@dataclass(frozen=True, eq=False)
class LengthBatch:
    """Crops of one length.

    Attributes:
        features: [b, L, D], the rows that this process computes.
        rows: which clip each row of the whole batch is cut from.
        own: the rows of the whole batch that ``features`` are.
    """

    features: Tensor
    rows: tuple[int, ...]
    own: slice


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
        self._ahead: dict[tuple[int, Place], Future[Tensor]] = {}
        self._worker: ThreadPoolExecutor | None = None

    def draw(self, step: int) -> LengthBatch:
        """Batch of step ``step``; L is a multiple of 4."""
        places, starts, length = self._plan(step)
        own = own_rows(len(places))
        resident = self._pool.resident
        crops = self._pool.windows(places[own], starts[own], length) if resident else self._sent_ahead(step)
        return LengthBatch(crops, tuple(self._order[i] for i in places), own)

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
        """The own crops of a step, cut and pinned while the step before it was computed."""
        self._worker = self._worker or ThreadPoolExecutor(1, "batches")
        here = current_place()
        ready = self._ahead.pop((step, here), None)
        crops = self._cut(step, here) if ready is None else ready.result()
        self._ahead = {(step + 1, here): self._worker.submit(self._cut, step + 1, here)}
        return crops.to(self._pool.device, non_blocking=True)

    def _cut(self, step: int, place: Place) -> Tensor:
        places, starts, length = self._plan(step)
        own = place.rows(len(places))
        return self._pool.host_windows(places[own], starts[own], length)
