from __future__ import annotations

import pytest
import torch

from leadbench.core.tensors import MotionSample, TextSample
from leadbench.data import frames
from leadbench.data.frames import SHARE, FramePool, SamplePool, drawn_batch
from leadbench.data.humanml3d import collate, draw

CLIPS = [torch.randn(length, 5, generator=torch.Generator().manual_seed(length)) for length in (40, 64, 52)]
SAMPLES = [MotionSample(f"m{i}", clip, (TextSample("a", ()),)) for i, clip in enumerate(CLIPS)]


def packed() -> FramePool:
    """A pool as it is on an accelerator, on the CPU."""
    pool = FramePool(CLIPS)
    pool._packed = torch.cat(CLIPS)
    return pool


def test_packed_crops_are_those_of_the_clips() -> None:
    rows, starts, lengths = [2, 0, 1, 1], [4, 0, 0, 60], [48, 40, 64, 4]
    wanted = collate([CLIPS[r][s : s + n] for r, s, n in zip(rows, starts, lengths, strict=True)])
    for pool in (packed(), FramePool(CLIPS)):
        found = pool.crops(rows, starts, lengths)
        assert torch.equal(found.features, wanted.features)
        assert torch.equal(found.mask, wanted.mask)


def test_windows_need_no_mask() -> None:
    for pool in (packed(), FramePool(CLIPS)):
        found = pool.windows([1, 2], [8, 12], 40)
        assert torch.equal(found, torch.stack([CLIPS[1][8:48], CLIPS[2][12:52]]))


def test_drawn_motions_of_others_are_not_taken_for_ones_own() -> None:
    pool = SamplePool(SAMPLES, "cpu")
    own = draw(SAMPLES, 0, 0)
    others = draw([MotionSample(s.id, s.features + 1, s.captions) for s in SAMPLES], 0, 0)
    assert pool.holds(own)
    assert not pool.holds(others)
    for items in (own, others):
        wanted = collate([item.features for item in items])
        assert torch.equal(drawn_batch(items, torch.device("cpu"), pool).features, wanted.features)


def test_a_pool_that_does_not_fit_stays_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:

    need = sum(clip.nbytes for clip in CLIPS)
    for free, fits in ((int(need / SHARE) - 8, False), (int(need / SHARE) + 8, True)):
        monkeypatch.setattr(frames, "free_memory", lambda device, free=free: free)
        assert FramePool(CLIPS)._fits() is fits
