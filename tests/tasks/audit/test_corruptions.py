"""What corruptions do to a motion, and that they do nothing at strength 0."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from leadbench.core.random import stream
from leadbench.core.skeleton import get_skeleton
from leadbench.data.synthetic.generate import perform
from leadbench.tasks.audit.corruptions import CORRUPTIONS, FADE

SKELETON = get_skeleton("humanml3d")


@pytest.fixture(scope="module")
def walk() -> Tensor:
    return torch.from_numpy(perform(0, 0).joints).float()


def made(name: str, joints: Tensor, strength: float, key: int = 0) -> Tensor:
    return CORRUPTIONS[name].apply(joints, SKELETON, strength, stream(0, name, key))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_length_and_kind_stay_and_strength_0_is_nothing(name: str, walk: Tensor) -> None:
    before = walk.clone()
    torch.testing.assert_close(made(name, walk, 0.0), walk, rtol=0, atol=1e-6)
    strongest = made(name, walk, CORRUPTIONS[name].strengths[-1])
    assert (strongest.shape, strongest.dtype) == (walk.shape, walk.dtype)
    assert bool(torch.isfinite(strongest).all())
    assert torch.equal(walk, before)
    assert not torch.equal(strongest, walk)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_strengths_ascend(name: str) -> None:
    strengths = CORRUPTIONS[name].strengths
    assert list(strengths) == sorted(set(strengths))
    assert strengths[0] > 0


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_skeleton_of_kit_ml(name: str) -> None:
    skeleton = get_skeleton("kit")
    joints = torch.randn(40, 1, 1) * 0.1 + torch.randn(1, skeleton.n_joints, 3) * 100  # millimetres, 21 joints
    found = CORRUPTIONS[name].apply(joints, skeleton, CORRUPTIONS[name].strengths[-1], stream(0, name))
    assert found.shape == joints.shape
    assert bool(torch.isfinite(found).all())
    assert not torch.equal(found, joints)


def test_jitter_is_as_strong_as_it_says(walk: Tensor) -> None:
    bones = (walk[0, 1:] - walk[0, list(SKELETON.parents[1:])]).norm(dim=-1).mean()
    difference = made("jitter", walk, 0.1) - walk
    assert float(difference.std()) == pytest.approx(0.1 * float(bones), rel=0.05)
    # the same draw at every strength
    torch.testing.assert_close(made("jitter", walk, 0.2) - walk, 2 * difference, rtol=1e-3, atol=1e-5)


def test_warped_time_begins_and_ends_where_it_did(walk: Tensor) -> None:
    warped = made("time-warp", walk, 0.8)
    torch.testing.assert_close(warped[[0, -1]], walk[[0, -1]])
    even = torch.arange(101.0)[:, None, None].expand(-1, SKELETON.n_joints, 3)  # a frame's length each frame
    speed = made("time-warp", even, 0.8).diff(dim=0)[:, 0, 0]
    assert (float(speed[0]), float(speed[50]), float(speed[-1])) == pytest.approx((1.8, 0.2, 1.8), abs=0.01)


@pytest.mark.parametrize("name", ["mirrored", "shuffled-halves"])
def test_shares_are_nested(name: str, walk: Tensor) -> None:
    changed = {
        share: {key for key in range(60) if not torch.equal(made(name, walk, share, key), walk)}
        for share in (0.25, 0.5, 1.0)
    }
    assert changed[0.25] < changed[0.5] < changed[1.0] == set(range(60))
    assert len(changed[0.5]) == pytest.approx(30, abs=12)


def test_the_second_half_comes_first(walk: Tensor) -> None:
    half = len(walk) // 2
    found = made("shuffled-halves", walk, 1.0)
    torch.testing.assert_close(found[: len(walk) - half - FADE], walk[half : len(walk) - FADE])
    # no jump: the root moves no faster anywhere than some frames of the walk and the blend do
    steps = (found[1:, 0] - found[:-1, 0]).norm(dim=-1)
    assert float(steps.max()) < 3 * float((walk[1:, 0] - walk[:-1, 0]).norm(dim=-1).max())
    short = walk[: 4 * FADE - 1]
    assert torch.equal(made("shuffled-halves", short, 1.0), short)


def test_frozen_feet_keep_their_place_beside_the_pelvis(walk: Tensor) -> None:
    feet = [*SKELETON.left_foot, *SKELETON.right_foot]
    beside = made("frozen-feet", walk, 1.0)[:, feet] - walk[:, :1]
    torch.testing.assert_close(beside, beside[:1].expand_as(beside), rtol=0, atol=1e-5)
    others = [joint for joint in range(SKELETON.n_joints) if joint not in feet]
    assert torch.equal(made("frozen-feet", walk, 1.0)[:, others], walk[:, others])
    half = made("frozen-feet", walk, 0.5)[:, feet]
    torch.testing.assert_close(half, (walk[:, feet] + made("frozen-feet", walk, 1.0)[:, feet]) / 2)
