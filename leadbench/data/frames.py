"""Clips kept where they are worked on: a batch of crops is one gather on the device, of frames that were sent once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor

from leadbench.core.device import free_memory, sent
from leadbench.core.tensors import MotionBatch, MotionSample, mask_of
from leadbench.data.humanml3d import DrawnSample, collate

SHARE = 0.5
"""Of a device's free memory; clips that take more stay on the host and are sent batch by batch."""


class FramePool:
    """Frames of many clips, for batches of crops on a device.

    On an accelerator they are packed into one tensor there, if half of its free memory holds them; a batch then costs
    the transfer of a few numbers. Otherwise batches are put together on the host, and sent through pinned memory.

    Args:
        clips: features [F_i, D] on the CPU.
        device: where batches are wanted.
    """

    def __init__(self, clips: Sequence[Tensor], device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self._clips = list(clips)
        self._first = [0, *accumulate(len(clip) for clip in clips)]
        self._packed: Tensor | None = None
        if self.device.type != "cpu" and self._clips and self._fits():
            self._packed = sent(torch.cat(self._clips), self.device)

    @property
    def resident(self) -> bool:
        """Whether the frames are on the device."""
        return self._packed is not None or self.device.type == "cpu"

    def crops(self, rows: Sequence[int], starts: Sequence[int], lengths: Sequence[int]) -> MotionBatch:
        """Raw crops [B, F, D] of clips, from ``starts`` on, padded with zeros, with their mask."""
        if self._packed is None:
            parts = zip(rows, starts, lengths, strict=True)
            return collate([self._clips[r][s : s + n] for r, s, n in parts]).to(self.device)
        mask = mask_of(lengths, self.device)
        first = torch.tensor([self._first[r] + s for r, s in zip(rows, starts, strict=True)])
        steps = torch.arange(mask.shape[1], device=self.device)
        places = (sent(first, self.device)[:, None] + steps).clamp_(max=len(self._packed) - 1)
        return MotionBatch(torch.where(mask[..., None], self._packed[places], 0.0), mask)

    def windows(self, rows: Sequence[int], starts: Sequence[int], length: int) -> Tensor:
        """Crops [B, L, D] of one length, for which no mask is needed."""
        if self._packed is None:
            return sent(self.host_windows(rows, starts, length), self.device)
        first = sent(torch.tensor([self._first[r] + s for r, s in zip(rows, starts, strict=True)]), self.device)
        return self._packed[first[:, None] + torch.arange(length, device=self.device)]

    def host_windows(self, rows: Sequence[int], starts: Sequence[int], length: int) -> Tensor:
        """The same on the CPU, pinned if it is to go to CUDA."""
        crops = torch.stack([self._clips[r][s : s + length] for r, s in zip(rows, starts, strict=True)])
        return crops.pin_memory() if self.device.type == "cuda" else crops

    def _fits(self) -> bool:
        free = free_memory(self.device)
        return free is None or sum(clip.nbytes for clip in self._clips) < SHARE * free


class SamplePool(FramePool):
    """Frames of samples, found again by their ids."""

    def __init__(self, samples: Sequence[MotionSample], device: torch.device | str) -> None:
        super().__init__([sample.features for sample in samples], device)
        self._samples = list(samples)
        self._row = {sample.id: row for row, sample in enumerate(samples)}

    def holds(self, items: Sequence[DrawnSample]) -> bool:
        """Whether all are of these samples."""
        rows = (self._row.get(item.id) for item in items)
        return all(r is not None and self._samples[r] is i.sample for r, i in zip(rows, items, strict=True))

    def drawn(self, items: Sequence[DrawnSample]) -> MotionBatch:
        """Raw crops of drawn samples."""
        return self.crops([self._row[i.id] for i in items], [i.start for i in items], [i.length for i in items])


def drawn_batch(items: Sequence[DrawnSample], device: torch.device, pool: SamplePool | None = None) -> MotionBatch:
    """Raw crops [B, F, D] on a device; from a pool there if there is one."""
    if pool is not None and pool.device == device and pool.holds(items):
        return pool.drawn(items)
    return collate([item.features for item in items]).to(device)
